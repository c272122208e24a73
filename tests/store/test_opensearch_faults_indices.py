"""Event indices that somebody blocks, closes or deletes, and templates that somebody breaks: what is missing is told,
nothing is taken for judged that was not, and the rest goes on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from faulty import account, check, ingest, judge, logged, opened, written
from opensearch import asked
from stores import emptied, prepared, removed, shipped_fields

from siem.errors import ConfigError, Unavailable
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.sigma import RuleSet
from siem.store.opensearch.names import Names, States
from siem.testing.deliveries import FLOW, NOW, START, TRAIL, delivery, flows, ids, put

pytestmark = pytest.mark.slow
FIELDS = {dataset: known for dataset, known in shipped_fields().items() if dataset in (TRAIL, FLOW)}


class Operator:
    """Somebody with access to the cluster."""

    def __init__(self, url: str, names: Names) -> None:
        self.url, self.names = url, names
        self.events = names.of(TRAIL, START, NOW)

    def does(self, method: str, path: str, body: Any = None) -> Any:
        answer = asked(self.url, method, path, None if body is None else orjson.dumps(body).decode())
        assert "error" not in answer, answer
        return answer

    def blocks(self, kind: str, *indices: str, on: bool = True) -> None:
        self.does("PUT", f"/{','.join(indices)}/_settings", {f"index.blocks.{kind}": on or None})


@pytest.fixture(scope="module")
def shared(opensearch: str) -> Iterator[Names]:
    names = Names(f"indices{secrets.token_hex(4)}-")
    prepared(opensearch, names, FIELDS)
    yield names
    removed(opensearch, names)


@pytest.fixture
def operator(opensearch: str, shared: Names) -> Iterator[Operator]:
    yield Operator(opensearch, shared)
    prepared(opensearch, shared, FIELDS)
    emptied(opensearch, shared)


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return written(tmp_path)


def at(operator: Operator, patience: float = 60.0) -> Any:
    return opened(operator.url, operator.names, FIELDS, lease=1.0, patience=patience)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "siem.store"]


@pytest.mark.parametrize("where", ["events", "state", "both"])
def test_a_full_disk(
    where: str, operator: Operator, registry: Registry, rules: RuleSet, caplog: pytest.LogCaptureFixture
) -> None:
    """The cluster blocks indices, and lifts that by itself: work waits, and goes on."""
    store = at(operator)
    ingest(store, range(2))
    states = [operator.names.state(kind) for kind in States]
    blocked = {"events": [operator.events], "state": states, "both": [operator.events, *states]}[where]
    for work in (lambda: ingest(store, [2], tries=1), lambda: judge(store, rules, registry, tries=1)):
        operator.blocks("read_only_allow_delete", *blocked)
        lifted = threading.Timer(2, operator.blocks, ("read_only_allow_delete", *blocked), {"on": False})
        lifted.start()
        work()
        lifted.join()
    check(account(store), 3)
    store.close()
    lines = told(caplog)
    assert any("the disk of a node is full: free space, or add nodes" in line for line in lines)
    assert "again" in lines[-1] or "goes on" in lines[-1]
    assert len(lines) <= 8


def test_a_disk_that_stays_full(operator: Operator) -> None:
    """It is told, nothing is committed, and the next attempt makes it good."""
    store = at(operator, patience=0.5)
    ingest(store, [0])
    for blocked in (operator.events, operator.names.state(States.LEDGER)):
        operator.blocks("read_only_allow_delete", blocked)
        with pytest.raises(Unavailable, match=r"disk usage exceeded.*free space, or add nodes"):
            put(store, logged(1))
        operator.blocks("read_only_allow_delete", blocked, on=False)
        assert len(store.ledger()) == 1
    ingest(store, [1])
    check(account(store), 2, judged=False)
    store.close()


@pytest.mark.parametrize(
    ("block", "words"), [("write", "set its index.blocks.write to false"), ("close", "the index was closed: open it")]
)
def test_an_index_that_takes_no_events_makes_no_rejects(block: str, words: str, operator: Operator) -> None:
    store = at(operator, patience=0.5)
    ingest(store, [0])
    if block == "close":
        operator.does("POST", f"/{operator.events}/_close")
    else:
        operator.blocks(block, operator.events)
    with pytest.raises(Unavailable, match=words):
        put(store, logged(1))
    if block == "close":
        operator.does("POST", f"/{operator.events}/_open")
    else:
        operator.blocks(block, operator.events, on=False)
    ingest(store, [1])
    check(account(store), 2, judged=False)
    store.close()


def test_objects_of_a_closed_index_are_owed_and_others_judged(
    operator: Operator, registry: Registry, rules: RuleSet
) -> None:
    store, of = at(operator), delivery("flow")
    ingest(store, range(3))
    put(store, (of, Parsed(FLOW, flows(of, 20))))
    operator.does("POST", f"/{operator.events}/_close")
    done = judge(store, rules, registry, tries=1)
    assert set(done.errors) == {"login", "nine"}
    assert done.owed == {"login": 3, "nine": 3}
    assert "is closed, and its events would be missing" in done.errors["login"]
    assert "open it, or delete it" in done.errors["login"]
    assert ids(store, FLOW)
    operator.does("POST", f"/{operator.events}/_open")
    assert judge(store, rules, registry).owed == {}
    check_trail(store, of.source.id, 3)
    store.close()


def check_trail(store: Any, other: str, objects: int) -> None:
    seen = account(store)
    del seen.rows[other]
    check(seen, objects)


def test_objects_of_a_deleted_index_are_never_taken_for_judged(
    operator: Operator, registry: Registry, rules: RuleSet
) -> None:
    store = at(operator)
    ingest(store, range(3))
    operator.does("DELETE", f"/{operator.events}")
    for _ in range(2):
        done = judge(store, rules, registry, tries=1)
        assert done.owed == {"login": 3, "nine": 3}
        assert "events of object" in done.errors["login"]
        assert "cannot be found" in done.errors["login"]
        assert store.alerts() == []
    ingest(store, [4])  # its index is made anew
    done = judge(store, rules, registry, tries=1)
    assert done.owed == {"login": 3, "nine": 3}
    assert {signal.object for signal in account(store).signals} == {logged(4)[0].source.id}
    store.close()


class TestTemplates:
    """Events go to indices with our fields, whatever became of the templates since the store was opened."""

    def mapping(self, operator: Operator) -> Any:
        return operator.does("GET", f"/{operator.events}/_mapping")[operator.events]["mappings"]

    def as_it_should_be(self, operator: Operator) -> Any:
        other = f"{operator.names.prefix}events-{TRAIL}-other"
        return operator.does("GET", f"/{other}/_mapping")[other]["mappings"]

    @pytest.fixture
    def store(self, operator: Operator) -> Iterator[Any]:
        store = at(operator)
        ingest(store, [0])
        operator.does("DELETE", f"/{operator.events}")
        yield store
        store.close()

    def test_one_was_deleted(self, operator: Operator, store: Any) -> None:
        operator.does("DELETE", f"/_index_template/{operator.names.prefix}siem-events-{TRAIL}")
        ingest(store, [1])
        assert self.mapping(operator) == self.as_it_should_be(operator)

    def test_one_was_changed(self, operator: Operator, store: Any) -> None:
        changed = {"template": {"mappings": {"dynamic": True, "properties": {"event": {"type": "flat_object"}}}}}
        operator.does("PUT", f"/_component_template/{operator.names.prefix}siem-events", changed)
        ingest(store, [1])
        assert self.mapping(operator) == self.as_it_should_be(operator)

    def test_somebody_elses_takes_our_indices(self, operator: Operator, store: Any) -> None:
        name = f"{operator.names.prefix}theirs"
        theirs = {"index_patterns": [f"{operator.names.prefix}events-*"], "priority": 900, "template": {}}
        operator.does("PUT", f"/_index_template/{name}", theirs)
        try:
            with pytest.raises(ConfigError, match=rf"index template {name}: is not ours"):
                put(store, logged(1))
            assert operator.events not in operator.does("GET", "/_cat/indices?format=json&h=index").__repr__()
        finally:
            operator.does("DELETE", f"/_index_template/{name}")
        ingest(store, [1])
        assert self.mapping(operator) == self.as_it_should_be(operator)

    def test_an_index_was_made_without_them(self, operator: Operator, store: Any) -> None:
        """Dynamically, by somebody's first document."""
        own = f"{operator.names.prefix}siem-events-{TRAIL}"
        template = operator.does("GET", f"/_index_template/{own}")["index_templates"][0]["index_template"]
        operator.does("DELETE", f"/_index_template/{own}")
        operator.does("POST", f"/{operator.events}/_doc", {"event": {"action": "x"}})
        operator.does("PUT", f"/_index_template/{own}", template)
        with pytest.raises(ConfigError, match=rf"{operator.events}: has .* was made without our template"):
            put(store, logged(1))
        operator.does("DELETE", f"/{operator.events}")
        ingest(store, [1])
        assert self.mapping(operator) == self.as_it_should_be(operator)
