"""Events that were there already when they were written: whose they are, and what that means."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import orjson

from siem.errors import Refused
from siem.schema import CLAIM, SEQ
from siem.store.opensearch.cluster import operations
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation
from siem.store.opensearch.cluster.scanning import got
from siem.store.opensearch.commit.claims import PAUSE, Contended, Writer, released
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import WRITING, Row

KEYS = ("siem.object", SEQ, CLAIM)

Place: TypeAlias = tuple[str, int]
"""Of an event: its object, and which of that it is."""

PATIENCE = 20
"""Looks at a claim of somebody who lives before this commit is given back: he may be waiting for it."""

TOGETHER = 1_000


@dataclass(frozen=True)
class Item:
    """An event that was to be written. body: its line. claim: of an object that is parsed again."""

    index: str
    id: str
    object: str
    seq: int
    body: bytes
    claim: str = ""

    @classmethod
    def of(cls, lines: Sequence[bytes], place: int) -> Item:
        action, body = lines[2 * place], lines[2 * place + 1]
        to = orjson.loads(action)["create"]
        document = orjson.loads(body)
        return cls(to["_index"], to["_id"], document["siem.object"], document[SEQ], body)

    @property
    def place(self) -> Place:
        return self.object, self.seq

    def put(self, version: tuple[int, int] | None) -> Operation:
        """Writes it in the place of what has this version; None: of nothing."""
        return Operation(self.index, self.id, orjson.Fragment(self.body), version, absent=version is None)

    def under(self, claim: str) -> Item:
        """To be written in the place of what its object holds."""
        return replace(self, body=marked(self.body, CLAIM, claim), claim=claim)


@dataclass(frozen=True)
class Held:
    """Who has an event, as its document says, and the document's version."""

    object: str
    seq: int
    version: tuple[int, int]
    claim: str = ""

    @classmethod
    def of(cls, doc: Mapping[str, Any]) -> Held:
        source = doc["_source"]
        version = doc["_seq_no"], doc["_primary_term"]
        return cls(source["siem.object"], source[SEQ], version, source.get(CLAIM, ""))


def marked(line: bytes, name: str, claim: str) -> bytes:
    """A document that says under which claim it was written."""
    return b'%b,"%b":"%b"}' % (line[:-1], name.encode(), claim.encode())


