"""Ledger against store: of every object as many events as its row says, and no event that no row knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from siem.prove.proof import KEPT, Proof
from siem.store.contract import Held, LedgerRow, Store

NAME = "store"

SHOWN = 10
"""Ids of events that one finding names."""

Ids = Callable[[LedgerRow], Counter[str] | None]
"""The ids of the events that an object's bytes have; None: the bytes cannot be had, or are others now."""


class Stored:
    """The proof. ids: asked of objects whose counts differ. strangers: keys of objects in the bucket that the ledger
    does not know, by id."""

    def __init__(self, store: Store, ids: Ids, strangers: Mapping[str, str]) -> None:
        self._store, self._ids, self._strangers = store, ids, strangers
        self._proof = Proof(NAME)

    def prove(self) -> Proof:
        """Count every event.

        Raises:
            Unavailable: the store is away.
        """
        objects = events = 0
        for held in self._store.held():
            objects += held.expected is not None
            events += held.visible
            if held.expected != held.visible:
                self._differs(held)
        self._proof.counts.update({"objects": objects, "events": events})
        self._proof.noted("events are counted; that none was changed in its place, or a reject deleted, is not proven")
        return self._proof

    def _differs(self, held: Held) -> None:
        if held.expected is None:
            key = self._strangers.get(held.object, held.object)
            said = f"{held.visible:,} events are of an object that the ledger does not know ({held.object})"
            self._proof.found("row-missing", "", key, said)
            return
        kind = "events-extra" if held.visible > held.expected else "events-missing"
        if self._proof.kinds[kind] >= KEPT:  # it is counted, and nobody asks for its key
            self._proof.found(kind, "", held.object, "")
            return
        row = self._store.ledger([held.object]).get(held.object)
        bucket, key = (row.bucket, row.key) if row is not None else ("", held.object)
        self._proof.found(kind, bucket, key, self._said(held, row))

    def _said(self, held: Held, row: LedgerRow | None) -> str:
        missing = (held.expected or 0) - held.visible
        if missing < 0:
            return f"{held.visible:,} events are stored, and the ledger says {held.expected:,}"
        named = self._named(row, missing) if row is not None else ""
        return f"{missing:,} of {held.expected:,} events are not in the store{named}"

    def _named(self, row: LedgerRow, missing: int) -> str:
        """Which, from the object itself. Duplicates of other objects are not stored here either."""
        wanted = self._ids(row)
        if wanted is None:
            return "; the object cannot be read again, so nobody can say which"
        gone = wanted - Counter(self._store.event_ids(row.object))
        shown = in_words(gone.elements())
        return f": {shown}" if gone.total() == missing else f": {missing:,} of {shown}"


def in_words(ids: Iterable[str]) -> str:
    """Ids, the first of them."""
    ordered = sorted(ids)
    more = f" and {len(ordered) - SHOWN:,} more" if len(ordered) > SHOWN else ""
    return ", ".join(ordered[:SHOWN]) + more
