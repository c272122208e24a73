"""A process that is killed at any moment leaves all of a commit or nothing, and the work begun again ends the same."""

from __future__ import annotations

import multiprocessing
import random
import secrets
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path, PurePath
from typing import Any

import pytest
import workload
from stores import removed
from workload import Cluster, Folder, Place

from siem.store.opensearch.names import Names
from siem.testing.deliveries import TRAIL, found

pytestmark = pytest.mark.slow

KILLED = -9
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["siem.store.embedded", "siem.testing.deliveries"])


def begun(target: Callable[..., None], *given: object) -> BaseProcess:
    process = PROCESSES.Process(target=target, args=given)
    process.start()
    return process


def ended(target: Callable[..., None], *given: object) -> int | None:
    """The exit code of a process of its own."""
    process = begun(target, *given)
    process.join(60)
    return process.exitcode


@pytest.fixture(scope="module", params=["embedded", "opensearch"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if request.param == "embedded":
        yield Folder(tmp_path_factory.mktemp("stores"))
        return
    url, prefix = request.getfixturevalue("opensearch"), f"killed{secrets.token_hex(4)}-"
    yield Cluster(url, prefix)
    removed(url, Names(prefix))


def seen(place: Place) -> dict[str, Any]:
    store = place.opened()
    try:
        return workload.state(store)
    finally:
        store.close()


def is_whole(state: dict[str, Any], states: list[dict[str, Any]], place: Place) -> bool:
    """The state is one between commits. On OpenSearch signals, alerts and actions may be seen before the marks are
    (docs/decisions/0014), and notices before the news that they were made of are gone."""
    if isinstance(place, Folder):
        return state in states
    early: dict[str, Any] = {"signals": [], "alerts": [], "outbox": []}
    return any(state | early == one | early for one in states)


@pytest.fixture(scope="module")
def undisturbed(place: Place) -> list[dict[str, Any]]:
    """What a reader sees before any commit and after each."""
    store = place.at("undisturbed").opened()
    states = [workload.state(store)]
    states += [workload.state(store) for _ in workload.commits(store)]
    store.close()
    return states


def test_the_undisturbed_run_is_as_it_should_be(undisturbed: list[dict[str, Any]]) -> None:
    rows = undisturbed[-1]["ledger"].values()
    counts = {row.key: (row.records, row.events, row.rejects, row.skipped, row.duplicates) for row in rows}
    assert counts == {
        "a": (3 + 3 + 1, 3 + 2, 1, 1, 1),
        "b": (60, 60, 0, 0, 0),
        "big": (125 + 250 + 1, 125 + 250, 1, 0, 125 + 3),
        "same": (60, 60, 0, 0, 60),
    }
    assert len(undisturbed[-1]["events"]) == 250 + 1 + 60
    assert (
        len(undisturbed[-1]["pending"]) == 2
    )  # the replayed one; neither the judged nor the one with duplicates alone


def test_killed_at_a_step_and_begun_again(place: Place, undisturbed: list[dict[str, Any]]) -> None:
    one = place.at("step")
    at, finished = 0, False
    while not finished:
        at += 1 if isinstance(place, Folder) else 2  # every step of OpenSearch takes three minutes
        one.empty()
        code = ended(workload.work, one, at)
        assert code in (KILLED, 0)
        finished = code == 0
        assert is_whole(seen(one), undisturbed, one), f"killed at step {at}: a commit is visible in part"
        assert ended(workload.work, one) == 0
        assert seen(one) == undisturbed[-1], f"killed at step {at}: not the same in the end"
    assert at > 20, "the work has fewer steps than it should"


def test_killed_at_random_moments(place: Place, undisturbed: list[dict[str, Any]]) -> None:
    chance = random.Random(7)  # noqa: S311
    one = place.at("random")
    for _ in range(12):
        process = begun(workload.work, one)
        time.sleep(chance.uniform(0, 0.15) if isinstance(place, Folder) else chance.uniform(1, 4))
        process.kill()
        process.join(60)
        assert is_whole(seen(one), undisturbed, one)
    assert ended(workload.work, one) == 0
    assert seen(one) == undisturbed[-1]


def test_retention_killed_at_a_step_and_begun_again(place: Place) -> None:
    one = place.at("retention")
    at, code = 0, KILLED
    while code == KILLED:
        at += 1
        one.empty()
        code = ended(workload.retention, one, at)
        assert ended(workload.retention, one) == 0
        state = seen(one)
        assert {row.key: row.state.value for row in state["ledger"].values()} == {"old": "expired", "both": "committed"}
        assert [hit.event_id for hit in state["events"]] == ["b2", "b3"]
        assert (state["rejects"], len(state["pending"])) == ([], 1)
        assert sum(sums.events for sums in state["stats"]) == 5
    assert code == 0
    assert at > 5


def test_compaction_killed_at_a_step_and_begun_again(tmp_path: Path) -> None:
    one = Folder(tmp_path / "compaction")
    at, code = 0, KILLED
    while code == KILLED:
        at += 1
        one.empty()
        assert ended(workload.small, one) == 0
        before = seen(one)
        code = ended(workload.compaction, one, at)
        assert seen(one) == before, f"killed at step {at}: readers see something else"
        assert ended(workload.compaction, one) == 0
        assert seen(one) == before, f"killed at step {at}: not the same in the end"
        assert days(one) == {"day=2026-11-01": 1, "day=2026-11-02": 1}
    assert code == 0
    assert at > 8


def days(place: Folder) -> dict[str, int]:
    """Files that the ledger names, by day."""
    with closing(sqlite3.connect(place.path / "ledger.sqlite")) as connection:
        return dict(Counter(PurePath(name).parts[-2] for (name,) in connection.execute("SELECT name FROM files")))


def test_reparse_killed_at_a_step_and_begun_again(place: Place) -> None:
    one, whole = place.at("reparse"), place.at("reparse undisturbed")
    assert ended(workload.small, whole) == 0
    store = whole.opened()
    states = [workload.state(store)] + [workload.state(store) for _ in workload.reparsed(store)]
    store.close()
    identities = {hit.event_id for hit in states[0]["events"]} & {hit.event_id for hit in states[-1]["events"]}
    assert len(identities) == 2 * workload.FEWEST + 1
    at, code = 0, KILLED
    while code == KILLED:
        at += 1 if isinstance(place, Folder) else 7
        one.empty()
        assert ended(workload.small, one) == 0
        code = ended(workload.reparsing, one, at)
        state = seen(one)
        assert identities <= {hit.event_id for hit in state["events"]}, f"killed at step {at}: an event is missed"
        assert isinstance(place, Cluster) or state in states, f"killed at step {at}: a commit is visible in part"
        assert ended(workload.reparsing, one) == 0
        assert seen(one) == states[-1], f"killed at step {at}: not the same in the end"
    assert code == 0
    assert at > 20


def test_two_processes_at_once_do_the_same_as_one_after_the_other(place: Place) -> None:
    shares = [range(45), range(15, 60)]
    for part in shares:
        assert ended(workload.share, place.at("in turn"), part) == 0
    both = [begun(workload.share, place.at("at once"), part) for part in shares]
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert shared(place.at("at once")) == shared(place.at("in turn"))


def shared(place: Place) -> tuple[object, ...]:
    """What does not depend on who came first: of a repeated event, either object may be the one that has it."""
    store = place.opened()
    rows = sorted(store.ledger().values(), key=lambda row: row.key)
    events = [{**(hit.document or {}), "siem.object": ""} for hit in found(store, TRAIL, documents=True)]
    rejects = sorted((stored.key, stored.reject.ordinal) for stored in store.rejects())
    store.close()
    duplicates = sum(row.duplicates for row in rows)
    assert len(events) == len({event["event.id"] for event in events}) == sum(row.events for row in rows) - duplicates
    return [replace(row, duplicates=0) for row in rows], duplicates, events, rejects
