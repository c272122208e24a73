"""Packs of clauses over event indices of a real node."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from searchable import BROKEN, EVERY, MICROSECOND, MILLISECOND, NOTHING, SECOND, Searchable, does, event, two_indices

from siem.schema import Clause
from siem.store.contract import Hit, raised
from siem.store.opensearch.search import ordering, packs, reading, searching, windows
from siem.store.opensearch.search.counting import counted
from siem.store.opensearch.search.searching import Asked
from siem.testing.deliveries import FLOW, START, TRAIL
from siem.testing.searching_contract import SearchingContract
from siem.testing.store_contract import StoreContract

pytestmark = pytest.mark.slow


class TestContract(SearchingContract):
    @pytest.fixture
    def store(self, opensearch: str) -> Iterator[Searchable]:
        store = Searchable.at(opensearch)
        yield store
        assert store.views() == 0
        store.removed()

    test_order = StoreContract.test_hits_come_in_order_of_time_then_id
    test_limits = StoreContract.test_search_keeps_to_objects_and_times
    test_origin = StoreContract.test_hits_say_where_they_are_from
    test_documents = StoreContract.test_documents_are_what_was_written
    test_delimited = StoreContract.test_documents_of_delimited_logs_are_what_was_written
    test_many = StoreContract.test_many_documents_come_in_order
    test_columns = StoreContract.test_columns_may_differ_from_batch_to_batch


@pytest.fixture
def store(opensearch: str) -> Iterator[Searchable]:
    store = Searchable.at(opensearch)
    yield store
    assert store.views() == 0
    store.removed()


def keys(hits: Iterator[Hit]) -> list[tuple[datetime, str]]:
    return [(hit.timestamp, hit.event_id) for hit in hits]


@pytest.mark.parametrize("step", [timedelta(0), MICROSECOND * 50, SECOND])
def test_20_000_events_of_one_moment_in_two_indices_come_in_order(
    store: Searchable, step: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one microsecond, of one second, and of five hours; each found by two searches that are merged."""
    monkeypatch.setattr(packs, "MOST_CLAUSES", 2)
    monkeypatch.setattr(ordering, "HELD", 3_000)  # a file is needed
    chance = random.Random(7)  # noqa: S311
    made = [event(START + chance.randrange(20_000) * step, f"{chance.getrandbits(64):x}") for _ in range(20_000)]
    for at, name in enumerate(two_indices(store)):
        store.index(made[at::2], name)
    pack = [replace(EVERY, size=2), NOTHING, does("list", size=2)]
    hits = list(store.search(pack))
    assert keys(iter(hits)) == sorted([(datetime.fromisoformat(one["@timestamp"]), one["event.id"]) for one in made])
    assert {hit.matched for hit in hits} == {(0, 2)}


