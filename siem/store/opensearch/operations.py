"""Changes of state documents in one request, each with its own outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from siem.errors import Unavailable
from siem.store.opensearch.connection import Connection

MOST_BYTES = 8 << 20
"""Of one request; a node takes 100 MB."""

CONFLICT, MISSING = 409, 404


@dataclass(frozen=True)
class Operation:
    """Write a document, or (None) remove it. version: only where it still is this; absent: only where there is none."""

    index: str
    id: str
    document: Any
    version: tuple[int, int] | None = None
    absent: bool = False

    def lines(self) -> bytes:
        action: dict[str, Any] = {"_index": self.index, "_id": self.id}
        if self.version is not None:
            action |= {"if_seq_no": self.version[0], "if_primary_term": self.version[1]}
        if self.document is None:
            return orjson.dumps({"delete": action}) + b"\n"
        how = "create" if self.absent else "index"
        return orjson.dumps({how: action}) + b"\n" + orjson.dumps(self.document) + b"\n"


def conflicts(connection: Connection, operations: Iterable[Operation]) -> list[Operation]:
    """Carry them out, in order; those whose condition did not hold.

    One whose answer was lost is repeated, and then may be among these although it was carried out.

    Raises:
        Unavailable: some may have been carried out.
        Refused: the cluster will not take one of them; others may have been carried out.
    """
    failed: list[Operation] = []
    for part in _parts(operations):
        connection.repeated(connection.patience)(_send, connection, part, failed)
    return failed


def _send(connection: Connection, waiting: list[tuple[Operation, bytes]], failed: list[Operation]) -> None:
    """Add those whose condition did not hold to `failed`; what has to be tried again stays in `waiting`."""
    body = b"".join([lines for _, lines in waiting])
    items = connection.ask("POST", "/_bulk", body, filter_path="items.*.status,items.*.error")["items"]
    states = [state for item in items for state in item.values()]
    left: list[tuple[Operation, bytes]] = []
    errors: list[Exception] = []
    for one, state in zip(waiting, states, strict=True):
        if state["status"] == CONFLICT:
            failed.append(one[0])
        elif state["status"] >= 300 and (one[0].document is not None or state["status"] != MISSING):
            left.append(one)
            errors.append(connection.failed(state, one[0].index))
    waiting[:] = left
    if errors:
        raise next((error for error in errors if not isinstance(error, Unavailable)), errors[0])


def _parts(operations: Iterable[Operation]) -> Iterable[list[tuple[Operation, bytes]]]:
    part: list[tuple[Operation, bytes]] = []
    size = 0
    for one in operations:
        lines = one.lines()
        if part and size + len(lines) > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append((one, lines))
        size += len(lines)
    if part:
        yield part
