"""Hits of one search, page by page, in order of time and id. A page's bytes and what is held of it are bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from siem.store.opensearch.view import View
from siem.store.opensearch.windows import Scope
from siem.store.times import micros

FIRST = 500
"""Hits of a first page, while nobody knows how long documents are."""

MOST_WHOLE, MOST_SHORT = 1_000, 5_000
"""Hits of a page, whatever the last one came to: the next one's documents may be longer, up to 1 MiB each."""

PAGE_BYTES = 8 << 20
"""Of the answers that are in hand, about, summed over the searches that are merged."""

SAMPLED = 4
"""One hit of so many is measured."""

OVERHEAD = 500
"""Bytes that a hit takes beside its document."""

SORT = [{"@timestamp": "asc"}, {"_shard_doc": "asc"}]

Source = bool | list[str]
"""Of the documents: all, or these keys."""


@dataclass(frozen=True, slots=True)
class Found:
    """An event that a search found. key: microseconds and id; bytes: about, of its document.

    places: of the queries that found it; None: the document is one that no query can say anything about.
    """

    key: tuple[int, str]
    object: str
    document: Mapping[str, Any]
    places: tuple[int, ...] | None
    bytes: int


class Pages:
    """One search. The first page is asked for at once.

    query: names its clauses with the places of the queries. share: the part of `PAGE_BYTES` that it may take.

    Raises:
        Refused: there is a query among them that cannot be run.
    """

    def __init__(self, view: View, query: Mapping[str, Any], source: Source, share: float = 1) -> None:
        self._view, self._limit = view, int(PAGE_BYTES * share)
        self._most = MOST_WHOLE if source is True else MOST_SHORT
        self._body = {"track_total_hits": False, "sort": SORT, "_source": source, "query": query}
        self._size = max(1, min(FIRST, int(self._most * share)))
        self._first = self._page(None)

    def _page(self, after: list[Any] | None) -> list[Any]:
        body = {**self._body, "size": self._size}
        return list(self._view.search(body if after is None else {**body, "search_after": after})["hits"]["hits"])

    def found(self, scope: Scope, is_oversize: bool = False) -> Iterator[Found]:
        """Those that the scope takes, in order of milliseconds."""
        page, self._first = self._first, []
        while page:
            each = measured(page)
            yield from [one for hit in page if scope.takes((one := found(hit, each, is_oversize)).key, one.object)]
            if len(page) < self._size:
                return
            after = page[-1]["sort"]
            page = []  # not two at a time
            self._size = max(1, min(self._most, self._limit // each))
            page = self._page(after)


def measured(page: list[Any]) -> int:
    """Bytes of a hit of the page, about."""
    sample = page[::SAMPLED]
    return OVERHEAD + len(repr(sample)) // len(sample)


def found(hit: Mapping[str, Any], size: int, is_oversize: bool) -> Found:
    document = hit["_source"]
    places = None if is_oversize else tuple(sorted(map(int, hit.get("matched_queries", ()))))
    time = micros(datetime.fromisoformat(document["@timestamp"]))
    return Found((time, document["event.id"]), document["siem.object"], document, places, size)
