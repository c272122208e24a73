"""What a pack of clauses finds in the event indices: hits in order of time and id, whatever their number.

Everything is asked of one point in time, span by span. Per span one aggregation says which queries find anything;
searches with those give the hits, page by page, merged where they are several.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge
from itertools import groupby

from siem.errors import ContentError, Unavailable
from siem.schema import BY_NAME, Clause, Kind, stripped
from siem.store.contract import Hit
from siem.store.opensearch.connection import Connection
from siem.store.opensearch.names import Names
from siem.store.opensearch.ordering import key, ordered
from siem.store.opensearch.packs import Pack
from siem.store.opensearch.pages import Found, Pages, Source
from siem.store.opensearch.view import Lost, View, opened, refreshed
from siem.store.opensearch.windows import HAS_OVERSIZE, Scope, Window, extent, windows
from siem.store.times import from_micros, micros_or_none

ALWAYS = frozenset(("@timestamp", "event.id", "siem.object"))
"""Read of every hit."""


@dataclass(frozen=True)
class Asked:
    """What is looked for. See `siem.store.contract.Store.search`."""

    queries: Sequence[Clause]
    objects: Sequence[str] | None
    since: datetime | None
    until: datetime | None
    documents: bool
    columns: Collection[str]

    @property
    def dataset(self) -> str:
        return self.queries[0].dataset

    def source(self, oversize: bool) -> Source:
        """What is read of documents. oversize: every query may have to be judged."""
        if self.documents or not all(query.exact for query in self.queries):
            return True
        read = frozenset(self.columns).union(*[query.fields for query in self.queries if oversize])
        return sorted(read | ALWAYS) if all(map(is_kept, read)) else True

    def hit(self, found: Found, alive: Collection[int]) -> Hit:
        """As the contract has it. alive: the queries that have not failed."""
        whole = found.places is None
        matched = tuple([place for place in (alive if found.places is None else found.places) if place in alive])
        unsure = tuple([place for place in matched if whole or not self.queries[place].exact])
        document = stripped(found.document) if self.documents or self.columns or unsure else None
        time, id_ = found.key
        return Hit(id_, from_micros(time), self.dataset, found.object, document, matched, unsure)


def is_kept(name: str) -> bool:
    """A node that is asked for parts of documents gives this one as it was written: no number of a record."""
    return name in BY_NAME and BY_NAME[name].kind is not Kind.DOUBLE


def hits(
    connection: Connection,
    names: Names,
    asked: Asked,
    hidden: Callable[[], Sequence[str]],
    erred: Callable[[int, ContentError], None],
) -> Iterator[Hit]:
    """See `siem.store.contract.Store.search`. hidden: objects that are not committed; asked for, once there is a point
    in time, where all objects are searched.

    Raises:
        Unavailable: the cluster is away, or an index was closed or deleted meanwhile, or the point in time was lost
            and what comes after the last hit may not belong to what came before.
        Refused: an index is closed.
    """
    pattern = names.events(asked.dataset) if asked.queries else ""
    if not pattern or (asked.objects is not None and not asked.objects) or not refreshed(connection, pattern):
        return
    pack = Pack(asked.queries, erred)
    for found in followed(connection, pattern, asked, hidden, pack):
        hit = asked.hit(found, pack.alive)
        if hit.matched:
            yield hit


def followed(
    connection: Connection, pattern: str, asked: Asked, hidden: Callable[[], Sequence[str]], pack: Pack
) -> Iterator[Found]:
    """What is found, over several points in time if they are lost.

    The events of given objects stay what they are. Of all objects some may have been committed meanwhile: half of
    their events would be seen.
    """
    last: tuple[int, str] | None = None
    lost: object = pack
    while True:
        try:
            with opened(connection, pattern) as view:
                for found in found_in(view, scope(asked, hidden, last), asked, pack):
                    last = found.key
                    yield found
            return
        except Lost as why:
            if last == lost or (last is not None and asked.objects is None):
                raise Unavailable(
                    f"store {connection.name}: the cluster lost sight of the events that were read (was it restarted?);"
                    " search again"
                ) from why
            lost = last


def scope(asked: Asked, hidden: Callable[[], Sequence[str]], after: tuple[int, str] | None) -> Scope:
    objects = None if asked.objects is None else frozenset(asked.objects)
    left_out = frozenset(hidden()) if objects is None else frozenset[str]()
    return Scope(objects, left_out, micros_or_none(asked.since), micros_or_none(asked.until), after)


def found_in(view: View, of: Scope, asked: Asked, pack: Pack) -> Iterator[Found]:
    all_ = extent(view, of)
    if all_ is None:
        return
    for window in windows(view, of, all_.window, pack.events_at_once):
        yield from found_within(view, of, window, asked, pack, all_.oversize > 0)


def found_within(view: View, of: Scope, window: Window, asked: Asked, pack: Pack, oversize: bool) -> Iterator[Found]:
    """Events of a window, each once, in order."""
    span = window.first, window.end
    groups = pack.groups(pack.hitting(view, of.query(*span)))
    source, share = asked.source(oversize), 1 / max(1, len(groups) + oversize)
    without = (HAS_OVERSIZE,) if oversize else ()

    def pages(places: Sequence[int]) -> Pages:
        return Pages(view, of.query(*span, pack.any_of(places), without=without), source, share)

    streams = [ordered(each.found(of), share) for group in groups for each in pack.tried(group, pages)]
    if oversize and pack.alive:
        lane = Pages(view, of.query(*span, HAS_OVERSIZE), source, share)
        streams.append(ordered(lane.found(of, is_oversize=True), share))
    for _, same in groupby(merge(*streams, key=key), key):
        yield joined(list(same))


def joined(same: Sequence[Found]) -> Found:
    """One event, with all the queries that found it."""
    if len(same) == 1:
        return same[0]
    if any(one.places is None for one in same):
        return next(one for one in same if one.places is None)
    places = sorted({place for one in same for place in one.places or ()})
    return replace(same[0], places=tuple(places))
