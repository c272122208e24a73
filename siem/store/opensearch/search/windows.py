"""Which events a search is about, and spans of time that hold few enough of them for one request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from siem.errors import Refused
from siem.schema import OVERSIZE
from siem.store.opensearch.search.view import View

Dsl = Mapping[str, Any]

MOST_TERMS = 65_000
"""Values of a `terms` query; a node takes 65,536. Of more objects the hits are looked at here."""

SLICES = 500
"""Buckets of one look at how events lie in time."""

SORT: list[Any] = [
    {"@timestamp": "asc"},
    {"event.id": {"order": "asc", "unmapped_type": "keyword"}},
    {"siem.object": {"order": "asc", "unmapped_type": "keyword"}},
    {"_shard_doc": "asc"},
]
"""No page may end between two events that are alike in these: the second would be lost. `_shard_doc`, which is meant to
tell apart what else is alike, counts in every shard from 0 (OpenSearch 3.8): two indices have the same numbers."""

HAS_OVERSIZE: Dsl = {"exists": {"field": OVERSIZE}}


@dataclass(frozen=True)
class Window:
    """Milliseconds since 1970, first <= time < end, with that many events."""

    first: int
    end: int
    events: int


@dataclass(frozen=True)
class Scope:
    """Events of these objects (None: all), none of those; since <= time < until, in microseconds.

    after: time and id of an event: it and what comes before it are not wanted any more.
    """

    objects: frozenset[str] | None
    hidden: frozenset[str]
    since: int | None
    until: int | None
    after: tuple[int, str] | None = None

    def takes(self, key: tuple[int, str], of: str) -> bool:
        """The index knows milliseconds, and is not told of very many objects."""
        return (
            (self.objects is None or of in self.objects)
            and of not in self.hidden
            and (self.since is None or key[0] >= self.since)
            and (self.until is None or key[0] < self.until)
            and (self.after is None or key > self.after)
        )

    def query(self, first: int | None, end: int | None, *conditions: Dsl, without: tuple[Dsl, ...] = ()) -> Dsl:
        """Events of the objects, first <= millisecond < end, that conditions hold of, none of which `without` holds."""
        span = {"gte": first, "lt": end, "format": "epoch_millis"}
        limits = {name: value for name, value in span.items() if value is not None}
        wanted = [{"range": {"@timestamp": limits}}, *of_objects(self.objects), *conditions]
        return {"bool": {"filter": wanted, "must_not": [*of_objects(self.hidden or None), *without]}}

    @property
    def terms(self) -> int:
        """Values that every request has."""
        return sum([len(some) for some in (self.objects, self.hidden) if some and len(some) <= MOST_TERMS])

    @property
    def whole(self) -> tuple[int | None, int | None]:
        """Its span in milliseconds, as `query` takes it."""
        begins = [time for time in (self.since, self.after[0] if self.after else None) if time is not None]
        return (
            max(begins) // 1000 if begins else None,
            -(-self.until // 1000) if self.until is not None else None,
        )


def of_objects(objects: frozenset[str] | None) -> list[Dsl]:
    """A condition, where they are not too many."""
    if objects is None or len(objects) > MOST_TERMS:
        return []
    return [{"terms": {"siem.object": sorted(objects)}}]


@dataclass(frozen=True)
class Extent:
    """What there is to search: its window, and how many of the documents the predicate has to judge."""

    window: Window
    oversize: int


def extent(view: View, scope: Scope) -> Extent | None:
    """None: there is no event in the scope.

    Raises:
        Refused: there is an index that cannot be searched in order, whatever is asked of it.
    """
    body = {
        "size": 1,
        "_source": False,
        "track_total_hits": True,
        "sort": SORT,
        "query": scope.query(*scope.whole),
        "aggs": {"last": {"max": {"field": "@timestamp"}}, "oversize": {"filter": HAS_OVERSIZE}},
    }
    try:
        answer = view.search(body)
    except Refused as refused:
        raise foreign(view, refused) from refused
    events = answer["hits"]["total"]["value"]
    if not events:
        return None
    first, last = answer["hits"]["hits"][0]["sort"][0], whole(answer["aggregations"]["last"]["value"])
    return Extent(Window(first, last + 1, events), answer["aggregations"]["oversize"]["doc_count"])


def foreign(view: View, refused: Refused) -> Refused:
    message = (
        f"store {view.connection.name}: an index of {view.pattern} was not made from the store's templates"
        f" ({refused.reason}); write its events anew, or delete it"
    )
    return Refused(message, refused.status, refused.kind, refused.reason)


def windows(view: View, scope: Scope, window: Window, most: int) -> Iterator[Window]:
    """The window in parts of about as many events, in order. A millisecond is not parted."""
    if window.events <= most or window.end - window.first <= 1:
        yield window
        return
    held: Window | None = None
    for part in slices(view, scope, window):
        if held and held.events + part.events > most:
            yield from windows(view, scope, held, most)
            held = None
        held = Window(held.first if held else part.first, part.end, part.events + (held.events if held else 0))
    if held:
        yield from windows(view, scope, held, most)


def slices(view: View, scope: Scope, window: Window) -> list[Window]:
    """The window in equal parts, but those without events."""
    length = max(1, -(-(window.end - window.first) // SLICES))
    histogram = {
        "field": "@timestamp",
        "fixed_interval": f"{length}ms",
        "offset": f"{window.first % length}ms",
        "min_doc_count": 1,
    }
    asked = {"times": {"date_histogram": histogram}}
    query = scope.query(window.first, window.end)
    answer = view.search({"size": 0, "track_total_hits": False, "query": query, "aggs": asked})
    buckets = answer["aggregations"]["times"]["buckets"]
    ends = [min(bucket["key"] + length, window.end) for bucket in buckets]
    return [Window(bucket["key"], end, bucket["doc_count"]) for bucket, end in zip(buckets, ends, strict=True)]


def whole(number: int | str) -> int:
    """Aggregations answer with fractions (`1.7672256001E12`): below 2**53 they are exact."""
    return int(float(number))
