"""What a pack of clauses finds in the event indices: hits in order of time and id, whatever their number.

Everything is asked of one point in time, span by span. Per span one aggregation says which queries find anything;
searches with those give the hits, page by page, which are merged; their documents are read last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from heapq import merge
from itertools import groupby

from siem.errors import ContentError, Unavailable
from siem.schema import BY_NAME, Clause, Kind, stripped
from siem.store.contract import Hit
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.names import Names
from siem.store.opensearch.search.ordering import key, ordered
from siem.store.opensearch.search.packs import Pack
from siem.store.opensearch.search.pages import FEWEST, MOST, TOGETHER, Found, Pages, body, named
from siem.store.opensearch.search.reading import Document, Source, read
from siem.store.opensearch.search.view import Lost, View, opened, refreshed
from siem.store.opensearch.search.windows import HAS_OVERSIZE, Dsl, Scope, Window, extent, windows
from siem.store.sought import Sought
from siem.store.times import from_micros, micros_or_none


class Asked(Sought[Clause]):
    """What is looked for in indices."""

    def places(self, found: Found, alive: Collection[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Matched and unsure queries of a hit. alive: the queries that have not failed."""
        if found.places is None:
            return tuple(alive), tuple(alive)
        matched = tuple([place for place in found.places if place in alive])
        return matched, tuple([place for place in matched if not self.queries[place].exact])

    def source(self, unsure: bool) -> Source:
        """What is needed of a document, which a query is unsure of or not."""
        if self.documents or unsure or not all(map(is_kept, self.columns)):
            return True
        return sorted(self.columns) if self.columns else False


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
    for found, document in followed(connection, pattern, asked, hidden, pack):
        matched, unsure = asked.places(found, pack.alive)
        if matched:
            (time, id_), whole = found.key, stripped(document) if document is not None else None
            yield Hit(id_, from_micros(time), asked.dataset, found.object, whole, matched, unsure)


def followed(
    connection: Connection, pattern: str, asked: Asked, hidden: Callable[[], Sequence[str]], pack: Pack
) -> Iterator[tuple[Found, Document | None]]:
    """What is found, over several points in time if they are lost.

    The events of given objects stay what they are. Of all objects some may have been committed meanwhile: half of
    their events would be seen.
    """
    last: tuple[int, str] | None = None
    lost: object = pack
    while True:
        try:
            with opened(connection, pattern) as view:
                found = found_in(view, scope(asked, hidden, last), pack)
                for one, document in read(
                    view, found, lambda one: asked.source(bool(asked.places(one, pack.alive)[1]))
                ):
                    last = one.key
                    yield one, document
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


def found_in(view: View, of: Scope, pack: Pack) -> Iterator[Found]:
    all_ = extent(view, of)
    if all_ is None:
        return
    for window in windows(view, of, all_.window, pack.events_at_once):
        yield from found_within(view, of, window, pack, all_.oversize)


def found_within(view: View, of: Scope, window: Window, pack: Pack, oversize: int) -> Iterator[Found]:
    """Events of a window, each once, in order."""
    hitting = pack.hitting(view, of.query(window.first, window.end), window.events)
    without = (HAS_OVERSIZE,) if oversize else ()

    def query(places: Sequence[int]) -> Dsl:
        return of.query(window.first, window.end, pack.any_of(places), without=without)

    searches = pack.searches(hitting, lambda places: how_many(view, query(places)), of.terms)
    most = share(sum(hitting.values()) + oversize)
    bodies = {each: body(query(each), most(sum([hitting[place] for place in each]))) for each in searches}
    answers = dict(zip(bodies, view.searches(list(bodies.values())), strict=True))

    def begun(places: Sequence[int]) -> Iterator[Found]:
        each = tuple(places)
        pages = Pages(view, bodies.get(each) or body(query(each), MOST), answers.pop(each, None))
        return pages.found(of, named if len(each) > 1 else lambda hit: each)

    streams = [stream for each in searches for stream in pack.tried(each, begun)]
    if oversize and pack.alive:
        lane = Pages(view, body(of.query(window.first, window.end, HAS_OVERSIZE), most(oversize)))
        streams.append(lane.found(of, lambda hit: None))
    for _, same in groupby(merge(*[ordered(stream, len(streams)) for stream in streams], key=key), key):
        yield joined(list(same))


def share(hits: int) -> Callable[[int], int]:
    """How long the pages of a search with so many of the hits are. One more than there are ends it."""
    return lambda some: min(MOST, some + 1, max(FEWEST, TOGETHER * some // hits))


def how_many(view: View, query: Dsl) -> int:
    return int(view.search({"size": 0, "track_total_hits": True, "query": query})["hits"]["total"]["value"])


def joined(same: Sequence[Found]) -> Found:
    """One event, with all the queries that found it."""
    if len(same) == 1:
        return same[0]
    if any(one.places is None for one in same):
        return next(one for one in same if one.places is None)
    places = sorted({place for one in same for place in one.places or ()})
    return replace(same[0], places=tuple(places))
