"""Objects parsed again on OpenSearch: killed at any step, and disturbed at any step by everybody else."""

from __future__ import annotations

import multiprocessing
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import workload
from faulty import account, ingest, judge, logged, written
from opensearch import asked
from stores import connected, emptied, prepared, removed, shipped_fields
from workload import Cluster

from siem.errors import Refused
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, Judged, LedgerRow, Signal, State, Store
from siem.store.opensearch import OpenSearchStore, rejudging
from siem.store.opensearch.cluster import operations
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation
from siem.store.opensearch.cluster.scanning import scan
from siem.store.opensearch.commit import reparsing
from siem.store.opensearch.events import spool
from siem.store.opensearch.names import Names, States
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    as_it_stands,
    delivery,
    found,
    ids,
    put,
    reject,
    trail,
    waiting,
)

pytestmark = pytest.mark.slow
FIELDS = shipped_fields()
PROCESSES = multiprocessing.get_context("forkserver")

STAY = {f"e{at}" for at in range(120)} | {f"e{at}" for at in range(150, 200)}
"""Ids that are there before, meanwhile and after: e120 to e149 are of two then."""


@pytest.fixture(scope="module")
def place(opensearch: str) -> Iterator[Cluster]:
    prefix = f"again{secrets.token_hex(4)}-"
    prepared(opensearch, Names(prefix), FIELDS)
    yield Cluster(opensearch, prefix)
    removed(opensearch, Names(prefix))


