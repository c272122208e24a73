"""Bucket against ledger: two streams in the order of keys, merged in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from siem.errors import Denied, Gone
from siem.prove.place import Entry, Place
from siem.prove.proof import KEPT, Proof
from siem.prove.reading import mapped
from siem.prove.scratch import octets
from siem.schema import SourceObject
from siem.store.contract import Known, State
from siem.store.times import micros

NAME = "bucket"

YOUNG = timedelta(hours=1)
"""An object as new as this may be on its way: notifications come late, and workers have queues."""

ROLLING = timedelta(days=1)
"""An inventory may not have what was written shortly before it was made."""

SECOND = 1_000_000
"""Microseconds."""

READ = frozenset((State.COMMITTED, State.DAMAGED, State.UNRECOGNISED, State.EXPIRED))
"""States of objects whose bytes were read, so that the ledger knows their hash."""


@dataclass(frozen=True)
class Doubt:
    """An object whose bytes alone tell whether it is one of those that the ledger knows under its key."""

    key: str
    known: list[Known]


class Listing:
    """The proof. deep: every object is read and hashed, whatever its listing says.

    strangers: ids of objects that the ledger does not know, the first of them, and their keys.
    """

    def __init__(self, place: Place, now: datetime, deep: bool = False) -> None:
        self._until = None if place.as_of is None else micros(place.as_of - ROLLING)
        self._place, self._deep = place, deep
        self._young = now - YOUNG
        self._proof = Proof(NAME)
        self._objects = self._agree = self._rows = 0
        self.strangers: dict[str, str] = {}

    def prove(self, listed: Iterable[Entry], known: Iterator[Known]) -> Proof:
        """Both come in the order of the keys' bytes.

        Raises:
            Unavailable: bucket or store are away.
        """
        for doubt, sha256 in mapped(self._hashed, self._doubts(listed, known)):
            self._judge(doubt, sha256)
        self._proof.counts.update({"objects": self._objects, "in_ledger": self._agree, "rows": self._rows})
        return self._proof

    def _doubts(self, listed: Iterable[Entry], known: Iterator[Known]) -> Iterator[Doubt]:
        """Find what is on one side alone; of what is on both, those that have to be read."""
        row = next(known, None)
        for entry in listed:
            self._objects += 1
            key = entry.key
            while row is not None and row.key != key and octets(row.key) < octets(key):
                same, row = self._together(row, known)
                self._only_known(same)
            if row is None or row.key != key:
                self._only_listed(entry)
                continue
            first, row = row, next(known, None)
            if row is not None and row.key == key:
                same, row = self._together(row, known)
                doubt = self._both(entry, [first, *same])
            else:
                self._rows += 1
                doubt = None if self._same(entry, first) else self._both(entry, [first])
            if doubt is not None:
                yield doubt
        while row is not None:
            same, row = self._together(row, known)
            self._only_known(same)

    def _together(self, row: Known, known: Iterator[Known]) -> tuple[list[Known], Known | None]:
        """The rows of one key, and the first of the next."""
        same = [row]
        following = next(known, None)
        while following is not None and following.key == row.key:
            same.append(following)
            following = next(known, None)
        self._rows += len(same)
        return same, following

    def _same(self, entry: Entry, one: Known) -> bool:
        """The listing alone shows that the object has the bytes that were taken in: S3 sets its time whenever it is
        written, in whole seconds."""
        if self._deep or entry.modified is None or entry.size != one.bytes or one.state not in READ:
            return False
        if entry.modified.timestamp() >= one.committed // SECOND:
            return False
        self._agree += 1
        return True

    def _both(self, entry: Entry, known: list[Known]) -> Doubt | None:
        read = [one for one in known if one.state in READ]
        if not read:
            states = ", ".join(sorted({one.state for one in known}))
            self._proof.found("not-read", self._place.bucket, entry.key, f"it is there, and was not taken in: {states}")
        elif not any(self._same(entry, one) for one in read):
            return Doubt(entry.key, read)
        return None

    def _judge(self, doubt: Doubt, sha256: str | Gone | Denied) -> None:
        key = doubt.key
        if not isinstance(sha256, str):
            self._proof.found(
                "not-readable", self._place.bucket, key, f"it is listed, and cannot be read now: {sha256}"
            )
        elif any(one.sha256 == sha256 for one in doubt.known):
            self._agree += 1
        else:
            last = max(doubt.known, key=lambda one: one.committed)
            said = f"its bytes are not those that were taken in: SHA-256 {sha256}, not {last.sha256}"
            self._proof.found("changed", self._place.bucket, key, said)

    def _only_listed(self, entry: Entry) -> None:
        if entry.modified is not None and entry.modified > self._young:
            self._proof.counts["on_their_way"] += 1
        else:
            if len(self.strangers) < KEPT:
                self.strangers[SourceObject(self._place.bucket, entry.key).id] = entry.key
            self._proof.found(
                "not-in-ledger", self._place.bucket, entry.key, "it is in the bucket, and no row is in the ledger"
            )

    def _only_known(self, known: list[Known]) -> None:
        states = {one.state for one in known}
        if self._until is not None and any(one.committed > self._until for one in known):
            self._proof.counts["newer_than_inventory"] += 1
        elif states <= {State.EXPIRED}:
            self._proof.counts["expired"] += 1
        elif not states <= {State.GONE}:
            said = f"the ledger has it ({', '.join(sorted(states))}), and it is not in the bucket any more"
            self._proof.found("not-in-bucket", self._place.bucket, known[0].key, said)

    def _hashed(self, doubt: Doubt) -> str | Gone | Denied:
        try:
            with self._place.opened(doubt.key) as content:
                return content.sha256
        except (Gone, Denied) as error:
            return error
