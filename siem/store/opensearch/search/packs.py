"""Queries that are run together: which of them find anything is asked first, and only those are searched with.

An aggregation counts all of them at once (100 rules over 100,000 events: 0.9 s). A search with all of them, named in
each hit, took 3.0 s for 3,000 hits: a hit costs 60 us, and 2.5 more per name that it is compared with. So queries that
hit are searched with one by one, unless many of them find the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import orjson

from siem.errors import ContentError, Refused
from siem.schema import Clause
from siem.store.opensearch.search.view import View
from siem.store.opensearch.search.windows import Dsl

MOST_CLAUSES = 1_000
"""Of one search; a node takes 1,024, and the scope has some."""

MOST_FILTERS, MOST_BYTES = 500, 8 << 20
"""Of one aggregation, and of the conditions in one request: it must stay below 100 MiB, and others search too."""

WORK = 100_000_000
"""Clauses times events of a window: 312 by 100,000 took two shared cores 0.9 s, and a request must not time out."""

FEWEST_EVENTS, MOST_EVENTS = 20_000, 1_000_000
"""Of a window, whatever the clauses: one text that is looked for in every leaf takes 0.3 to 1 s per 200,000."""

NAMES = 24
"""So many names cost as much as a hit itself."""

TERMS = 20
"""So many terms, in every search, cost as much as a hit: 65,000 take 0.27 s."""

FEW = 10_000
"""Hits that are fetched without asking whether they are the same events: in 0.6 s."""

Erred = Callable[[int, ContentError], None]
T = TypeVar("T")


class Pack:
    """The queries of one search; those that cannot be run are told of once, and left out from then on."""

    def __init__(self, queries: Sequence[Clause], erred: Erred) -> None:
        self.queries, self._erred = queries, erred
        self._json = [orjson.dumps(query.query) for query in queries]
        self._failed: set[int] = set()

    @property
    def alive(self) -> list[int]:
        return [place for place in range(len(self.queries)) if place not in self._failed]

    @property
    def events_at_once(self) -> int:
        """How many events a window should have."""
        clauses = sum([self.queries[place].size for place in self.alive])
        return max(FEWEST_EVENTS, min(MOST_EVENTS, WORK // max(1, clauses)))

    def hitting(self, view: View, query: Dsl, events: int) -> dict[int, int]:
        """The queries that find something among the events of `query`, and how much, at most.

        Of one query it is not asked: to count takes as long as to search.
        """
        if len(self.queries) == 1:
            return dict.fromkeys(self.alive, events)
        asked = parted(self.alive, (MOST_FILTERS, lambda place: 1), (MOST_BYTES, self._bytes))
        counts = [each for places in asked for each in self.tried(places, lambda some: self._counts(view, query, some))]
        return {place: count for each in counts for place, count in each.items() if count}

    def searches(
        self, hitting: Mapping[int, int], distinct: Callable[[Sequence[int]], int], terms: int
    ) -> list[tuple[int, ...]]:
        """Which queries are searched with together. distinct: how many events some of them find. terms: values, such as
        objects, that every search is told beside."""
        searches: list[tuple[int, ...]] = []
        clauses = (MOST_CLAUSES, lambda place: self.queries[place].size)
        for places in parted(list(hitting), clauses, (MOST_BYTES, self._bytes)):
            apart = sum([hitting[place] for place in places]) + len(places) * terms // TERMS
            if len(places) == 1 or apart <= FEW or apart <= together(places, sum(self.tried(places, distinct))):
                searches += [(place,) for place in places]
            else:
                searches.append(tuple(places))
        return searches

    def any_of(self, places: Sequence[int]) -> Dsl:
        """One of them finds it; of several a hit names those that do."""
        if len(places) == 1:
            return {"bool": {"filter": [self._fragment(places[0])]}}
        named = [{"bool": {"filter": [self._fragment(place)], "_name": str(place)}} for place in places]
        return {"bool": {"should": named, "minimum_should_match": 1}}

    def tried(self, places: Sequence[int], attempt: Callable[[Sequence[int]], T]) -> list[T]:
        """What comes of the attempt. Where it is refused it is made with half of the places, down to the one that is
        to blame, which has failed. The rest of a pack of 500 is asked in 18 requests more."""
        try:
            return [attempt(places)]
        except Refused as refused:
            if len(places) > 1:
                middle = len(places) // 2
                return [*self.tried(places[:middle], attempt), *self.tried(places[middle:], attempt)]
            self._failed.add(places[0])
            self._erred(places[0], ContentError(f"OpenSearch cannot run it: {refused.reason or refused.kind}"))
            return []

    def _counts(self, view: View, query: Dsl, places: Sequence[int]) -> dict[int, int]:
        filters = {str(place): self._fragment(place) for place in places}
        aggregation = {"queries": {"filters": {"filters": filters}}}
        answer = view.search({"size": 0, "track_total_hits": False, "query": query, "aggs": aggregation})
        buckets = answer["aggregations"]["queries"]["buckets"]
        return {place: buckets[str(place)]["doc_count"] for place in places}

    def _fragment(self, place: int) -> orjson.Fragment:
        return orjson.Fragment(self._json[place])

    def _bytes(self, place: int) -> int:
        return len(self._json[place])


def together(places: Sequence[int], events: int) -> int:
    """What one search with all of them costs, in hits."""
    return events + events * len(places) // NAMES


def parted(places: Sequence[int], *limits: tuple[int, Callable[[int], int]]) -> Iterator[list[int]]:
    """Runs of places whose weights stay below each of the limits; one that is heavier by itself is alone."""
    part: list[int] = []
    for place in places:
        part.append(place)
        if len(part) > 1 and any(sum(map(weight, part)) > most for most, weight in limits):
            yield part[:-1]
            part = [place]
    if part:
        yield part
