"""Hits of one search, page by page, as the index has them in order: by milliseconds. Documents are read later.

A page costs as much as the first one did: every text that is looked for in leaves is looked for again, and once more to
say which queries found each hit. So pages are long, and hold what hits are told apart by alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from siem.store.opensearch.search.view import View
from siem.store.opensearch.search.windows import SORT, Scope
from siem.store.times import micros

MOST, TOGETHER = 5_000, 20_000
"""Hits of a page, about 1 KB each in memory; of all the searches that are merged."""

FEWEST = 20
"""Hits of a page, however many searches are merged."""

READ = ["@timestamp", "event.id", "siem.object"]
"""Times are indexed in milliseconds, ids without case."""


@dataclass(frozen=True, slots=True)
class Found:
    """An event that a search found. key: microseconds and id. index, name: where its document is.

    places: of the queries that found it; None: no query can say anything about it.
    """

    key: tuple[int, str]
    object: str
    index: str
    name: str
    places: tuple[int, ...] | None


PlacesOf = Callable[[Mapping[str, Any]], tuple[int, ...] | None]


def body(query: Mapping[str, Any], most: int) -> dict[str, Any]:
    """A search by pages of so many hits."""
    return {"size": most, "track_total_hits": False, "sort": SORT, "_source": READ, "query": query}


class Pages:
    """One search, as `body` has it. first: the answer, where it was asked already.

    Raises:
        Refused: there is a query among them that cannot be run.
    """

    def __init__(self, view: View, body: Mapping[str, Any], first: Any = None) -> None:
        self._view, self._body = view, body
        self._first = (first or view.search(body))["hits"]["hits"]

    def found(self, scope: Scope, places: PlacesOf) -> Iterator[Found]:
        """Those that the scope takes."""
        page, self._first = self._first, []
        while page:
            yield from [one for hit in page if scope.takes((one := found(hit, places)).key, one.object)]
            page = self._after(page[-1]["sort"]) if len(page) == self._body["size"] else []

    def _after(self, position: Any) -> Any:
        return self._view.search({**self._body, "search_after": position})["hits"]["hits"]


def named(hit: Mapping[str, Any]) -> tuple[int, ...]:
    """The places that a hit names."""
    return tuple(sorted(map(int, hit["matched_queries"])))


def found(hit: Mapping[str, Any], places: PlacesOf) -> Found:
    event = hit["_source"]
    time = micros(datetime.fromisoformat(event["@timestamp"]))
    return Found((time, event["event.id"]), event["siem.object"], hit["_index"], hit["_id"], places(hit))
