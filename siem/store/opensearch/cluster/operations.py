"""Changes of state documents in one request, each with its own outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard

import orjson

from siem.errors import Refused, Unavailable
from siem.schema import decoded
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import got
from siem.store.opensearch.cluster.trouble import CLOSED

MOST_BYTES = 8 << 20
"""Of one request; a node takes 100 MB."""

MALFORMED, MISSING, CONFLICT = 400, 404, 409


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


Refusals: TypeAlias = list[tuple[Operation, Refused]]


def conflicts(
    connection: Connection, operations: Iterable[Operation], refused: Refusals | None = None
) -> list[Operation]:
    """Carry them out, in order; those whose condition did not hold.

    One whose answer was lost is repeated, and is not among these where it was carried out. refused: is given those
    whose documents the cluster will not take.

    Raises:
        Unavailable: some may have been carried out.
        Refused: the cluster will not take one of them; others may have been carried out.
    """
    failed: list[Operation] = []
    for part in _parts(operations):
        waiting = _Waiting(part, refused)
        connection.repeated(connection.patience)(_send, connection, waiting)
        failed += _not_done(connection, waiting.failed) if waiting.lost else waiting.failed
    return failed


@dataclass
class _Waiting:
    """Operations that are to be carried out. failed: those whose condition did not hold. lost: an answer was, so that
    one of these may have been carried out nevertheless."""

    operations: list[tuple[Operation, bytes]]
    refused: Refusals | None
    failed: list[Operation] = field(default_factory=list)
    lost: bool = False


def _not_done(connection: Connection, failed: Sequence[Operation]) -> list[Operation]:
    """Those after which there is not what they would have left."""
    asked = [{"_index": one.index, "_id": one.id} for one in failed]
    return [
        one
        for one, there in zip(failed, got(connection, asked) if asked else [], strict=True)
        if (there and there["_source"]) != decoded(orjson.dumps(one.document))
    ]


def _send(connection: Connection, waiting: _Waiting) -> None:
    """Send them once; what has to be tried again stays in `waiting`."""
    body = b"".join([lines for _, lines in waiting.operations])
    try:
        answer = connection.ask("POST", "/_bulk", body, patience=0, filter_path="items.*.status,items.*.error")
    except Unavailable:
        waiting.lost = True
        raise
    states = [state for item in answer["items"] for state in item.values()]
    left: list[tuple[Operation, bytes]] = []
    errors: list[Exception] = []
    for one, state in zip(waiting.operations, states, strict=True):
        if state["status"] == CONFLICT:
            waiting.failed.append(one[0])
        elif state["status"] >= 300 and (one[0].document is not None or state["status"] != MISSING):
            error = connection.failed(state, one[0].index)
            if waiting.refused is not None and is_of_the_document(error):
                waiting.refused.append((one[0], error))
            else:
                left.append(one)
                errors.append(error)
    waiting.operations = left
    if errors:
        raise next((error for error in errors if not isinstance(error, Unavailable)), errors[0])


def is_of_the_document(error: Exception) -> TypeGuard[Refused]:
    """Another document would be taken."""
    return isinstance(error, Refused) and error.status == MALFORMED and error.kind != CLOSED


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
