"""The log: numbered entries, each created after the one before it, and the ledger that follows them.

Everything that decides what an object came to is an entry, so it is decided in one order and the same for everybody.
Applying an entry changes rows on condition of the version that was read, and may be repeated.

Entries (`kind`):
    commit    rows of objects that the writer `token` has claimed; void where an earlier entry took one of the claims
              (nobody claims again with a token of before: to who applies the void entry late it would look valid)
    release   claims of a writer (`token`) that is gone; given to the writer `to`, or to nobody
    reparse   rows of objects that hold events and were parsed again by whom has claimed them (`token`); void as a
              commit is, and by a replay. whole: nothing is left of what was there before, and the claims end; until
              then rows say how much can be seen at least. judge: they shall be judged again
    replay    a row whose rejects were parsed again, on condition that no other replay was faster
    expire    a dataset's events before a time (`before`, in microseconds) are dropped, and with them what they were of
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

import orjson

from siem.store.entries import WITH_EVENTS
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import document, documents, remove, scan
from siem.store.opensearch.commit import rows
from siem.store.opensearch.commit.rows import WRITING, Row
from siem.store.opensearch.names import Names, States
from siem.store.times import from_micros, micros

Entry = Mapping[str, Any]

TOGETHER = 1_000
"""Rows that expire at a time."""

APPLIED = "log"
"""Document of the state index: up to which entry the ledger has followed the log."""


@dataclass(frozen=True)
class Pointer:
    """Up to which entry the ledger has followed, and with it each dataset's last turn that has events.

    again: of `last`, those of objects that are to be judged again. dropped: by dataset, before which time retention has
    dropped everything.
    """

    applied: int = 0
    last: Mapping[str, int] = field(default_factory=dict)
    again: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, datetime] = field(default_factory=dict)
    version: tuple[int, int] | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any] | None) -> Pointer:
        """From its document."""
        if found is None:
            return cls()
        source = found["_source"]
        dropped = {dataset: from_micros(before) for dataset, before in source.get("dropped", {}).items()}
        version = found["_seq_no"], found["_primary_term"]
        return cls(source["applied"], source["last"], source["again"], dropped, version)

    def document(self) -> dict[str, Any]:
        dropped = {dataset: micros(before) for dataset, before in self.dropped.items()}
        return {"kind": "log", "applied": self.applied, "last": self.last, "again": self.again, "dropped": dropped}

    def after(self, number: int, entry: Entry, changed: Iterable[Row]) -> Pointer:
        """Once entry `number` was applied, which changed these rows."""
        last, again, dropped = dict(self.last), dict(self.again), dict(self.dropped)
        for row in changed:
            for turns in (last, again) if row.again else (last,):
                if row.turn and row.row and (dataset := row.row.dataset):
                    turns[dataset] = max(row.turn, turns.get(dataset, 0))
        if entry and entry["kind"] == "expire":
            dataset, before = entry["dataset"], from_micros(entry["before"])
            dropped[dataset] = max(before, self.dropped.get(dataset, before))
        return replace(self, applied=number, last=last, again=again, dropped=dropped)


class Log:
    """Of one store. Every writer and reader has its own."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection = connection
        self._log, self._ledger = names.state(States.LOG), names.state(States.LEDGER)
        self._state, self._rejects = names.state(States.STATE), names.state(States.REJECTS)
        self._applied: int | None = None

    def follow(self) -> int:
        """Bring the ledger up to the last entry; its number."""
        number = self._known()
        while (written := self._written(number + 1)) is not None:
            pointer = self.pointer()
            if pointer.applied > number:
                number = pointer.applied
                continue
            number += 1
            entry = written.get("entry", {})
            changed = self._applied_to(number, entry, pointer.dropped)
            self._point(pointer.after(number, entry, changed), written)
        self._applied = number
        return number

    def append(self, entry: Entry) -> int:
        """Add an entry and apply it; its number."""
        body = {"nonce": secrets.token_hex(8), "entry": entry}
        number = self.follow() + 1
        while not self._created(number, body):
            number = self.follow() + 1
        self.follow()
        return number

    def rows(self, objects: Sequence[str]) -> dict[str, Row]:
        """Of these objects, as they stand; without those that the ledger does not know."""
        found = [rows.of(doc, id_) for id_, doc in zip(objects, self._documents(objects), strict=True)]
        return {row.object: row for row in found if row is not None}

    def put(self, changed: Iterable[Row]) -> list[str]:
        """Write rows on condition of their version (none: that there is no row); those objects that had changed."""
        wanted = [
            Operation(self._ledger, row.object, row.document(), row.version, absent=row.version is None)
            for row in changed
        ]
        return [operation.id for operation in conflicts(self._connection, wanted)]

    def _documents(self, objects: Sequence[str]) -> list[dict[str, Any] | None]:
        return documents(self._connection, self._ledger, objects)

    def _created(self, number: int, body: Entry) -> bool:
        """False: somebody else was faster."""
        path = f"/{self._log}/_create/{entry_id(number)}"
        answer = self._connection.ask("PUT", path, {"number": number, **body}, also=(409,))
        if answer.status != 409:
            return True
        there = self._written(number) or {}
        return bool(there.get("nonce") == body["nonce"])  # the answer was lost, not the entry

    def _written(self, number: int) -> Entry | None:
        """What the log has; None: nothing yet. Without `entry` it was applied, and its content removed."""
        found = document(self._connection.ask("GET", f"/{self._log}/_doc/{entry_id(number)}", also=(404,)))
        return None if found is None else found["_source"]

    def _known(self) -> int:
        if self._applied is None:
            self._applied = self.pointer().applied
        return self._applied

    def pointer(self) -> Pointer:
        return Pointer.of(document(self._connection.ask("GET", f"/{self._state}/_doc/{APPLIED}", also=(404,))))

    def _point(self, to: Pointer, written: Entry) -> None:
        """Say that the ledger has followed, and drop the entry's content: rows are large, and in the ledger now."""
        operation = Operation(self._state, APPLIED, to.document(), to.version, absent=to.version is None)
        if not conflicts(self._connection, [operation]):
            rest = {name: value for name, value in written.items() if name != "entry"}
            conflicts(self._connection, [Operation(self._log, entry_id(to.applied), rest)])

    def _applied_to(self, number: int, entry: Entry, dropped: Mapping[str, datetime]) -> list[Row]:
        """Change the ledger as the entry says; the rows that it changed, but for those that expired. May be repeated,
        also by several at once. dropped: by the entries before this one."""
        if not entry:
            return []
        if entry["kind"] == "expire":
            self._expire(number, entry["dataset"], from_micros(entry["before"]))
            return []
        objects = [row["object"] for row in entry["rows"]]
        standing = self.rows(objects)
        while changes := _changes(number, entry, standing, dropped):
            self.put(changes)
            standing = self.rows(objects)
        changed = [row for row in standing.values() if row.applied == number]
        if entry["kind"] == "replay" and changed:
            conflicts(self._connection, self._replayed(entry))
        return changed

    def _expire(self, number: int, dataset: str, before: datetime) -> None:
        """Rows of which nothing is left any more, and their rejects: records of the same age."""
        query = {
            "bool": {
                "filter": [
                    {"term": {"dataset": dataset}},
                    {"terms": {"state": sorted(WITH_EVENTS)}},
                    {"range": {"micros.first": {"lt": micros(before)}}},
                ]
            }
        }
        again = True
        while again:
            found = scan(self._connection, self._ledger, query, page=TOGETHER)
            again = False
            while part := [row for hit in islice(found, TOGETHER) if (row := rows.of(hit, hit["_id"]))]:
                left = [row.expired(before, number) for row in part if row.applied < number]
                gone = [row for row in left if row.applied == number]
                if having := [row.object for row in gone if row.row and row.row.rejects]:
                    remove(self._connection, self._rejects, {"terms": {"object": having}})
                again = bool(self.put(gone)) or again

    def _replayed(self, entry: Entry) -> list[Operation]:
        """What a replay changes beside the row. Events and rejects are whole in the entry."""
        events = [Operation(index, id_, orjson.Fragment(line)) for index, id_, line in entry["events"]]
        kept = [Operation(self._rejects, id_, document) for id_, document in entry["kept"].items()]
        gone = [Operation(self._rejects, id_, None) for id_ in entry["gone"]]
        return [*events, *kept, *gone, Operation(self._ledger, entry["claim"], None)]


