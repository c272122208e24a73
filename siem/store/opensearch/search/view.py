"""A point in time of a dataset's indices: what several requests see as one, whatever is written meanwhile.

https://docs.opensearch.org/latest/search-plugins/searching-data/point-in-time-api/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import orjson

from siem.errors import Refused, SiemError, Unavailable
from siem.store.opensearch.cluster.connection import Connection

KEPT = "15m"
"""How long a node keeps a view after each request: whoever reads a page of hits may judge it meanwhile."""

STRICT: Mapping[str, Any] = {"allow_partial_search_results": "false"}
"""A search of which a shard fails is answered with 200 and what the others found, unless it is asked not to."""

EXISTING: Mapping[str, Any] = {"expand_wildcards": "open,closed"}
"""A closed index of a pattern is an error: otherwise its events would be missing in silence."""

MOST_SEARCHES, MOST_BYTES = 100, 8 << 20
"""Of one request."""

LOST = "search_context_missing_exception"
CHANGED = {"index_closed_exception": "closed", "index_not_found_exception": "deleted"}


class Lost(Exception):
    """The node does not know the view any more: it was restarted, or nobody asked for too long."""


@dataclass(frozen=True)
class View:
    """An open point in time. `pattern`: of which indices, for people."""

    connection: Connection
    pattern: str
    id: str

    def search(self, body: Mapping[str, Any]) -> Any:
        """The answer, which every shard has contributed to.

        Raises:
            Lost: a new view has to be opened.
            Unavailable: an index was closed or deleted meanwhile, or the cluster is away.
            Refused: the body asks for what the node will not do.
        """
        whole = {**body, "pit": {"id": self.id, "keep_alive": KEPT}}
        try:
            return self.connection.ask("POST", "/_search", orjson.dumps(whole), **STRICT)
        except Refused as refused:
            raise self._meant(refused) from refused

    def searches(self, bodies: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The answers of several searches, asked together; None for those that have to be asked by themselves: they
        were refused, or the cluster has too much to do."""
        header, pit = orjson.dumps({"allow_partial_search_results": False}), {"id": self.id, "keep_alive": KEPT}
        lines = [orjson.dumps({**body, "pit": pit}) for body in bodies]
        answers: list[Any] = []
        for some in batches(lines):
            asked = b"".join([header + b"\n" + line + b"\n" for line in some])
            told = self.connection.ask("POST", "/_msearch", asked)["responses"] if len(some) > 1 else [{"error": ""}]
            answers += [None if "error" in answer else answer for answer in told]
        return answers

    def _meant(self, refused: Refused) -> Exception:
        if refused.kind == LOST:
            return Lost(refused.reason)
        if done := CHANGED.get(refused.kind):
            return Unavailable(
                f"store {self.connection.name}: an index of {self.pattern} was {done} while it was read"
                f" ({refused.reason}); search again"
            )
        return refused


def batches(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start, size = 0, 0
    for at, line in enumerate(lines):
        if at > start and (size + len(line) > MOST_BYTES or at - start == MOST_SEARCHES):
            yield lines[start:at]
            start, size = at, 0
        size += len(line)
    if lines:
        yield lines[start:]


def refreshed(connection: Connection, pattern: str) -> bool:
    """Make visible what was written. False: there is no such index.

    Raises:
        Refused: one of them is closed.
    """
    try:
        answer = connection.ask("POST", f"/{pattern}/_refresh", allow_no_indices="true", **EXISTING)
    except Refused as refused:
        raise closed(connection, pattern, refused) from refused
    return bool(answer["_shards"]["total"])


def closed(connection: Connection, pattern: str, refused: Refused) -> Refused:
    """What people can do about an index that cannot be read."""
    if CHANGED.get(refused.kind) != "closed":
        return refused
    message = (
        f"store {connection.name}: an index of {pattern} is closed, and its events would be missing"
        f" ({refused.reason}); open it, or delete it"
    )
    return Refused(message, refused.status, refused.kind, refused.reason)


@contextmanager
def opened(connection: Connection, pattern: str) -> Iterator[View]:
    """A view of the indices of a pattern, of which there is one at least; let go of in the end, however that comes."""
    asked: dict[str, Any] = {"keep_alive": KEPT, "allow_partial_pit_creation": "false", **EXISTING}
    try:
        answer = connection.ask("POST", f"/{pattern}/_search/point_in_time", **asked)
    except Refused as refused:
        raise closed(connection, pattern, refused) from refused
    view = View(connection, pattern, answer["pit_id"])
    try:
        yield view
    finally:
        with suppress(SiemError):  # it ends by itself, and what was found stands
            body = orjson.dumps({"pit_id": [view.id]})
            connection.ask("DELETE", "/_search/point_in_time", body, also=(404,), patience=0)
