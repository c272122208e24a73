"""Answers that are lost, and nodes that cannot answer yet: in the end everything is there, and once."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutting import cutting
from faulty import account, check, ingest, judge, logged, opened, written
from stores import connected, emptied, prepared, removed, shipped_fields

from siem.errors import Unavailable
from siem.parsing import Registry
from siem.sigma import RuleSet
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import documents, scan
from siem.store.opensearch.names import Names, States
from siem.testing.deliveries import put

pytestmark = pytest.mark.slow
FIELDS = shipped_fields()


@pytest.fixture(scope="module")
def names(opensearch: str) -> Iterator[Names]:
    names = Names(f"answers{secrets.token_hex(4)}-")
    prepared(opensearch, names, FIELDS)
    yield names
    removed(opensearch, names)


@pytest.fixture(autouse=True)
def emptied_after(opensearch: str, names: Names) -> Iterator[None]:
    yield
    emptied(opensearch, names)


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return written(tmp_path)


class Interrupted(Exception):
    """A writer dies."""


def begun(url: str, names: Names, number: int) -> None:
    """A writer has written an object and has not committed it."""

    def dying(name: str) -> None:
        if name == "sent":
            raise Interrupted

    store = opened(url, names, FIELDS, step=dying)
    with pytest.raises(Interrupted):
        put(store, logged(number))
    store.close()


ROUNDS, CUTS = 32, 3


def test_the_answer_to_each_request_of_a_commit_and_a_pass_is_lost_once(
    opensearch: str, names: Names, registry: Registry, rules: RuleSet, caplog: pytest.LogCaptureFixture
) -> None:
    """The n-th round adds an object, of which an earlier writer left something, and whose first events another has. The
    answers to three of its requests are lost, before they begin or within: the n-th, and those as far behind as there
    are rounds. Neither commit nor pass has to be begun again, wherever that is."""
    requests = []
    for number in range(ROUNDS):
        lost = dict.fromkeys(range(number, CUTS * ROUNDS, ROUNDS), 130 * (number % 2))
        begun(opensearch, names, number)
        with cutting(opensearch, lost.get) as proxy:
            store = opened(proxy.url, names, FIELDS, lease=1.0)
            ingest(store, [number], tries=1)
            done = judge(store, rules, registry, tries=1)
            store.close()
        assert done.errors == {}
        requests.append(proxy.answers)
    assert 60 < max(requests) <= CUTS * ROUNDS + 10, "the answers to the last requests were never lost"
    store = opened(opensearch, names, FIELDS)
    check(account(store), ROUNDS)
    store.close()
    told = [record.getMessage() for record in caplog.records if record.name == "siem.store"]
    assert len([line for line in told if "no answer" in line or "broke off" in line]) > ROUNDS
    assert all("test" in line for line in told)


def test_a_condition_that_held_when_the_answer_was_lost(opensearch: str, names: Names) -> None:
    """The second attempt meets what the first one wrote; what somebody else wrote is a conflict all the same."""
    index = names.state(States.STATE)
    direct = connected(opensearch)
    conflicts(direct, [Operation(index, "theirs", {"kind": "theirs"})])
    wanted = [Operation(index, "mine", {"kind": "mine"}, absent=True), Operation(index, "theirs", {}, absent=True)]
    with cutting(opensearch, lambda answer: 0 if answer == 0 else None) as proxy:
        connection = connected(proxy.url)
        assert conflicts(connection, wanted) == wanted[1:]
        (mine,) = documents(direct, index, ["mine"])
        assert mine is not None
        removal = Operation(index, "mine", None, (mine["_seq_no"], mine["_primary_term"]))
    with cutting(opensearch, lambda answer: 0 if answer == 0 else None) as proxy:
        assert conflicts(connected(proxy.url), [removal]) == []
    assert documents(direct, index, ["mine"]) == [None]


def test_a_search_that_is_over_does_not_fail_in_the_end(opensearch: str, names: Names) -> None:
    direct = connected(opensearch)
    index = names.state(States.STATE)
    conflicts(direct, [Operation(index, "one", {"kind": "one"})])
    with cutting(opensearch, lambda answer: 0 if answer == 3 else None) as proxy:  # refresh, open, search, close
        assert [hit["_id"] for hit in scan(connected(proxy.url), index)] == ["one"]
        assert proxy.cuts == 1


@pytest.fixture
def unopened(opensearch: str) -> Iterator[tuple[Any, str]]:
    """An index whose shard no node has opened, as after a start."""
    connection, name = connected(opensearch, patience=0.5), f"unopened{secrets.token_hex(4)}"
    settings = {"index.routing.allocation.enable": "none", "number_of_replicas": 0}
    connection.ask("PUT", f"/{name}", {"settings": settings}, wait_for_active_shards="0")
    yield connection, name
    connection.ask("DELETE", f"/{name}")


def test_what_no_node_has_opened_yet_is_not_taken_for_absent(
    unopened: tuple[Any, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The node answers with 200, and an error beside each document. Taken for absent, a ledger row would let a commit
    be void, and an event of another object be overwritten."""
    connection, name = unopened
    with pytest.raises(Unavailable, match=rf"{name} cannot be read: No shard available"):
        documents(connection, name, ["1"])
    (told,) = [record.getMessage() for record in caplog.records if record.name == "siem.store"]
    assert f"{name} cannot be read" in told
    assert told.endswith("trying again")


def test_a_closed_index_is_not_taken_for_empty(opensearch: str, unopened: tuple[Any, str]) -> None:
    connection, name = unopened
    connection.ask("PUT", f"/{name}/_settings", {"index.routing.allocation.enable": None})
    connection.ask("GET", f"/_cluster/health/{name}", wait_for_status="green")
    connection.ask("POST", f"/{name}/_close")
    with pytest.raises(Unavailable, match=rf"{name} cannot be read: closed; the index was closed: open it"):
        documents(connection, name, ["1"])
    assert documents(connection, f"{name}-never", ["1"]) == [None]
