"""Event files: cut by UTC day in order of time, read by row, swept where nobody named them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.parsing.batch import Parsed
from siem.store.embedded import EmbeddedStore, duplicates, files, parquet, tables
from siem.testing.batches import DocumentBatch
from siem.testing.deliveries import FLOW, NOW, TRAIL, delivery, flows, ids, put, trail

DAY = 86_400_000_000


def table(times: list[int], names: list[str] | None = None) -> pa.Table:
    column = pa.array(times, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return pa.table(
        {"@timestamp": column, "event.id": pa.array(names or [str(at) for at in range(len(times))], pa.string())}
    )


def columns(part: pa.Table) -> tuple[list[int], list[str]]:
    return tables.micros_of(part).tolist(), part["event.id"].to_pylist()


@given(st.lists(st.integers(-3 * DAY, 3 * DAY)))
def test_days_hold_every_event_once_in_order_of_time(times: list[int]) -> None:
    parts = list(files.by_day(table(times)))
    rows = [(at, int(name)) for _, part in parts for at, name in zip(*columns(part), strict=True)]
    assert rows == sorted((at, position) for position, at in enumerate(times))
    for day, part in parts:
        assert {str(np.datetime64(int(at), "us"))[:10] for at in tables.micros_of(part)} == {day}


def test_a_bad_clock_makes_no_thousand_files() -> None:
    times = [day * DAY for day in range(1000)] + [500 * DAY] * 3
    parts = dict(files.by_day(table(times)))
    assert len(parts) == files.MOST_DAYS + 1
    assert len(parts["1971-05-16"]) == 4  # the fullest day has a file of its own
    assert sum(map(len, parts.values())) == 1003


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2))), st.booleans())
def test_again_is_what_came_before(rows: list[tuple[str, int]], by_time: bool) -> None:
    seen: set[object] = set()
    expected = []
    for name, at in rows:
        key = (name, at) if by_time else name
        expected.append(key in seen)
        seen.add(key)
    keys = table([at for _, at in rows], [name for name, _ in rows])
    assert duplicates.again(keys, by_time).tolist() == expected


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "many.parquet"
    parquet.write_parquet(table(list(range(10_000))), path)
    return path


@given(positions=st.lists(st.integers(0, 9_999), min_size=1, max_size=20))
def test_rows_are_read_by_position_in_any_order(many: Path, positions: list[int]) -> None:
    assert parquet.rows_at(many, positions)["event.id"].to_pylist() == [str(at) for at in positions]


def test_a_file_says_which_columns_have_nulls(tmp_path: Path) -> None:
    events = table([1, 2]).append_column("event.action", pa.array(["login", None])).append_column("a", pa.nulls(2))
    parquet.write_parquet(events, tmp_path / "events.parquet")
    read = pq.read_table(tmp_path / "events.parquet")
    assert {field.name: field.nullable for field in read.schema} == {
        "@timestamp": False,
        "event.id": False,
        "event.action": True,
    }
    assert read.to_pylist() == events.drop_columns("a").to_pylist()


def test_what_a_killed_process_left_is_swept_after_an_hour(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    one, two = delivery("a"), delivery("b")
    put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
    (named,) = (tmp_path / "store" / "events").rglob("*.parquet")
    left = [named.with_name("left.parquet"), tmp_path / "store" / "tmp" / "left.parquet"]
    fresh = [named.with_name("fresh.parquet"), tmp_path / "store" / "tmp" / "fresh.parquet"]
    for path in [*left, *fresh]:
        path.write_bytes(b"")
    for path in [*left, named]:
        os.utime(path, (time.time() - 3700,) * 2)
    store.close()
    store = EmbeddedStore(tmp_path / "store")
    put(store, (two, Parsed(TRAIL, trail(two, "e2"))))
    assert [path.exists() for path in [named, *left, *fresh]] == [True, False, False, True, True]
    assert ids(store) == ["e1", "e2"]
    store.close()


def test_a_dataset_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    one = delivery("a")
    odd = "../../../x/'%"
    put(store, (one, Parsed(odd, DocumentBatch(odd, flows(one, 2).given))))
    (path,) = tmp_path.rglob("*.parquet")
    assert path.is_relative_to(tmp_path / "store" / "events")
    assert len(ids(store, odd)) == 2
    assert ids(store, FLOW) == []
    assert store.ledger()[one.source.id].committed == NOW
    store.close()
