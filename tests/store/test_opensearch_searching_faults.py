"""Searches on a real node where a query is wrong, or indices and points in time go away meanwhile."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from searchable import BROKEN, EVERY, MICROSECOND, SECOND, Searchable, does, event

from siem.errors import ContentError, Refused, Unavailable
from siem.schema import Clause
from siem.store.opensearch.search import packs, searching
from siem.testing.deliveries import START, TRAIL

pytestmark = pytest.mark.slow


@pytest.fixture
def store(opensearch: str) -> Iterator[Searchable]:
    store = Searchable.at(opensearch)
    yield store
    assert store.views() == 0
    store.removed()


@pytest.mark.parametrize("culprits", [[0], [499], [0, 250, 251, 499], list(range(3, 500, 50))])
def test_queries_that_cannot_be_run_are_found_among_500(store: Searchable, culprits: list[int]) -> None:
    store.index([event(START + at * SECOND, f"e{at}", action=f"call{at}") for at in range(500)])
    pack = [BROKEN if place in culprits else does(f"call{place}") for place in range(500)]
    erred: dict[int, ContentError] = {}
    hits = list(store.search(pack, erred=erred.__setitem__))
    assert sorted(erred) == culprits
    assert all("expected ')'" in str(error) for error in erred.values())
    assert [hit.matched for hit in hits] == [(place,) for place in range(500) if place not in culprits]


def test_who_does_without_no_query_gets_the_error(store: Searchable) -> None:
    store.index([event(START, "e")])
    for pack in ([BROKEN], [EVERY, BROKEN]):
        with pytest.raises(ContentError, match="cannot run it"):
            list(store.search(pack))


def test_an_understated_size_is_no_error(store: Searchable, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the node counts decides: a search with too many clauses is made in halves."""
    monkeypatch.setattr(packs, "FEW", 0)
    monkeypatch.setattr(packs, "NAMES", 1_000)
    store.index([event(START, "e", action="call5")])
    some = {"bool": {"should": [{"wildcard": {"event.action": f"*{number}"}} for number in range(200)]}}
    (hit,) = store.search([Clause(TRAIL, some) for _ in range(12)])
    assert hit.matched == tuple(range(12))


def changed(store: Searchable, **types: Any) -> str:
    """An index of last month that somebody made with other types."""
    name = f"{store.names.prefix}events-{TRAIL}-2026.10"
    tree = {"@timestamp": {"type": "date"}, "siem": {"properties": {"object": {"type": "keyword"}}}}
    event_ = {"properties": {field: {"type": type_} for field, type_ in types.items()}}
    mapping = {"dynamic": False, "properties": {**tree, "event": event_}}
    store.connection.ask("PUT", f"/{name}", {"mappings": mapping})
    store.index([{**event(START - timedelta(days=20), "e1"), "event.action": "5"}], name)
    store.index([event(START, "e2")])
    return name


def test_a_query_may_be_wrong_in_one_index_alone(store: Searchable) -> None:
    """There the action is a number."""
    changed(store, action="long")
    erred: dict[int, ContentError] = {}
    pack = [EVERY, Clause(TRAIL, {"wildcard": {"event.action": "li*"}})]
    hits = list(store.search(pack, erred=erred.__setitem__))
    assert [(hit.event_id, hit.matched) for hit in hits] == [("e1", (0,)), ("e2", (0,))]
    assert list(erred) == [1]


def test_no_query_is_to_blame_for_an_index_that_has_no_order(store: Searchable) -> None:
    """There ids are texts of words."""
    changed(store, id="text")
    erred: dict[int, ContentError] = {}
    with pytest.raises(Refused, match="was not made from the store's templates"):
        list(store.search([EVERY, BROKEN], erred=erred.__setitem__))
    assert erred == {}


def test_an_abandoned_iteration_leaves_nothing_open(store: Searchable) -> None:
    store.index([event(START + at * SECOND, f"e{at}") for at in range(3_000)])
    iteration = store.search([EVERY, EVERY])
    next(iteration)
    assert store.views() == 1
    del iteration
    assert store.views() == 0

    def refusing(place: int, error: ContentError) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(store.search([EVERY, BROKEN], erred=refusing))
    assert store.views() == 0


def test_what_is_written_meanwhile_is_not_seen(store: Searchable) -> None:
    store.index([event(START + at * SECOND, f"e{at:04}") for at in range(3_000)])
    iteration = store.search([EVERY])
    first = next(iteration)
    store.index([event(START + timedelta(days=1), "late")])
    assert [first.event_id, *[hit.event_id for hit in iteration]] == [f"e{at:04}" for at in range(3_000)]
    assert "late" in [hit.event_id for hit in store.search([EVERY])]


@pytest.mark.parametrize(("change", "word"), [("close", "closed"), ("delete", "deleted")])
@pytest.mark.parametrize("documents", [False, True])
def test_an_index_that_goes_away_between_pages_is_an_error(
    store: Searchable, change: str, word: str, documents: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST", 1_000)
    store.index([event(START + at * SECOND, f"e{at:04}") for at in range(3_000)])
    name = store.names.of(TRAIL, START, START)
    iteration = store.search([EVERY], objects=["a" * 24], documents=documents)
    next(iteration)
    if change == "close":
        store.connection.ask("POST", f"/{name}/_close")
    else:
        store.connection.ask("DELETE", f"/{name}")
    with pytest.raises(Unavailable, match=f"was {word} while it was read .*search again"):
        list(iteration)
    if change == "close":
        with pytest.raises(Refused, match=r"is closed, and its events would be missing .*open it, or delete it"):
            list(store.search([EVERY]))
        store.connection.ask("POST", f"/{name}/_open")


def forgotten(store: Searchable) -> None:
    """The node loses this test's points in time."""
    pits = [pit["pit_id"] for pit in store.connection.ask("GET", "/_search/point_in_time/_all")["pits"]]
    mine = [pit for pit in pits if store.names.prefix.encode() in urlsafe_b64decode(pit)]
    store.connection.ask("DELETE", "/_search/point_in_time", {"pit_id": mine})


@pytest.mark.parametrize("documents", [False, True])
def test_a_search_of_given_objects_goes_on_where_the_node_lost_its_view(
    store: Searchable, documents: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST", 1_000)
    made = [event(START + at // 7 * MICROSECOND, f"e{at:04}") for at in range(3_000)]
    store.index(made)
    iteration = store.search([EVERY, does("list")], objects=["a" * 24], documents=documents)
    found = [next(iteration) for _ in range(100)]
    forgotten(store)
    found += iteration
    assert [hit.event_id for hit in found] == [one["event.id"] for one in made]
    assert {hit.matched for hit in found} == {(0, 1)}


def test_a_search_of_everything_ends_where_the_node_lost_its_view(
    store: Searchable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MOST", 1_000)
    store.index([event(START + at * SECOND, f"e{at:04}") for at in range(3_000)])
    iteration = store.search([EVERY])
    next(iteration)
    forgotten(store)
    with pytest.raises(Unavailable, match=r"lost sight .*search again"):
        list(iteration)
