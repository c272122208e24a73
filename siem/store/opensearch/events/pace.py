"""How many requests may be on their way at once: it rises by one a round, and halves when the cluster has too much.

As TCP does it (additive increase, multiplicative decrease: Chiu and Jain, 1989).
"""

from __future__ import annotations

from threading import Lock

FIRST = 4.0
"""Requests that are sent at once before anything is known: as many as a small node takes in at its best."""


class Pace:
    """Shared by threads. most: never more than so many. falls: how often it fell, for the log."""

    def __init__(self, most: int) -> None:
        self._most = float(most)
        self._limit = min(FIRST, self._most)
        self._fell = float("-inf")
        self._lock = Lock()
        self.falls = 0

    @property
    def allowed(self) -> int:
        """Requests that may be on their way."""
        return int(self._limit)

    def rise(self) -> None:
        """A request was carried out in good time."""
        with self._lock:
            self._limit = min(self._most, self._limit + 1 / self._limit)

    def fall(self, began: float, now: float) -> None:
        """A request that began then (monotonic seconds) was too much, or took too long.

        Those that were on their way together fall once: they all met the same cluster.
        """
        with self._lock:
            if began >= self._fell:
                self._limit, self._fell = max(1.0, self._limit / 2), now
                self.falls += 1
