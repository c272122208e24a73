"""A lease that one of several processes holds: renewed while it lives, taken over once it has given no sign of life.

No clock is compared with another: whoever waits takes over when the lease has not changed for `LEASE` seconds of his
own clock. A holder that was asleep for as long does not know; nothing that it does may depend on it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from siem.store.scheduling import Lease, Scheduling

LEASE = 30.0
"""Seconds without a sign of life after which somebody is taken for gone."""

BEATS = 6
"""Signs of life that a holder gives in that time."""


class Standing(StrEnum):
    """HELD: by this process. WAITING: somebody else has it. LOST: this process had it, and somebody took it over."""

    HELD = "held"
    WAITING = "waiting"
    LOST = "lost"


class Tenure:
    """How one process stands to a lease. holder: a name that no other process has. clock: monotonic seconds."""

    def __init__(self, name: str, holder: str, clock: Callable[[], float], lease: float = LEASE) -> None:
        self.name, self.holder, self.lease, self._clock = name, holder, lease, clock
        self._mine: Lease | None = None
        self._renewed = 0.0
        self._seen: tuple[Lease, float] | None = None

    @property
    def beat(self) -> float:
        """Seconds after which to tend it again."""
        return self.lease / BEATS

    @property
    def holds(self) -> bool:
        """As far as this process can know: nobody else has a reason to take it for gone yet."""
        return self._mine is not None and self._clock() - self._renewed < self.lease

    def tend(self, store: Scheduling) -> Standing:
        """Renew what is held; else take what is free or left.

        Raises:
            Unavailable: the store is away; what is held may get lost.
        """
        if self._mine is not None:
            return self._renew(store, self._mine)
        there = store.lease(self.name)
        if there is None or there.holder in ("", self.holder) or self._is_left(there):
            self._take(store, there)
        return Standing.WAITING if self._mine is None else Standing.HELD

    def give_back(self, store: Scheduling) -> None:
        """Let others have it at once, if it is held."""
        if self._mine is not None:
            store.take(self.name, "", self._mine)
            self._mine = None

    def _renew(self, store: Scheduling, mine: Lease) -> Standing:
        if not self._take(store, mine):
            there = store.lease(self.name)
            if there is None or there.holder != self.holder or not self._take(store, there):
                return Standing.LOST
        return Standing.HELD  # also: it was renewed before, and the answer was lost

    def _take(self, store: Scheduling, seen: Lease | None) -> bool:
        asked = self._clock()
        self._mine = store.take(self.name, self.holder, seen)
        self._renewed, self._seen = asked, None
        return self._mine is not None

    def _is_left(self, there: Lease) -> bool:
        """It has not changed for as long as a lease while this process looked."""
        now = self._clock()
        if self._seen is None or self._seen[0] != there:
            self._seen = there, now
        return now - self._seen[1] >= self.lease