class Conflicts:
    """Of one commit. duplicates: of each object, events that another has, or that it had before. left_out: of them, by
    object and index.

    Bodies are on their way at once, and a later one may be written first. Of events that come twice in the commit the
    first has to stay, as on one machine: it takes the place of a later one, which is a duplicate then.

    Of objects that are parsed again, one after the other, what they hold and was not written under the same claim gives
    way: where it is of an object that is yet to come only when that is done (`late`). refused: what the cluster will
    not take.
    """

    def __init__(self, connection: Connection, log: Log, writer: Writer, mine: Iterable[str]) -> None:
        """mine: the objects of the commit, in its order."""
        self._connection, self._log, self._writer = connection, log, writer
        self._mine = {id_: place for place, id_ in enumerate(mine)}
        self._holding: set[str] = set()
        self._taking: dict[Place, Place] = {}
        self._gave_way: set[Place] = set()
        self.duplicates: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()
        self.refused: list[tuple[Item, Refused]] = []
        self.late: list[Item] | None = []

    def settle(self, items: Sequence[Item]) -> dict[Place, str]:
        """Object and `siem.seq` of what is a duplicate now, and its index: of the items, and of later events that gave
        way to one. What nobody has is taken.

        Raises:
            Contended: somebody who lives is writing one of them.
        """
        found: dict[Place, str] = {}
        for start in range(0, len(items), TOGETHER):
            waiting = list(items[start : start + TOGETHER])
            for _ in range(PATIENCE):
                waiting = self._settled(waiting, found)
                if not waiting:
                    break
            else:
                raise Contended
        self.duplicates.update([object_ for object_, _ in found])
        self.left_out.update([(object_, index) for (object_, _), index in found.items()])
        return found

    def _settled(self, items: Sequence[Item], duplicates: dict[Place, str]) -> list[Item]:
        """One look; those that are not settled yet.

        Raises:
            Contended: an object of this commit was taken over.
        """
        held = self._held(items)
        rows = self._log.rows(sorted({one.object for one in held if one} - self._holding))
        if any(row.token != self._writer.token for id_, row in rows.items() if id_ in self._mine):
            raise Contended  # what is there may be of whoever took it over: it must not be written over
        self._holding |= {id_ for id_, row in rows.items() if row.holds and id_ not in self._mine}
        left: list[Item] = []
        taken: list[tuple[Item, Held | None, Operation]] = []
        for item, one in zip(items, held, strict=True):
            if item.place in self._gave_way:
                continue
            if one is None:
                taken.append((item, one, item.put(None)))
            elif (one.object, one.seq, one.claim) == (*item.place, item.claim):
                # written earlier by this commit, or its answer was lost
                duplicates |= dict.fromkeys(self._given_way(item.place), item.index)
            elif one.object in self._holding or self._is_first(one, item):
                duplicates[item.place] = item.index
            elif self.late is not None and self._is_to_come(one, item):
                self.late.append(item)
            elif one.object not in self._mine and self._is_being_written(rows.get(one.object)):
                left.append(item)
            else:
                taken.append((item, one, item.put(one.version)))
        return left + self._take(taken, duplicates)

    def _take(self, taken: Sequence[tuple[Item, Held | None, Operation]], duplicates: dict[Place, str]) -> list[Item]:
        """Write these; those that somebody was faster with."""
        for item, one, _ in taken:
            if one is not None and self._is_ours(one, item):
                self._taking[item.place] = one.object, one.seq
        refused: operations.Refusals = []
        lost = set(map(id, operations.conflicts(self._connection, [operation for *_, operation in taken], refused)))
        errors = {id(operation): error for operation, error in refused}
        for item, _, operation in taken:
            if id(operation) in errors:
                self._taking.pop(item.place, None)
                self.refused.append((item, errors[id(operation)]))
            elif id(operation) not in lost:
                duplicates |= dict.fromkeys(self._given_way(item.place), item.index)
        return [item for item, _, operation in taken if id(operation) in lost]

    def _given_way(self, place: Place) -> set[Place]:
        """The later event whose place an event has now taken."""
        later = {self._taking.pop(place)} if place in self._taking else set[Place]()
        self._gave_way |= later
        return later

    def _is_ours(self, one: Held, item: Item) -> bool:
        """What is there came in this commit."""
        return one.object in self._mine and one.claim == item.claim

    def _is_first(self, one: Held, item: Item) -> bool:
        """What is there came in this commit, and before the item."""
        if not self._is_ours(one, item):
            return False
        return bool(item.claim) or (self._mine[one.object], one.seq) < (self._mine[item.object], item.seq)

    def _is_to_come(self, one: Held, item: Item) -> bool:
        """An object that comes later in this commit had the event, and may have it still."""
        return one.object in self._mine and self._mine[one.object] > self._mine[item.object] and bool(item.claim)

    def settle_late(self) -> None:
        """What objects that came later have given up, or not."""
        late, self.late = self.late or [], None
        self.settle(late)

    def _is_being_written(self, row: Row | None) -> bool:
        """By somebody who lives. The claim of one who does not is freed."""
        if row is None or row.state != WRITING:
            return False
        self._writer.beat()
        if self._writer.is_gone(row.token):
            released(self._log, row.token, [row.object])
        time.sleep(PAUSE)
        return True

    def _held(self, items: Iterable[Item]) -> list[Held | None]:
        asked = [{"_index": item.index, "_id": item.id, "_source": list(KEYS)} for item in items]
        return [None if doc is None else Held.of(doc) for doc in got(self._connection, asked)]
