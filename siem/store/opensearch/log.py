"""The log: numbered entries, each created after the one before it, and the ledger that follows them.

Everything that decides what an object came to is an entry, so it is decided in one order and the same for everybody.
Applying an entry changes rows on condition of the version that was read, and may be repeated.

Entries (`kind`):
    commit    rows of objects that the writer `token` has claimed; void where an earlier entry took one of the claims
    release   claims of a writer (`token`) that is gone; given to the writer `to`, or to nobody
    replay    a row whose rejects were parsed again, on condition that no other replay was faster
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from siem.store.opensearch import rows
from siem.store.opensearch.connection import Connection
from siem.store.opensearch.names import Names, States
from siem.store.opensearch.operations import Operation, conflicts
from siem.store.opensearch.rows import WRITING, Row
from siem.store.opensearch.scanning import document, documents

Entry = Mapping[str, Any]

APPLIED = "log"
"""Document of the state index: up to which entry the ledger has followed the log."""


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
        while (entry := self._entry(number + 1)) is not None:
            ahead = self._pointer()[0]
            if ahead > number:
                number = ahead
                continue
            number += 1
            self._apply(number, entry)
            self._point(number)
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
        path = f"/{self._log}/_create/{_id(number)}"
        answer = self._connection.ask("PUT", path, {"number": number, **body}, also=(409,))
        if answer.status != 409:
            return True
        there = document(self._connection.ask("GET", f"/{self._log}/_doc/{_id(number)}", also=(404,)))
        return (
            there is not None and there["_source"].get("nonce") == body["nonce"]
        )  # the answer was lost, not the entry

    def _entry(self, number: int) -> Entry | None:
        """None: there is none yet. Empty: it was applied, and its content removed."""
        found = document(self._connection.ask("GET", f"/{self._log}/_doc/{_id(number)}", also=(404,)))
        return None if found is None else found["_source"].get("entry", {})

    def _known(self) -> int:
        if self._applied is None:
            self._applied = self._pointer()[0]
        return self._applied

    def _pointer(self) -> tuple[int, tuple[int, int] | None]:
        """Up to where the ledger has followed, and the version of the document that says so."""
        found = document(self._connection.ask("GET", f"/{self._state}/_doc/{APPLIED}", also=(404,)))
        if found is None:
            return 0, None
        return found["_source"]["applied"], (found["_seq_no"], found["_primary_term"])

    def _point(self, number: int) -> None:
        """Say that the ledger has followed, and drop the entry's content: rows are large, and in the ledger now."""
        ahead, version = self._pointer()
        if ahead >= number:
            return
        condition = {} if version is None else {"if_seq_no": version[0], "if_primary_term": version[1]}
        path = f"/{self._state}/_doc/{APPLIED}" if version else f"/{self._state}/_create/{APPLIED}"
        self._connection.ask("PUT", path, {"kind": "log", "applied": number}, also=(409,), **condition)
        self._connection.ask("PUT", f"/{self._log}/_doc/{_id(number)}", {"number": number})

    def _apply(self, number: int, entry: Entry) -> None:
        """Change the ledger as the entry says. May be repeated, also by several at once."""
        if not entry:
            return
        objects = [row["object"] for row in entry["rows"]]
        while True:
            standing = self.rows(objects)
            if not self.put(_changes(number, entry, standing)):
                break
        if entry["kind"] == "replay" and self.rows(objects)[objects[0]].applied == number:
            conflicts(self._connection, self._replayed(entry))

    def _replayed(self, entry: Entry) -> list[Operation]:
        """What a replay changes beside the row. Events and rejects are whole in the entry."""
        events = [Operation(index, id_, orjson.Fragment(line)) for index, id_, line in entry["events"]]
        kept = [Operation(self._rejects, id_, document) for id_, document in entry["kept"].items()]
        gone = [Operation(self._rejects, id_, None) for id_ in entry["gone"]]
        return [*events, *kept, *gone, Operation(self._ledger, entry["claim"], None)]


def _id(number: int) -> str:
    return f"{number:012d}"


def _changes(number: int, entry: Entry, standing: Mapping[str, Row]) -> list[Row]:
    """Rows that the entry has yet to change."""
    match entry["kind"]:
        case "commit":
            return _commit(number, entry, standing)
        case "release":
            return [
                rows.released(row, entry["to"], number)
                for row in standing.values()
                if row.applied < number and row.token == entry["token"] and row.state == WRITING
            ]
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


def _replay(number: int, entry: Entry, standing: Mapping[str, Row]) -> list[Row]:
    row = standing.get(entry["rows"][0]["object"])
    if row is None or row.row is None or row.applied >= number or row.replays != entry["replays"]:
        return []
    turn = number * rows.ENTRY + 1 if entry["turn"] else row.turn
    new = rows.read(entry["rows"][0])
    return [replace(row, row=new, state=new.state.value, applied=number, turn=turn, replays=row.replays + 1)]
