"""Every document of an index that a query finds, in an order, however many there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from siem.errors import Unavailable
from siem.store.opensearch.cluster.connection import Answer, Connection
from siem.store.opensearch.cluster.trouble import advised, cause

PAGE = 2_000
KEPT = "2m"
"""How long a point in time outlives a page."""

SHORTEST_LOOK, LONGEST_LOOK = 1 / 64, 0.25
"""Seconds between two looks at a task."""

MISSING = "index_not_found_exception"

Dsl = Mapping[str, Any]
ALL: Dsl = {"match_all": {}}


def refresh(connection: Connection, index: str) -> None:
    """Make visible to searches what was written until now. An index that is not there has nothing to show."""
    connection.ask("POST", f"/{index}/_refresh", ignore_unavailable="true", allow_no_indices="true")


def scan(
    connection: Connection,
    index: str,
    query: Dsl = ALL,
    sort: Sequence[Dsl] = (),
    page: int = PAGE,
    source: bool | Sequence[str] = True,
) -> Iterator[dict[str, Any]]:
    """Hits with `_id`, `_source` (all of it, or these fields), `_seq_no` and `_primary_term`, as the index stands when
    the first is asked for.

    It is refreshed before. An index that is not there holds nothing.

    Raises:
        Refused: an index is closed, also where it is one of a pattern's.
    """
    refresh(connection, index)
    asked: dict[str, Any] = {"keep_alive": KEPT, "expand_wildcards": "open,closed"}
    opened = connection.ask("POST", f"/{index}/_search/point_in_time", also=(404,), **asked)
    if opened.status == 404:
        return
    pit = opened.body["pit_id"]
    body: dict[str, Any] = {
        "query": query,
        "size": page,
        "sort": [*sort, {"_shard_doc": "asc"}],
        "pit": {"id": pit, "keep_alive": KEPT},
        "seq_no_primary_term": True,
        "_source": source,
        "track_total_hits": False,
    }
    try:
        while True:
            hits = connection.ask("POST", "/_search", body, allow_partial_search_results="false")["hits"]["hits"]
            yield from hits
            if len(hits) < page:
                return
            body["search_after"] = hits[-1]["sort"]
    finally:
        with suppress(Unavailable):  # it ends by itself, and what was found stands
            connection.ask("DELETE", "/_search/point_in_time", {"pit_id": [pit]}, also=(404,), patience=0)


def first(connection: Connection, index: str, query: Dsl, sort: Sequence[Dsl], most: int) -> list[dict[str, Any]]:
    """The first hits, at most 10,000, of what is visible."""
    body = {"query": query, "sort": list(sort), "size": most, "track_total_hits": False}
    where = f"/{index}/_search"
    answer = connection.ask("POST", where, body, also=(404,), allow_partial_search_results="false")
    return [] if answer.status == 404 else list(answer.body["hits"]["hits"])


def _nothing() -> None:
    """Nobody waits for a sign of life."""


def remove(connection: Connection, index: str, query: Dsl, beat: Callable[[], None] = _nothing) -> None:
    """Remove what a query finds. As a task of the cluster: a million documents take it longer than an answer may take.

    beat: called now and then meanwhile.

    Raises:
        Unavailable: not all is removed; the next attempt does.
    """
    refresh(connection, index)
    task = connection.ask(
        "POST",
        f"/{index}/_delete_by_query",
        {"query": query},
        conflicts="proceed",  # what somebody else made his own meanwhile
        wait_for_completion="false",
        ignore_unavailable="true",
        allow_no_indices="true",
        refresh="true",
    )["task"]
    wait = SHORTEST_LOOK
    while not (state := connection.ask("GET", f"/_tasks/{task}"))["completed"]:
        beat()
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_LOOK)
    if failed := state.get("error") or state["response"]["failures"]:
        raise Unavailable(f"store {connection.name}: not all of {index} that has to go can be removed: {failed}")


def document(answer: Answer) -> dict[str, Any] | None:
    """Of a GET by id: `_source`, `_seq_no`, `_primary_term`; None where there is none."""
    return answer.body if answer.status == 200 and answer.body.get("found") else None


def documents(connection: Connection, index: str, ids: Sequence[str]) -> list[dict[str, Any] | None]:
    """By id, as they stand this moment; None for those that are not there."""
    found: list[dict[str, Any] | None] = []
    for start in range(0, len(ids), PAGE):
        found += got(connection, [{"_index": index, "_id": id_} for id_ in ids[start : start + PAGE]])
    return found


def got(connection: Connection, asked: Sequence[Dsl]) -> list[dict[str, Any] | None]:
    """Documents by index and id, as they stand this moment; None for those that are not there.

    Raises:
        Unavailable: nobody can tell whether one of them is: its node is away, or its index is closed.
    """
    found: list[dict[str, Any] | None] = connection.repeated(connection.patience)(_got, connection, asked)
    return found


def _got(connection: Connection, asked: Sequence[Dsl]) -> list[dict[str, Any] | None]:
    docs = connection.ask("POST", "/_mget", {"docs": list(asked)})["docs"]
    for doc in docs:
        kind, reason = cause(doc) if "error" in doc else (MISSING, "")
        if kind != MISSING:  # with 200: a node that has just been started answers so of what it has not opened yet
            raise Unavailable(f"store {connection.name}: {doc['_index']} cannot be read: {advised(kind, reason)}")
    return [doc if doc.get("found") else None for doc in docs]
