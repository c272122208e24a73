"""Compaction: few large files of many small ones, in order of time, and nobody notices."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.parsing.batch import Parsed
from siem.schema import Query
from siem.store.contract import Compacted, Judged, State
from siem.store.embedded import EmbeddedStore, compaction, merging, rewriting
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    as_it_stands,
    delivery,
    every,
    flows,
    found,
    ids,
    put,
    reject,
    trail,
)

LATER = NOW + timedelta(hours=1)
MANY = 2 * compaction.FEWEST


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(place: Path) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(place)
    yield store
    store.close()


def filled(store: EmbeddedStore, count: int = MANY) -> None:
    """So many objects with three events each, of times that overlap, each in a file of its own."""
    for at in range(count):
        one = delivery(f"o{at}")
        put(store, (one, Parsed(TRAIL, trail(one, f"{at}a", f"{at}b", f"{at}c", start=START + timedelta(seconds=at)))))


def named(place: Path, store: EmbeddedStore) -> list[Path]:
    """Files that the ledger names, in order of time."""
    found = store._connection.execute("SELECT name FROM files ORDER BY first, name")
    return [place / name for (name,) in found]


def on_disk(place: Path) -> set[Path]:
    return set((place / "events").rglob("*.parquet"))


def everything(store: EmbeddedStore) -> object:
    return (
        *(store.ledger(), found(store, TRAIL, documents=True), found(store, FLOW, documents=True)),
        *(store.pending(TRAIL), list(store.rejects()), store.progress()),
    )


def test_a_days_small_files_become_one_in_order_of_time(store: EmbeddedStore, place: Path) -> None:
    filled(store)
    before = everything(store)
    sizes = sum(path.stat().st_size for path in named(place, store))
    planned = store.compact(LATER, dry_run=True)
    assert len(named(place, store)) == MANY
    (done,) = store.compact(LATER)
    (path,) = named(place, store)
    assert done == Compacted(TRAIL, "2026.11.01", MANY, 1, 3 * MANY, sizes, path.stat().st_size)
    assert [(one.files, one.into, one.events, one.bytes) for one in planned] == [(MANY, 1, 3 * MANY, sizes)]
    times = pq.read_table(path)["@timestamp"].to_pylist()
    assert (len(times), times) == (3 * MANY, sorted(times))
    assert everything(store) == before
    assert store.compact(LATER) == []


def test_days_datasets_and_few_files_stay_apart(store: EmbeddedStore, place: Path) -> None:
    filled(store)
    for at in range(compaction.FEWEST):
        flow, next_day = delivery(f"flow{at}"), delivery(f"next{at}")
        put(store, (flow, Parsed(FLOW, flows(flow, 5))))
        if at:
            put(store, (next_day, Parsed(TRAIL, trail(next_day, f"n{at}", start=START + timedelta(days=1)))))
    before = everything(store)
    done = store.compact(LATER)
    assert [(one.dataset, one.day, one.files) for one in done] == [
        (TRAIL, "2026.11.01", MANY),
        (FLOW, "2026.11.01", compaction.FEWEST),
    ]
    assert everything(store) == before
    assert len(named(place, store)) == 2 + compaction.FEWEST - 1


def test_columns_of_any_file_are_kept(store: EmbeddedStore) -> None:
    for at in range(MANY):
        one, more = delivery(f"o{at}"), {"user.name": "ann"} if at % 2 else {"source.port": at}
        put(store, (one, Parsed(TRAIL, trail(one, f"e{at}", more=more))))
    before = everything(store)
    assert [one.into for one in store.compact(LATER)] == [1]
    assert everything(store) == before
    assert (
        len(list(store.search([Query(TRAIL, '"user.name" = $n', {"n": "ann"}, frozenset(("user.name",)))])))
        == MANY // 2
    )


def test_files_that_a_rule_has_yet_to_look_into_are_left_for_a_week(store: EmbeddedStore) -> None:
    filled(store)
    half = store.pending(TRAIL)[MANY // 2 - 1].turn
    store.mark(Judged(marks={("r", TRAIL): half, ("s", TRAIL): store.progress().turn}), as_it_stands)
    assert [one.files for one in store.compact(LATER)] == [MANY // 2]
    assert store.compact(LATER) == []
    assert [one.files for one in store.compact(NOW + timedelta(days=8))] == [MANY // 2 + 1]  # the one made before too


def test_full_files_are_left_alone_and_what_is_made_ends_where_one_is_full(
    store: EmbeddedStore, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "FILE_ROWS", 10)
    monkeypatch.setattr(rewriting, "ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(merging, "BATCH_BYTES", 1)
    monkeypatch.setattr(compaction, "SMALL_ROWS", 10)
    filled(store)
    before = everything(store)
    (done,) = store.compact(LATER)
    assert done.into == 5  # 48 events
    ends = [pq.read_table(path)["@timestamp"].to_pylist() for path in named(place, store)]
    assert [len(times) for times in ends] == [10, 10, 10, 10, 8]
    assert all(one[-1] <= other[0] for one, other in pairwise(ends))
    assert everything(store) == before
    assert store.compact(LATER) == []


def test_what_was_replaced_is_swept_an_hour_later(store: EmbeddedStore, place: Path) -> None:
    filled(store)
    old = on_disk(place)
    for path in old:
        os.utime(path, (time.time() - 7200,) * 2)
    reading = store.search([every(store)])
    first = next(reading)
    store.compact(LATER)
    assert on_disk(place) > old  # whoever began before goes on reading
    assert [first, *reading] == found(store, TRAIL)
    for age, left in ((3500, len(old) + 1), (3700, 1)):
        for path in old:
            os.utime(path, (time.time() - age,) * 2)
        other = EmbeddedStore(place)
        other.compact(LATER)
        assert len(on_disk(place)) == left
        assert len(found(other, TRAIL)) == 3 * MANY
        other.close()


def test_a_commit_whose_duplicates_moved_to_another_file_knows_them(place: Path) -> None:
    """Compaction comes between looking for duplicates and naming the files."""
    other = EmbeddedStore(place)
    filled(other)

    def interrupt(step: str) -> None:
        if step == "flushed":
            other.compact(LATER)

    store = EmbeddedStore(place, step=interrupt)
    late = delivery("late")
    (row,) = put(store, (late, Parsed(TRAIL, trail(late, "0a", "0b", "new"))))
    assert (row.events, row.duplicates) == (3, 2)
    assert len(named(place, store)) == 2
    assert len(ids(store)) == len(set(ids(store))) == 3 * MANY + 1
    for each in (store, other):
        each.close()


@pytest.mark.parametrize("what", ["retain", "reparse", "compact", "commit", "replay"])
def test_whatever_comes_between_merging_and_naming_nothing_is_lost(place: Path, what: str) -> None:
    other = EmbeddedStore(place)
    filled(other)
    one, two = delivery("o0"), delivery("two")
    put(other, (two, Parsed(TRAIL, trail(two, "t"), [reject(1)])))

    def interrupt(step: str) -> None:
        if step != "placed":
            return
        if what == "retain":
            other.retain({TRAIL: START + timedelta(days=2)})
        elif what == "reparse":
            with other.reparsing(LATER) as writing:
                writing.add(one, Parsed(TRAIL, trail(one, "0a", "z")), "2", unique_ids=True)
                writing.finish(one, State.COMMITTED)
                writing.commit()
        elif what == "compact":
            other.compact(LATER)
        elif what == "commit":
            three = delivery("three")
            put(other, (three, Parsed(TRAIL, trail(three, "0a", "three"))))
        else:
            other.replay(list(other.rejects()), Parsed(TRAIL, trail(two, "r", start=START + timedelta(hours=1))), NOW)

    store = EmbeddedStore(place, step=interrupt)
    done = store.compact(LATER)
    assert bool(done) is (what in ("commit", "replay"))
    expected = {f"{at}{name}" for at in range(MANY) for name in "abc"} | {"t"}
    more = {"retain": set(), "reparse": {"z"}, "compact": set(), "commit": {"three"}, "replay": {"r"}}[what]
    gone = {"retain": expected, "reparse": {"0b", "0c"}}.get(what, set())
    assert sorted(ids(store)) == sorted((expected - gone) | more)
    for each in (store, other):
        each.close()


def test_a_commit_that_counted_a_duplicate_stores_it_where_the_other_object_gives_it_up(place: Path) -> None:
    """A reparse comes between looking for duplicates and naming the files."""
    other = EmbeddedStore(place)
    one, two = delivery("a"), delivery("b")
    put(other, (one, Parsed(TRAIL, trail(one, "e1", "x"))))
    tries: list[str] = []

    def interrupt(step: str) -> None:
        if step == "flushed" and not tries:
            tries.append(step)
            with other.reparsing(LATER) as writing:
                writing.add(one, Parsed(TRAIL, trail(one, "x"), [reject(0)]), "2", unique_ids=True)
                writing.finish(one, State.COMMITTED)
                writing.commit()

    store = EmbeddedStore(place, step=interrupt)
    (row,) = put(store, (two, Parsed(TRAIL, trail(two, "e1"))))
    assert row.duplicates == 0
    assert sorted(ids(store)) == ["e1", "x"]
    for each in (store, other):
        each.close()


def test_a_reparse_whose_files_were_merged_meanwhile_begins_anew(place: Path) -> None:
    other = EmbeddedStore(place)
    filled(other)

    def interrupt(step: str) -> None:
        if step == "flushed":
            other.compact(LATER)

    store = EmbeddedStore(place, step=interrupt)
    one = delivery("o0")
    with store.reparsing(LATER) as writing:
        writing.add(one, Parsed(TRAIL, trail(one, "0a", "z")), "2", unique_ids=True)
        writing.finish(one, State.COMMITTED)
        (row,) = writing.commit()
    assert (row.events, row.duplicates) == (2, 0)
    assert len(ids(store)) == len(set(ids(store))) == 3 * MANY - 1
    for each in (store, other):
        each.close()


@given(st.lists(st.lists(st.integers(-5, 5), max_size=30), max_size=6), st.integers(1, 400), st.integers(1, 200))
def test_runs_meet_in_one_order_of_time(parts: list[list[int]], run: int, batch: int) -> None:
    """Whatever the size of runs and batches: every row once, in order of time."""
    schema = pa.schema([("@timestamp", pa.timestamp("us", tz="UTC")), ("n", pa.int64())])
    numbers = iter(range(1_000))
    tables = [
        pa.table(
            [pa.array(times, pa.int64()).cast(schema[0].type), pa.array([next(numbers) for _ in times], pa.int64())],
            schema,
        )
        for times in parts
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "RUN_BYTES", run)
        patch.setattr(merging, "BATCH_BYTES", batch)
        merged = [row for table in merging.merged(tables, Path("/tmp")) for row in table.to_pylist()]  # noqa: S108
    assert [row["@timestamp"] for row in merged] == sorted(row["@timestamp"] for row in merged)
    assert sorted(row["n"] for row in merged) == list(range(sum(map(len, parts))))
