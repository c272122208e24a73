"""Events that were there already when they were written: whose they are, and what that means."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from siem.schema import SEQ
from siem.store.opensearch import operations
from siem.store.opensearch.claims import PAUSE, Contended, Writer, released
from siem.store.opensearch.connection import Connection
from siem.store.opensearch.log import Log
from siem.store.opensearch.operations import Operation
from siem.store.opensearch.rows import WRITING, Row
from siem.store.opensearch.scanning import got

KEYS = ("siem.object", SEQ)

PATIENCE = 20
"""Looks at a claim of somebody who lives before this commit is given back: he may be waiting for it."""

TOGETHER = 1_000


@dataclass(frozen=True)
class Item:
    """An event that was to be written. body: its line."""

    index: str
    id: str
    object: str
    seq: int
    body: bytes

    @classmethod
    def of(cls, lines: Sequence[bytes], place: int) -> Item:
        action, body = lines[2 * place], lines[2 * place + 1]
        to = orjson.loads(action)["create"]
        document = orjson.loads(body)
        return cls(to["_index"], to["_id"], document["siem.object"], document[SEQ], body)


@dataclass(frozen=True)
class Held:
    """Who has an event, as its document says, and the document's version."""

    object: str
    seq: int
    version: tuple[int, int]

    @classmethod
    def of(cls, doc: Mapping[str, Any]) -> Held:
        object_, seq = (doc["_source"][name] for name in KEYS)
        return cls(object_, seq, (doc["_seq_no"], doc["_primary_term"]))


class Conflicts:
    """Of one commit. duplicates: of each object, events that another has, or that it had before. left_out: of them, by
    object and index."""

    def __init__(self, connection: Connection, log: Log, writer: Writer, mine: Collection[str]) -> None:
        self._connection, self._log, self._writer, self._mine = connection, log, writer, mine
        self._holding: set[str] = set()
        self.duplicates: Counter[str] = Counter()
        self.left_out: Counter[tuple[str, str]] = Counter()

    def settle(self, items: Sequence[Item]) -> list[Item]:
        """Those that are duplicates; what nobody has is taken.

        Raises:
            Contended: somebody who lives is writing one of them.
        """
        found: list[Item] = []
        for start in range(0, len(items), TOGETHER):
            waiting = list(items[start : start + TOGETHER])
            for _ in range(PATIENCE):
                waiting = self._settled(waiting, found)
                if not waiting:
                    break
            else:
                raise Contended
        self.duplicates.update([item.object for item in found])
        self.left_out.update([(item.object, item.index) for item in found])
        return found

    def _settled(self, items: Sequence[Item], duplicates: list[Item]) -> list[Item]:
        """One look; those that are not settled yet."""
        held = self._held(items)
        rows = self._log.rows(sorted({one.object for one in held if one} - self._holding - set(self._mine)))
        self._holding |= {id_ for id_, row in rows.items() if row.holds}
        left: list[Item] = []
        taken: list[tuple[Item, Operation]] = []
        for item, one in zip(items, held, strict=True):
            if one is not None and one.object == item.object and one.seq == item.seq:
                continue  # written earlier by this commit; the answer was lost
            if one is not None and (one.object in self._holding or one.object in self._mine):
                duplicates.append(item)
            elif one is not None and self._is_being_written(rows.get(one.object)):
                left.append(item)
            else:
                version = one.version if one else None
                document = orjson.Fragment(item.body)
                taken.append((item, Operation(item.index, item.id, document, version, absent=one is None)))
        lost = set(map(id, operations.conflicts(self._connection, [operation for _, operation in taken])))
        left += [item for item, operation in taken if id(operation) in lost]
        return left

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