def entry_id(number: int) -> str:
    """The name of an entry's document."""
    return f"{number:012d}"


def _changes(number: int, entry: Entry, standing: Mapping[str, Row], dropped: Mapping[str, datetime]) -> list[Row]:
    """Rows that the entry has yet to change."""
    match entry["kind"]:
        case "commit":
            return [_expired(row, dropped, number) for row in _commit(number, entry, standing)]
        case "release":
            return [
                rows.released(row, entry["to"], number)
                for row in standing.values()
                if row.applied < number and row.token == entry["token"]
            ]
        case "reparse":
            return [_expired(row, dropped, number) for row in _reparse(number, entry, standing)]
    return _replay(number, entry, standing)


def _commit(number: int, entry: Entry, standing: Mapping[str, Row]) -> list[Row]:
    of = [(place, row, standing.get(row["object"])) for place, row in enumerate(entry["rows"], 1)]
    done = [row for _, _, row in of if row is not None and row.position // rows.ENTRY == number]
    if not done and any(row is None or row.state != WRITING or row.token != entry["token"] for _, _, row in of):
        return []  # void
    return [
        rows.committed(new, before, number, place)
        for place, new, before in of
        if before is not None and before.applied < number
    ]


def _reparse(number: int, entry: Entry, standing: Mapping[str, Row]) -> list[Row]:
    of = [(place, row, standing[row["object"]]) for place, row in enumerate(entry["rows"], 1)]
    done = any(before.applied == number for _, _, before in of)
    if not done and any(before.token != entry["token"] for _, _, before in of):
        return []  # void
    return [
        rows.reparsed(new, before, number, place, entry["judge"], entry["whole"])
        for place, new, before in of
        if before.applied < number
    ]


def _expired(row: Row, dropped: Mapping[str, datetime], number: int) -> Row:
    """The row, once what was dropped before this entry is reckoned."""
    return row.expired(dropped.get(row.row.dataset or "") if row.row else None, number)


def _replay(number: int, entry: Entry, standing: Mapping[str, Row]) -> list[Row]:
    row = standing.get(entry["rows"][0]["object"])
    if row is None or row.row is None or row.applied >= number or row.replays != entry["replays"]:
        return []
    turn = number * rows.ENTRY + 1 if entry["turn"] else row.turn
    new, periods = rows.read(entry["rows"][0]), entry["rows"][0]["periods"]
    changed = replace(row, row=new, state=new.state.value, turn=turn, periods=periods)
    return [replace(changed, applied=number, replays=row.replays + 1, token="")]