@pytest.fixture(autouse=True)
def small(place: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Bodies and parts are small, so that there are several; nothing is left."""
    monkeypatch.setattr(spool, "BODY", 50_000)
    monkeypatch.setattr(reparsing, "TOGETHER", 50)
    yield
    emptied(place.url, Names(place.prefix))


def opened(place: Cluster, step: Callable[[str], None] = lambda name: None, lease: float = 0.5) -> OpenSearchStore:
    return OpenSearchStore(connected(place.url), Names(place.prefix), FIELDS, lease=lease, step=step)


def begun(place: Cluster) -> Store:
    """A store with what is to be parsed again, all of it judged."""
    store = opened(place)
    workload.stored(store)
    turn = store.progress().turn
    store.mark(Judged(marks={("rule", dataset): turn for dataset in (TRAIL, FLOW)}), as_it_stands)
    return store


def seen(store: Store) -> dict[str, Any]:
    state = workload.state(store)
    assert_agrees(store)
    return state


def assert_agrees(store: Store) -> None:
    """The ledger says what can be seen."""
    hits = Counter(hit.object for dataset in (TRAIL, FLOW) for hit in found(store, dataset))
    rejects = Counter(stored.object for stored in store.rejects())
    for id_, row in store.ledger().items():
        assert (hits[id_], rejects[id_]) == (row.events - row.duplicates, row.rejects), row.key


def assert_nothing_is_missing(store: Store) -> None:
    """A reader finds what stays, and no object has less than the ledger says (else a rule could not judge it). Who
    counts, as `siem verify` does, takes what is half done for no damage."""
    assert set(ids(store)) >= STAY
    for dataset in (TRAIL, FLOW):
        objects = [id_ for id_, row in store.ledger().items() if row.dataset == dataset]
        assert len(found(store, dataset, objects=objects)) >= 30
    assert [one for one in store.held() if one.expected != one.visible] == []


@pytest.fixture(scope="module")
def undisturbed(place: Cluster) -> dict[str, Any]:
    store = begun(place)
    assert_agrees(store)
    workload.mended(store)
    state = seen(store)
    store.close()
    emptied(place.url, Names(place.prefix))
    return state


def test_the_undisturbed_run_is_as_it_should_be(undisturbed: dict[str, Any]) -> None:
    rows = {row.key: row for row in undisturbed["ledger"].values()}
    counts = {key: (row.records, row.events, row.rejects, row.skipped, row.duplicates) for key, row in rows.items()}
    assert counts == {"one": (160, 140, 20, 0, 0), "two": (100, 100, 0, 0, 20), "odd": (45, 38, 1, 6, 0)}
    assert {row.parser_version for row in rows.values()} == {"2"}
    assert {row.committed for row in rows.values()} == {NOW}
    events = {hit.event_id: hit for hit in undisturbed["events"]}
    assert set(events) == STAY | {f"e{at}" for at in range(120, 150)} | set(workload.NEW) | {
        hit.event_id for hit in undisturbed["events"] if hit.dataset == FLOW
    }
    assert len(events) == len(undisturbed["events"]) == 220 + 38
    assert {hit.document and hit.document["event.action"] for hit in events.values()} == {"mended"}
    assert events["e0"].timestamp == START - timedelta(days=60)
    assert len(undisturbed["pending"]) == 3


def test_killed_at_a_step_and_begun_again(place: Cluster, undisturbed: dict[str, Any]) -> None:
    at, finished = 0, False
    while not finished:
        at += 1
        store = begun(place)
        process = PROCESSES.Process(target=workload.mend, args=(place, at))
        process.start()
        process.join(60)
        assert process.exitcode in (-9, 0)
        finished = process.exitcode == 0
        assert_nothing_is_missing(store)
        workload.mended(store)
        assert seen(store) == undisturbed, f"killed at step {at}: not the same in the end"
        store.close()
        emptied(place.url, Names(place.prefix))
    assert at > 15, "it has fewer steps than it should"


def test_what_was_interrupted_still_says_the_version_before(place: Cluster) -> None:
    """Until nothing of it is left: so it is parsed again."""
    store = begun(place)
    versions: dict[str, set[str]] = {}

    def step(name: str) -> None:
        versions.setdefault(name, set()).update(row.parser_version for row in store.ledger().values())
        assert_nothing_is_missing(store)

    other = opened(place, step)
    workload.mended(other)
    other.close()
    assert list(versions) == [
        "claimed", "sent", "rejects", "written", "counted", "removed", "swept", "entered", "committed"
    ]  # fmt: skip
    assert versions == {name: {"1"} for name in versions} | {"entered": {"2"}, "committed": {"2"}}
    store.close()


def otherwise(store: Store) -> None:
    """Another version of the parser comes to other events: of one to nothing but what is given up here."""
    one = delivery("one")
    names = [f"e{at}" for at in range(110, 150)]
    with store.reparsing(NOW) as writing:
        events = trail(one, *names, start=START + timedelta(seconds=110))
        writing.add(one, Parsed(TRAIL, events, [reject(7)]), "3", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        writing.commit()


@pytest.mark.parametrize("before", ["written", "removed"])
def test_who_sleeps_with_events_in_hand_writes_and_removes_nothing_that_changed(
    before: str, place: Cluster, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look at a claim and the write another run takes it, and ends."""
    begun(place).close()
    store, other, slept = opened(place), opened(place), list[str]()
    module = operations if before == "written" else reparsing
    carried_out = module.conflicts

    def late(connection: Connection, some: Iterable[Operation], *more: Any) -> list[Operation]:
        asked = list(some)
        events = [one.id for one in asked if one.index.endswith(f"events-{TRAIL}-2026.11")]
        if not events or slept:
            return carried_out(connection, asked, *more)
        slept.extend(events)
        otherwise(other)
        stands = workload.state(other)["events"]
        failed = carried_out(connection, [one for one in asked if not one.absent], *more)
        assert workload.state(other)["events"] == stands
        return [one for one in asked if one.absent] + failed

    monkeypatch.setattr(module, "conflicts", late)
    workload.mended(store)
    assert slept
    assert seen(store) == undisturbed
    store.close()
    other.close()


STEPS = ("claimed", "sent", "rejects", "written", "counted", "removed", "swept", "entered")


@contextmanager
def disturbed(place: Cluster, step: str, by: Callable[[Store], None]) -> Iterator[Store]:
    """A store that is disturbed once, when it comes to a step; it sleeps meanwhile."""
    other = opened(place)
    done: list[str] = []

    def listen(name: str) -> None:
        if name == step and not done:
            done.append(name)
            by(other)

    store = opened(place, listen)
    yield store
    assert done
    store.close()
    other.close()


@pytest.mark.parametrize("step", STEPS)
class TestDisturbed:
    def test_by_another_run(self, step: str, place: Cluster, undisturbed: dict[str, Any]) -> None:
        begun(place).close()
        with disturbed(place, step, workload.mended) as store:
            workload.mended(store)
            assert seen(store) == undisturbed

    def test_by_another_version_of_the_parser(self, step: str, place: Cluster, undisturbed: dict[str, Any]) -> None:
        begun(place).close()
        with disturbed(place, step, otherwise) as store:
            workload.mended(store)
            assert_agrees(store)
            workload.mended(store)  # where the other one came last
            assert seen(store) == undisturbed

    def test_by_a_replay(self, step: str, place: Cluster, undisturbed: dict[str, Any]) -> None:
        one = delivery("one")

        def replay(store: Store) -> None:
            stored = [stored for stored in store.rejects() if stored.key == "one" and stored.parser_version == "1"]
            store.replay(stored[:2], Parsed(TRAIL, trail(one, "n0", "n1", start=START + timedelta(hours=1))), NOW, "2")

        begun(place).close()
        with disturbed(place, step, replay) as store:
            workload.mended(store)
            assert seen(store) == undisturbed

    def test_by_a_commit_with_the_same_events(self, step: str, place: Cluster) -> None:
        other = delivery("other")
        names = [*workload.NEW, *[f"e{at}" for at in range(100, 200)], "o"]

        def commit(store: Store) -> None:
            put(store, (other, Parsed(TRAIL, trail(other, *names, start=START + timedelta(hours=1)))))

        begun(place).close()
        with disturbed(place, step, commit) as store:
            workload.mended(store)
            assert_agrees(store)
            events = [hit.event_id for hit in found(store, TRAIL) if hit.timestamp >= START + timedelta(hours=1)]
            assert sorted(events) == sorted(names)

    def test_by_retention(self, step: str, place: Cluster) -> None:
        """The period that times move to is dropped."""
        old = delivery("old")
        store = begun(place)
        put(store, (old, Parsed(TRAIL, trail(old, "old", start=START - timedelta(days=60)))))
        store.close()
        limit = START - timedelta(days=25)
        with disturbed(place, step, lambda store: store.retain({TRAIL: limit}) and None) as store:
            workload.mended(store)
            store.retain({TRAIL: limit})
            expected = (STAY | {f"e{at}" for at in range(120, 150)} | set(workload.NEW)) - {
                f"e{at}" for at in range(30)
            }
            assert sorted(ids(store)) == sorted(expected)
            rows = {row.key: row for row in store.ledger().values()}
            assert (rows["one"].events, rows["one"].duplicates) == (140, 0)
            assert len(found(store, TRAIL, objects=[rows["one"].object])) == 110
            assert store.retain({TRAIL: limit}) == []

    def test_by_a_pass(self, step: str, place: Cluster) -> None:
        """What is judged meanwhile, as it is then, is judged again after it."""
        one = delivery("one")

        def judge_now(store: Store) -> None:
            assert_nothing_is_missing(store)
            gone = Signal("rule", "e140", START + timedelta(seconds=140), one.source.id, TRAIL, "f", {"user": "ann"})
            store.mark(Judged([gone], marks={("rule", TRAIL): store.progress().last[TRAIL]}), as_it_stands)

        begun(place).close()
        with disturbed(place, step, judge_now) as store:
            workload.mended(store)
            objects = {delivery(key).source.id for key in ("one", "two")}
            judged = objects if step == "entered" else set()
            assert set(waiting(store, rule="rule")) == objects - judged
            store.mark(Judged(marks={("rule", TRAIL): store.progress().last[TRAIL]}), as_it_stands)
            assert len(store.signals("rule", {"user": "ann"})) == len(judged) // 2


def test_a_reader_in_a_loop_never_misses_an_event(place: Cluster) -> None:
    store, done, wrong = begun(place), threading.Event(), list[set[str]]()

    def read() -> None:
        reader = opened(place)
        while not done.is_set():
            if missing := STAY - set(ids(reader)):
                wrong.append(missing)
        reader.close()

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(5):
        workload.mended(store)
        with store.reparsing(NOW) as writing:  # back again
            one = delivery("one")
            writing.add(one, Parsed(TRAIL, trail(one, *[f"e{at}" for at in range(150)])), "1", unique_ids=True)
            writing.finish(one, State.COMMITTED)
            writing.commit()
    done.set()
    thread.join()
    store.close()
    assert wrong == []


def test_events_of_many_indices_are_removed_to_the_last(place: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are cut between them, also where events of several indices are alike."""
    monkeypatch.setattr(reparsing, "scan", lambda *given, **more: scan(*given, **more, page=7))
    store, one = begun(place), delivery("wide")
    names = [f"w{at}" for at in range(10)]
    batches = [trail(one, *names, start=START - timedelta(days=31 * back)) for back in range(6)]
    put(store, (one, [Parsed(TRAIL, batch) for batch in batches]))
    with store.reparsing(NOW) as writing:
        writing.add(one, Parsed(TRAIL, trail(one, "w0")), "2", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        writing.commit()
    assert [hit.event_id for hit in found(store, TRAIL) if hit.object == one.source.id] == ["w0"]
    assert_agrees(store)
    store.close()


def test_an_event_that_the_cluster_refuses_is_a_reject(place: Cluster) -> None:
    store, one = begun(place), delivery("one")
    bad = trail(one, "bad", start=START + timedelta(hours=2))
    bad.given[0][TRAIL]["k" * 50_001] = "too long a name"
    with store.reparsing(NOW) as writing:
        writing.add(one, Parsed(TRAIL, trail(one, "e0")), "2", unique_ids=True)
        writing.add(one, Parsed(TRAIL, bad), "2", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        (row,) = writing.commit()
    assert (row.records, row.events, row.rejects) == (2, 1, 1)
    (stored,) = [stored for stored in store.rejects() if stored.key == "one"]
    assert "the store refused it" in stored.reject.reason
    assert_agrees(store)
    store.close()


def test_an_index_that_is_closed_meanwhile_is_not_taken_for_empty(place: Cluster) -> None:
    """What is left in it would be there for good: nobody parses again what is done."""
    index = f"{place.prefix}events-{TRAIL}-2026.11"

    def step(name: str) -> None:
        if name == "counted":
            asked(place.url, "POST", f"/{index}/_close")

    begun(place).close()
    store = opened(place, step)
    with pytest.raises(Refused, match="the index was closed: open it"):
        workload.mended(store)
    asked(place.url, "POST", f"/{index}/_open")
    assert {row.parser_version for row in store.ledger().values()} == {"1"}
    workload.mended(opened(place))
    assert_agrees(store)
    store.close()


def test_claims_and_writers_end(place: Cluster) -> None:
    store = begun(place)
    workload.mended(store)
    connection, names = connected(place.url), Names(place.prefix)
    assert {hit["_source"]["token"] for hit in scan(connection, names.state(States.LEDGER))} == {""}
    assert list(scan(connection, names.state(States.STATE), {"term": {"kind": "writer"}})) == []
    store.close()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_event_stays_with_the_object_that_holds_it_though_another_comes_first(
    order: tuple[int, int], place: Cluster
) -> None:
    store, objects = opened(place), (delivery("a"), delivery("b"))
    a, b = objects
    put(store, (a, Parsed(TRAIL, trail(a, "e1", "x"))), (b, Parsed(TRAIL, trail(b, "e1", "y"))))

    def run(*some: tuple[Delivery, Parsed]) -> list[LedgerRow]:
        with store.reparsing(NOW) as writing:
            for of, parsed in some:
                writing.add(of, parsed, "2", unique_ids=True)
                writing.finish(of, State.COMMITTED)
            return writing.commit()

    run((a, Parsed(TRAIL, trail(a, "z", "x"))))
    run((b, Parsed(TRAIL, trail(b, "e1", "y"))))
    both = [(of, Parsed(TRAIL, trail(of, "e1", of.source.key))) for of in objects]
    rows = run(*[both[at] for at in order])
    assert {row.key: row.duplicates for row in rows} == {"a": 1, "b": 0}
    assert {hit.event_id: hit.object for hit in found(store, TRAIL)} == {
        "e1": b.source.id,
        "a": a.source.id,
        "b": b.source.id,
    }
    rows = run(both[0], (b, Parsed(TRAIL, trail(b, "q", "b"))))
    assert [(row.events, row.duplicates) for row in rows] == [(2, 0), (2, 0)]
    assert {hit.event_id: hit.object for hit in found(store, TRAIL)} == {
        "e1": a.source.id,
        "a": a.source.id,
        "b": b.source.id,
        "q": b.source.id,
    }
    assert_agrees(store)
    store.close()


def test_a_rule_that_lags_asks_only_for_what_its_mark_passes(place: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass has 200 objects of it; what others have judged since may be more than a query takes."""
    store, asked = begun(place), list[int]()
    workload.mended(store)
    first, second = [of.turn for of in store.pending(TRAIL, store.progress().marks[TRAIL]["rule"])]
    store.mark(Judged(marks={("rule", TRAIL): second}), as_it_stands)
    store.mark(Judged(marks={("late", TRAIL): first - 1}), as_it_stands)

    def seen(*given: Any, **more: Any) -> Iterator[dict[str, Any]]:
        for hit in scan(*given, **more):
            asked.append(hit["_source"]["turn"])
            yield hit

    monkeypatch.setattr(rejudging, "scan", seen)
    store.mark(Judged(marks={("late", TRAIL): first, ("rule", TRAIL): second}), as_it_stands)
    assert asked == [first]
    store.close()


@pytest.mark.parametrize("better", [False, True])
def test_alerts_of_events_that_stay_do_not_repeat(
    better: bool, place: Cluster, registry: Registry, tmp_path: Path
) -> None:
    """Judged again an event makes the signal that it made; one that is no more takes its signal with it."""
    rules, store = written(tmp_path), opened(place)
    ingest(store, range(3))
    judge(store, rules, registry)
    before = account(store)
    with store.reparsing(NOW, judge=True) as writing:
        for of, blocks in map(logged, range(3)):
            for block in blocks[1:] if better else blocks:
                writing.add(of, block, "2", unique_ids=True)
            writing.finish(of, State.COMMITTED)
        writing.commit()
    passed = judge(store, rules, registry)
    after = account(store)
    left = {id_ for id_, _ in after.calls}
    assert [signal for signal in before.signals if signal.event_id in left] == after.signals
    assert len(after.signals) == passed.signals
    if better:
        assert len(left) == 3 * 55
    else:
        assert (passed.errors, passed.alerts, after.alerts) == ({}, set(), before.alerts)
    store.close()


def test_an_object_whose_times_all_move_to_a_dropped_period_expires_when_nothing_is_left(place: Cluster) -> None:
    old, one, early = delivery("old"), delivery("one"), START - timedelta(days=90)
    rows: dict[str, LedgerRow] = {}

    def step(name: str) -> None:
        if name == "counted":
            rows.update(store.ledger())

    store = opened(place, step)
    put(store, (old, Parsed(TRAIL, trail(old, "o", start=early))), (one, Parsed(TRAIL, trail(one, "e"))))
    store.retain({TRAIL: START - timedelta(days=30)})
    with store.reparsing(NOW) as writing:
        writing.add(one, Parsed(TRAIL, trail(one, "e", start=early)), "2", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        writing.commit()
    assert (ids(store), waiting(store)) == ([], [])
    assert store.ledger()[one.source.id].state is State.EXPIRED
    half = rows[one.source.id]
    assert (half.state, half.parser_version) == (State.COMMITTED, "1")
    assert (half.first, half.last) == (early, START), "a run of the same span takes it again"
    store.close()


def test_an_object_of_which_a_part_was_dropped_can_be_judged_at_any_step(place: Cluster) -> None:
    one, early, steps = delivery("one"), START - timedelta(days=90), list[str]()
    old = Parsed(TRAIL, trail(one, *[f"o{at}" for at in range(10)], start=early))

    def step(name: str) -> None:
        steps.append(name)
        if "dropped" in steps and name != "dropped":
            assert set(ids(store, objects=[one.source.id])) >= {"e0", "e1", "e2"}

    store = opened(place, step)
    put(store, (one, [old, Parsed(TRAIL, trail(one, *[f"e{at}" for at in range(5)]))]))
    store.retain({TRAIL: START - timedelta(days=30)})
    with store.reparsing(NOW) as writing:
        for block in (old, Parsed(TRAIL, trail(one, "e0", "e1", "e2"), [reject(13), reject(14)])):
            writing.add(one, block, "2", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        (row,) = writing.commit()
    assert {"counted", "removed"} <= set(steps)
    assert (row.records, row.events, row.rejects, row.duplicates) == (15, 13, 2, 0)
    assert ids(store, objects=[one.source.id]) == ["e0", "e1", "e2"]
    store.close()
