"""Rules over records at hand, on a real node that is left as it was."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

import pytest
from opensearch import asked
from stores import connected, removed

from siem.errors import Unavailable
from siem.schema import ANY_JSON, LEAVES, OVERSIZE, Clause, DatasetFields
from siem.store.opensearch.names import Names
from siem.store.opensearch.search import engine as module
from siem.store.opensearch.search.engine import Engine

pytestmark = pytest.mark.slow

TRAIL = DatasetFields("aws.cloudtrail")
EVERY = Clause("", {"match_all": {}})
BROKEN = Clause("", {"regexp": {LEAVES: {"value": "(no expression"}}})


@pytest.fixture
def names(opensearch: str) -> Iterator[Names]:
    names = Names(f"engine{secrets.token_hex(4)}-")
    yield names
    removed(opensearch, names)


@pytest.fixture
def engine(opensearch: str, names: Names) -> Iterator[Engine]:
    with closing(Engine(connected(opensearch), names)) as engine:
        yield engine


def indices(url: str, names: Names) -> list[str]:
    rows = asked(url, "GET", f"/_cat/indices/{names.prefix}*?h=index&format=json&expand_wildcards=all")
    return sorted(row["index"].removeprefix(names.prefix) for row in rows)


def leaf(value: object) -> Mapping[str, Any]:
    return {LEAVES: [f"a|={value}"]}


def says(value: object) -> Clause:
    return Clause("", {"term": {LEAVES: {"value": f"a|={value}"}}})


def test_each_clause_finds_its_documents_among_those_given_last(engine: Engine) -> None:
    first = engine.matches(ANY_JSON, [leaf("x"), leaf("y"), leaf("X")], [says("x"), says("z"), EVERY])
    assert (list(first.rows), first.unknown) == ([[0, 2], [], [0, 1, 2]], frozenset())
    second = engine.matches(ANY_JSON, [leaf("z"), leaf("x")], [says("x"), says("z")])
    assert list(second.rows) == [[1], [0]]


@pytest.mark.parametrize(("together", "most"), [(3, 100), (3, 4), (1, 1)])
def test_documents_may_be_more_than_a_search_or_an_index_has(
    engine: Engine, opensearch: str, names: Names, monkeypatch: pytest.MonkeyPatch, together: int, most: int
) -> None:
    monkeypatch.setattr(module, "TOGETHER", together)
    monkeypatch.setattr(module, "MOST", most)
    monkeypatch.setattr(module, "MOST_BYTES", 150)
    answer = engine.matches(ANY_JSON, [leaf(row % 4) for row in range(11)], [says(3), says(0), EVERY])
    assert list(answer.rows) == [[3, 7], [0, 4, 8], list(range(11))]
    assert len(indices(opensearch, names)) == 1


def test_an_index_for_each_dataset(engine: Engine, opensearch: str, names: Names) -> None:
    event = {"event.action": "List", "@timestamp": "2026-11-01T00:00:00Z"}
    lists = Clause(TRAIL.dataset, {"term": {"event.action": {"value": "list"}}})
    assert list(engine.matches(TRAIL, [event], [lists]).rows) == [[0]]
    assert list(engine.matches(ANY_JSON, [leaf("x")], [says("x")]).rows) == [[0]]
    assert len(indices(opensearch, names)) == 2


def test_nothing_is_said_of_documents_that_an_index_does_not_hold_whole(engine: Engine) -> None:
    documents = [{OVERSIZE: ["a"]}, {"event.action": "x"}, {"@timestamp": "never"}]
    answer = engine.matches(TRAIL, documents, [EVERY])
    assert (list(answer.rows), answer.unknown) == ([[1]], {0, 2})


def test_a_clause_that_the_node_refuses_disturbs_no_other(engine: Engine) -> None:
    assert list(engine.matches(ANY_JSON, [leaf("x")], [says("x"), BROKEN, EVERY]).rows) == [[0], None, [0]]


def test_without_documents_and_without_clauses(engine: Engine) -> None:
    assert list(engine.matches(ANY_JSON, [], [EVERY]).rows) == [[]]
    assert list(engine.matches(ANY_JSON, [leaf("x")], []).rows) == []
    assert list(engine.matches(ANY_JSON, [{OVERSIZE: ["a"]}], [EVERY]).rows) == [[]]


def test_the_node_is_left_as_it_was(opensearch: str, names: Names) -> None:
    def hunt() -> None:
        with closing(Engine(connected(opensearch), names)) as engine:
            engine.matches(ANY_JSON, [leaf("x")], [says("x")])
            assert len(indices(opensearch, names)) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hunt()
    assert indices(opensearch, names) == []


def test_an_index_that_somebody_removed_is_made_again(engine: Engine, opensearch: str, names: Names) -> None:
    engine.matches(ANY_JSON, [leaf("x")], [EVERY])
    for name in indices(opensearch, names):
        asked(opensearch, "DELETE", f"/{names.prefix}{name}")
    assert list(engine.matches(ANY_JSON, [leaf("y"), leaf("x")], [says("x")]).rows) == [[1]]


def test_an_index_that_is_removed_again_and_again(
    engine: Engine, opensearch: str, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*written: object) -> frozenset[int]:
        for name in indices(opensearch, names):
            asked(opensearch, "DELETE", f"/{names.prefix}{name}")
        return frozenset()

    monkeypatch.setattr(Engine, "_write", remove)
    with pytest.raises(Unavailable, match="somebody removes"):
        engine.matches(ANY_JSON, [leaf("x")], [EVERY])


def test_what_a_killed_process_left_is_removed_once_it_is_old(
    opensearch: str, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, others = f"siem-hunt-{secrets.token_hex(8)}", ("siem-hunt-of-mine", "siem-huntings")
    for name in (killed, *others):
        asked(opensearch, "PUT", f"/{names.prefix}{name}", json.dumps({"settings": {"number_of_replicas": 0}}))
    for left, stay in ((module.LEFT, {killed, *others}), (0, {*others})):
        monkeypatch.setattr(module, "LEFT", left)
        with closing(Engine(connected(opensearch), names)) as engine:
            engine.matches(ANY_JSON, [leaf("x")], [EVERY])
        assert set(indices(opensearch, names)) == stay
