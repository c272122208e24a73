"""Queries run over tables in memory and over files, in UTC, and reach nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from siem.errors import ConfigError, ContentError
from siem.schema import Gate, Query
from siem.store.embedded import Engine

UTC_TIMES = pa.timestamp("us", tz="UTC")


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def test_matches_are_positions_in_the_table(engine: Engine) -> None:
    table = pa.table({"event.action": ["a", "b", None, "a"], "source.port": pa.array([1, 2, 3, 4], pa.int64())})
    query = Query("d", 'coalesce("event.action" = $p0, false)', {"p0": "a"}, frozenset({"event.action"}))
    assert engine.matches(table, query) == [0, 3]
    assert engine.matches(table.slice(2), query) == [1]
    assert engine.matches(table.slice(0, 0), query) == []


def test_a_column_that_is_not_there_is_null_of_its_type(engine: Engine) -> None:
    table = pa.table({"event.action": ["a"]})
    names = ["source.port", "@timestamp", "user.name", 'aws.waf.odd"name']
    where = (
        '"source.port" IS NULL AND "@timestamp" IS NULL AND "user.name" IS NULL AND "aws.waf.odd""name" IS NULL'
        " AND typeof(\"source.port\") = 'BIGINT' AND typeof(\"@timestamp\") = 'TIMESTAMP WITH TIME ZONE'"
        " AND typeof(\"user.name\") = 'VARCHAR'"
    )
    assert engine.matches(table, Query("aws.waf", where, {}, frozenset(names))) == [0]


def test_records_of_no_dataset_have_lists_of_texts(engine: Engine) -> None:
    table = pa.table({"a": pa.array([["x", "y"], [], ["z"]], pa.list_(pa.string()))})
    where = 'coalesce(len(list_filter("a", lambda v: v = $p)) > 0, false) AND "b" IS NULL'
    assert engine.matches(table, Query("", where, {"p": "y"}, frozenset({"a", "b"}))) == [0]


def test_hours_are_those_of_utc_wherever_the_process_runs() -> None:
    program = (
        "import pyarrow as pa; from siem.store.embedded import Engine; from siem.schema import Query\n"
        "table = pa.table({'@timestamp': pa.array([36_000_000_000], pa.timestamp('us', tz='UTC'))})\n"
        "query = Query('d', 'hour(\"@timestamp\") = 10', {}, frozenset({'@timestamp'}))\n"
        "print(Engine().matches(table, query))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TZ": "Asia/Tokyo"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "[0]\n"


@pytest.mark.parametrize(
    "where",
    [
        "no such thing",
        "\"unknown\" = 'a'",
        "regexp_matches(\"event.action\", '(')",
        "EXISTS (SELECT * FROM read_text('/etc/hostname'))",
        "EXISTS (SELECT * FROM read_csv('https://192.0.2.1/x.csv'))",
        "EXISTS (SELECT * FROM somewhere)",
    ],
)
def test_a_query_that_cannot_be_run_is_an_error_of_content(engine: Engine, where: str) -> None:
    somewhere = pa.table({"event.action": ["a"]})
    with pytest.raises(ContentError, match="cannot run this query"):
        engine.matches(somewhere, Query("d", where, {}, frozenset({"event.action"})))


def test_a_memory_setting_that_means_nothing_is_an_error_of_configuration() -> None:
    with pytest.raises(ConfigError, match="query engine"):
        Engine(memory="much")


def test_conditions_that_share_a_statement_keep_their_own_parameters(engine: Engine) -> None:
    table = pa.table({"user.name": ["a", "$p0", "b"], 'aws.waf.$p0"': ["x", "y", "x"]})
    conditions = [
        Gate('coalesce("user.name" = $p0, FALSE)', {"p0": "a"}),
        Gate("coalesce(\"user.name\" = '$p0', FALSE)"),
        Gate('coalesce("aws.waf.$p0""" = $p0, FALSE) AND "user.name" <> $p1', {"p0": "x", "p1": "a"}),
    ]
    assert [holds.tolist() for holds in engine.holds(table, conditions)] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
