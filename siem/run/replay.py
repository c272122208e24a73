"""Rejects parsed again: what a newer parser can read becomes an event, under the identity that it would have had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from siem.config import Limits
from siem.parsing import Registry
from siem.schema import Origin
from siem.store.contract import Store, StoredReject


@dataclass
class Replayed:
    """What a replay did. left: rejects that stay."""

    tried: int = 0
    events: int = 0
    left: int = 0

    @property
    def known(self) -> int:
        """Rejects that came to events which are stored already."""
        return max(0, self.tried - self.events - self.left)


def replay(store: Store, registry: Registry, limits: Limits, now: Callable[[], datetime]) -> Replayed:
    """Parse every reject again whose bytes are whole, one by one, and move what came of it.

    Raises:
        Unavailable: the store is away; what was moved stays so.
    """
    done = Replayed()
    hashes = {id_: row.sha256 for id_, row in store.ledger().items() if row.rejects}
    before = list(store.rejects())
    for stored in before:
        parser, reject = registry.parsers.get(stored.dataset), stored.reject
        if parser is None or reject.size != len(reject.raw):
            continue
        origin = Origin(stored.key, stored.object, hashes.get(stored.object, ""), now())
        parsed = parser.replay(reject.raw, reject.ordinal, origin, limits)
        if parsed is not None and parsed.events:
            done.events += store.replay([stored], parsed, now(), parser.version)
    after = {_place(stored) for stored in store.rejects()}
    done.tried, done.left = len(before), sum(_place(stored) in after for stored in before)
    return done


def _place(stored: StoredReject) -> tuple[str, int]:
    return stored.object, stored.reject.ordinal