@pytest.mark.parametrize("most", range(2, 8))
def test_no_hit_is_lost_between_pages(store: Searchable, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two indices that have events of the same moment at the same places."""
    monkeypatch.setattr(searching, "MOST", most)
    made = [event(START + at // 12 * SECOND, f"e{at:03}") for at in range(48)]
    for at, name in enumerate(two_indices(store)):
        store.index(made[at::2], name)
    assert [hit.event_id for hit in store.search([EVERY])] == [one["event.id"] for one in made]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_asked_is_what_a_plain_loop_finds(
    store: Searchable, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With limits so small that everything comes in many windows, pages, runs and chunks."""
    chance = random.Random(seed)  # noqa: S311
    small = {
        packs: {"FEWEST_EVENTS": 40, "WORK": 1, "FEW": chance.choice((0, 10**6)), "MOST_CLAUSES": 5, "MOST_FILTERS": 4},
        searching: {"MOST": 7, "TOGETHER": 30, "FEWEST": 2},
        ordering: {"HELD": 9, "CHUNK": 2},
        reading: {"MOST": 5},
        windows: {"SLICES": 3},
    }
    for module, limits in small.items():
        for name, limit in limits.items():
            monkeypatch.setattr(module, name, limit)
    moments = [START + at * chance.choice((MICROSECOND, MILLISECOND, SECOND)) for at in range(40)]
    made = [any_event(chance, chance.choice(moments), number) for number in range(300)]
    for at, name in enumerate(two_indices(store)):
        store.index(made[at::2], name)
    actions = [chance.choice("abcdef") for _ in range(9)]
    pack = [does(action, exact=chance.random() < 0.5, size=chance.randrange(1, 4)) for action in actions]
    for _ in range(6):
        since, until = sorted(chance.choices(moments, k=2))
        limits = chance.choice(({}, {"since": since}, {"until": until}, {"since": since, "until": until}))
        objects = chance.choice((None, [f"{1:024}", f"{2:024}"]))
        store.hidden = chance.choice(([], [f"{3:024}"]))
        expected = [
            expected_hit(one, actions, pack)
            for one in sorted(made, key=lambda one: (datetime.fromisoformat(one["@timestamp"]), one["event.id"]))
            if limits.get("since", START) <= datetime.fromisoformat(one["@timestamp"])
            and ("until" not in limits or datetime.fromisoformat(one["@timestamp"]) < until)
            and (one["siem.object"] not in store.hidden if objects is None else one["siem.object"] in objects)
        ]
        assert list(store.search(pack, objects, **limits)) == [hit for hit in expected if hit.matched]


def any_event(chance: random.Random, time: datetime, number: int) -> dict[str, Any]:
    """One in ten has a value that is too long for the index."""
    long = {"deep": "x" * 9_000} if chance.random() < 0.1 else {}
    letter = chance.choice("xX")
    return event(time, f"{letter}{number}", f"{chance.randrange(5):024}", action=chance.choice("abcdefgh"), **long)


def expected_hit(one: dict[str, Any], actions: list[str], pack: list[Clause]) -> Hit:
    matched = tuple([place for place, action in enumerate(actions) if action == one["event.action"]])
    unsure = tuple([place for place in matched if not pack[place].exact])
    if "deep" in one[TRAIL]:
        matched = unsure = tuple(range(len(pack)))
    time = datetime.fromisoformat(one["@timestamp"])
    return Hit(one["event.id"], time, TRAIL, one["siem.object"], one if unsure else None, matched, unsure)


def test_ids_that_differ_in_case_alone_are_in_order(store: Searchable) -> None:
    store.index([event(START, id_) for id_ in ("b", "A", "a", "B")])
    assert [hit.event_id for hit in store.search([EVERY])] == ["A", "B", "a", "b"]


@pytest.mark.parametrize(
    "start", [START, datetime(1969, 12, 31, 23, 59, 59, 998_000, UTC), datetime(999, 1, 1, tzinfo=UTC)]
)
def test_times_are_told_apart_to_the_microsecond(store: Searchable, start: datetime) -> None:
    steps = (0, 1, 999, 1000, 1001, 1999, 2000)
    store.index([event(start + at * MICROSECOND, f"{at:04}") for at in reversed(steps)])
    assert [int(hit.event_id) for hit in store.search([EVERY])] == list(steps)
    for since in steps:
        for until in steps:
            found = store.search([EVERY], since=start + since * MICROSECOND, until=start + until * MICROSECOND)
            assert [int(hit.event_id) for hit in found] == [at for at in steps if since <= at < until]


def test_a_pack_of_1_200_rules(store: Searchable) -> None:
    """Every rule finds one event, the last five find ten more each: more clauses than a search can have."""
    actions = [f"call{number}" for number in range(1_200)]
    made = [
        event(START + at * SECOND, f"e{at:05}", action=actions[at % 1_205 if at % 1_205 < 1_200 else 0])
        for at in range(2_410)
    ]
    store.index(made)
    pack = [
        Clause(
            TRAIL, {"bool": {"should": [{"term": {"event.action": action}}, {"term": {"event.id": "e00003"}}]}}, size=3
        )
        for action in actions
    ]
    hits = list(store.search(pack))
    assert [hit.event_id for hit in hits] == [one["event.id"] for one in made]
    assert hits[3].matched == tuple(range(1_200))
    assert all(
        hit.matched == (actions.index(one["event.action"]),)
        for hit, one in zip(hits, made, strict=True)
        if hit.event_id != "e00003"
    )


def test_events_that_many_rules_find_are_fetched_once(store: Searchable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty rules find the same 600 events, more than a page has; each hit names its rules."""
    monkeypatch.setattr(packs, "FEW", 0)
    monkeypatch.setattr(searching, "MOST", 500)
    made = [event(START + at * MILLISECOND, f"e{at:03}", action=f"call{at % 2}") for at in range(600)]
    store.index(made)
    alike = [does("call1") if place % 4 == 3 else EVERY for place in range(40)]
    asked = count_requests(store)
    hits = list(store.search(alike))
    assert [hit.event_id for hit in hits] == [one["event.id"] for one in made]
    assert {hit.matched for hit in hits[::2]} == {tuple([place for place in range(40) if place % 4 != 3])}
    assert {hit.matched for hit in hits[1::2]} == {tuple(range(40))}
    assert len(asked) == 8, asked  # refresh, point in time, extent, counts, distinct, two pages, end
    assert "/_msearch" not in asked


def count_requests(store: Searchable) -> list[str]:
    paths: list[str] = []
    ask = store.connection.ask

    def noted(method: str, path: str, *args: Any, **more: Any) -> Any:
        paths.append(path)
        return ask(method, path, *args, **more)

    store.connection.ask = noted  # type: ignore[method-assign]
    return paths


def test_a_search_that_finds_nothing_is_five_requests(store: Searchable) -> None:
    store.index([event(START, "e")])
    asked = count_requests(store)
    assert list(store.search([does("put")] * 300)) == []
    assert len(asked) == 5  # refresh, point in time, extent, counts, end


@pytest.mark.parametrize("others", [0, 3])
def test_a_document_with_values_too_long_for_the_index_is_left_to_the_predicate(store: Searchable, others: int) -> None:
    """Whatever queries say of it: its long value is not in the index."""
    long = event(START + SECOND, "long", action="x" * 9_000, deep={"a": "y" * 20_000})
    made = [event(START, "short", action="get"), long, event(START + 2 * SECOND, "last", action="put")]
    store.index(made)
    pack = [does("get"), *[does("post")] * others, *[BROKEN] * (others > 0)]
    hits = list(store.search(pack, erred=lambda place, error: None))
    assert [(hit.event_id, hit.matched, hit.unsure) for hit in hits] == [
        ("short", (0,), ()),
        ("long", tuple(range(1 + others)), tuple(range(1 + others))),
    ]
    assert hits[0].document is None
    assert (hits[1].document or {})["event.action"] == "x" * 9_000
    (found,) = store.search([replace(does("post"), fields=frozenset({TRAIL})), does("nothing")])
    assert found.document == long


def test_an_event_that_is_found_by_an_exact_query_has_no_document(store: Searchable) -> None:
    store.index([event(START, "e", action="get", n=1), event(START + SECOND, "f", action="put", n=2)])
    hits = list(store.search([does("get"), does("put", exact=False)]))
    assert [(hit.matched, hit.unsure, hit.document is None) for hit in hits] == [((0,), (), True), ((1,), (1,), False)]


def test_numbers_of_documents_are_as_they_were_written(store: Searchable) -> None:
    name = store.made(store.names.of(TRAIL, START, START))
    record = b'{"a":1.50,"b":2e1,"c":123456789012345678901234567890,"d":[1.0,-0.0],"e":{"":null,"x.y":[]}}'
    store.bulk(
        name,
        [b'{"@timestamp":"2026-11-01T10:00:00Z","event.id":"e","siem.object":"o","aws.cloudtrail":' + record + b"}"],
    )
    for asked in ({"documents": True}, {"columns": (f"{TRAIL}.requestParameters",)}, {"columns": (TRAIL,)}):
        (hit,) = store.search([EVERY], **asked)
        assert repr((hit.document or {})[TRAIL]) == (
            "{'a': '1.50', 'b': '2e1', 'c': 123456789012345678901234567890, 'd': ['1.0', '-0.0'],"
            " 'e': {'': None, 'x.y': []}}"
        )
    (hit,) = store.search([EVERY], columns=("event.action",))
    assert TRAIL not in (hit.document or {})


def test_objects_that_are_not_committed_are_not_seen(store: Searchable, monkeypatch: pytest.MonkeyPatch) -> None:
    store.index([event(START + at * SECOND, f"e{at}", of=f"{at % 3:024}") for at in range(9)])
    for most in (65_000, 1):  # by the node, or here
        monkeypatch.setattr(windows, "MOST_TERMS", most)
        store.hidden = [f"{0:024}", f"{1:024}", "other"]
        assert [hit.event_id for hit in store.search([EVERY, NOTHING])] == ["e2", "e5", "e8"]
        assert [hit.event_id for hit in store.search([EVERY], objects=[f"{1:024}"])] == ["e1", "e4", "e7"]
        store.hidden = []


def test_an_event_that_stands_in_two_indices_comes_once(store: Searchable) -> None:
    """It was a day ahead of our clock when it came first, and today when it came again."""
    store.index([event(START, "e"), event(START, "f")], store.made(f"{store.names.prefix}events-{TRAIL}-other"))
    store.index([event(START, "e")])
    for pack in ([EVERY], [EVERY, does("list", exact=False)]):
        assert [hit.event_id for hit in store.search(pack, documents=True)] == ["e", "f"]


def test_spans_may_be_as_long_as_times_go(store: Searchable) -> None:
    times = [datetime.min.replace(tzinfo=UTC), START, datetime.max.replace(tzinfo=UTC)]
    store.index([event(time, f"e{at}") for at, time in enumerate(times)])
    assert [hit.timestamp for hit in store.search([EVERY])] == times
    assert [hit.timestamp for hit in store.search([EVERY, EVERY], since=times[0], until=times[2])] == times[:2]


def test_long_documents_are_read_a_few_at_a_time(store: Searchable) -> None:
    """60 records of 1 MiB, which are 120 MiB with their leaves."""
    made = [event(START + at * SECOND, f"e{at:03}", deep={"a": ["y" * 8_000] * 130}) for at in range(60)]
    for at in range(0, 60, 20):
        store.index(made[at : at + 20])
    tracemalloc.start()
    for hit, document in zip(store.search([EVERY, does("list")], documents=True), made, strict=True):
        assert hit.document == document
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20  # it was 32


def test_who_is_hidden_is_asked_after_what_is_seen(store: Searchable) -> None:
    """Otherwise a commit between the two would be seen in part. Of given objects nobody is asked."""
    store.index([event(START, "e")])

    def hidden() -> list[str]:
        assert store.views() == 1
        store.index([event(START, "late", of="b" * 24)])
        store.connection.ask("POST", f"/{store.names.every_event()}/_refresh")
        return []

    asked = Asked([EVERY], None, None, None, False, ())
    assert [hit.event_id for hit in found_by(store, asked, hidden)] == ["e"]
    given = replace(asked, objects=["b" * 24])
    assert [hit.event_id for hit in found_by(store, given, hidden)] == ["late"]
    assert len(list(store.search([EVERY]))) == 2


def found_by(store: Searchable, asked: Asked, hidden: Callable[[], list[str]]) -> Iterator[Hit]:
    return searching.hits(store.connection, store.names, asked, hidden, raised)


def test_objects_may_be_very_many(store: Searchable) -> None:
    store.index([event(START + at * SECOND, f"e{at}", of=f"{at:024}") for at in range(6)])
    for count in (65_000, 65_001, 200_000):
        objects = [f"{at:024}" for at in range(3, 3 + count)]
        assert [hit.event_id for hit in store.search([EVERY, does("get")], objects=objects)] == ["e3", "e4", "e5"]


def test_windows_are_as_small_as_they_must_be(store: Searchable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of 1970 and 2099, a crowded second and a crowded millisecond."""
    monkeypatch.setattr(packs, "FEWEST_EVENTS", 100)
    monkeypatch.setattr(packs, "WORK", 1)
    times = [datetime(1970, 1, 1, tzinfo=UTC), *[START + at * MILLISECOND for at in range(950)]]
    times += [*[START + SECOND] * 250, *[START + at * SECOND for at in range(2, 500)], datetime(2099, 1, 1, tzinfo=UTC)]
    made = [event(time, f"e{at:05}") for at, time in enumerate(times)]
    store.index(made)
    assert [hit.event_id for hit in store.search([EVERY, EVERY])] == [one["event.id"] for one in made]
    found = store.search([EVERY], since=START + 3 * MILLISECOND, until=START + 300 * SECOND)
    assert [hit.event_id for hit in found] == [f"e{at:05}" for at in range(4, 951 + 250 + 298)]


def test_counts_per_object_are_exact_over_many_indices(store: Searchable) -> None:
    counts = {f"{number:024}": number % 7 for number in range(300)}
    made = [
        event(START - at * timedelta(days=40), f"{of}-{at}", of=of)
        for of, count in counts.items()
        for at in range(count)
    ]
    store.index(made)
    store.index([{**event(START, "flow", of=f"{1:024}"), "event.dataset": FLOW}], dataset=FLOW)
    assert counted(store.connection, store.names, list(counts), TRAIL) == counts
    assert counted(store.connection, store.names, [f"{1:024}", "unknown"]) == {f"{1:024}": 2, "unknown": 0}
    assert counted(store.connection, store.names, [], TRAIL) == {}


def test_no_index_holds_nothing(store: Searchable) -> None:
    store.made(store.names.of(FLOW, START, START), FLOW)
    assert list(store.search([EVERY])) == []
    assert counted(store.connection, store.names, ["a"], TRAIL) == {"a": 0}
