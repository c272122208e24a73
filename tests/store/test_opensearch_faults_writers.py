"""Writers and judges that disturb each other: one sleeps too long, clocks differ, two want the same."""

from __future__ import annotations

import multiprocessing
import os
import random
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from faulty import account, check, ingest, judge, logged, opened, sleeping, written
from stores import connected, emptied, prepared, removed, shipped_fields

from siem.parsing import Registry
from siem.sigma import RuleSet
from siem.store.entries import Entry
from siem.store.opensearch.cluster.scanning import scan
from siem.store.opensearch.commit.claims import Contended, Writer, claimed, released
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import WRITING
from siem.store.opensearch.events import spool
from siem.store.opensearch.names import Names, States
from siem.testing.deliveries import NOW, delivery, put

pytestmark = pytest.mark.slow
FIELDS = shipped_fields()
PROCESSES = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module")
def names(opensearch: str) -> Iterator[Names]:
    names = Names(f"writers{secrets.token_hex(4)}-")
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


def asleep(url: str, names: Names, step: str, folder: Path | None, numbers: Sequence[int] = ()) -> BaseProcess:
    """A process that has stopped at a step."""
    process = PROCESSES.Process(target=sleeping, args=(url, names.prefix, step, folder, numbers))
    process.start()
    end = time.monotonic() + 60
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert process.is_alive(), f"it never came to {step}"
        assert time.monotonic() < end, f"it has not come to {step}"
        time.sleep(0.1)
    return process


def woken(process: BaseProcess) -> None:
    assert process.pid
    os.kill(process.pid, signal.SIGCONT)
    process.join(60)
    assert process.exitcode == 0


@pytest.mark.skipif(not Path("/proc").exists(), reason="tells by /proc that a process has stopped")
class TestSleepers:
    @pytest.mark.parametrize("step", ["claimed", "sent", "rejects", "entered"])
    def test_a_writer_that_wakes_after_others_did_its_work(
        self, step: str, opensearch: str, names: Names, registry: Registry, rules: RuleSet
    ) -> None:
        """It slept longer than a lease. Others took two of its four objects, and one that has events of both."""
        process = asleep(opensearch, names, step, None, range(4))
        store = opened(opensearch, names, FIELDS, lease=1.0)
        ingest(store, range(2, 6))
        ingest(store, [0])
        woken(process)
        judge(store, rules, registry)
        check(account(store), 6)
        store.close()

    @pytest.mark.parametrize("step", ["noted", "signals", "alerts"])
    def test_a_judge_that_wakes_after_others_judged(
        self, step: str, opensearch: str, names: Names, registry: Registry, rules: RuleSet, tmp_path: Path
    ) -> None:
        store = opened(opensearch, names, FIELDS, lease=1.0)
        ingest(store, range(3))
        process = asleep(opensearch, names, step, tmp_path)
        ingest(store, [3])
        judge(store, rules, registry)
        check(account(store), 4)
        woken(process)
        check(account(store), 4)
        store.close()


def test_a_writer_claims_with_another_token_each_time(opensearch: str, names: Names) -> None:
    """Its claim was taken over, so its entry was void. Somebody who applies that entry late must not take it for valid
    because the writer has claimed the object again."""
    tokens: list[str] = []

    def step(name: str) -> None:
        log = Log(connected(opensearch), names)
        (row,) = log.rows([logged(0)[0].source.id]).values()
        if name == "claimed":
            tokens.append(row.token)
        if name == "rejects" and len(tokens) == 1:
            released(log, row.token, [row.object])

    store = opened(opensearch, names, FIELDS, step=step)
    put(store, logged(0))
    store.close()
    assert len(tokens) == len(set(tokens)) == 2


class TestClaims:
    def test_who_waits_holds_nothing(self, opensearch: str, names: Names) -> None:
        """Else two writers that want the same objects wait for each other for ever."""
        x, y = (Entry(delivery(name)) for name in "xy")
        ids = [entry.delivery.source.id for entry in (x, y)]
        both = dict(zip(ids, (x, y), strict=True))
        logs = [Log(connected(opensearch), names) for _ in range(2)]
        one, other = [Writer(connected(opensearch), names, 30.0, {}) for _ in range(2)]
        claimed(logs[0], one, {ids[0]: x})
        claimed(logs[1], other, {ids[1]: y})
        with pytest.raises(Contended):
            claimed(logs[0], one, both)
        rows = claimed(logs[1], other, both).mine
        assert {(row.state, row.token) for row in rows.values()} == {(WRITING, other.token)}

    def test_two_commits_of_the_same_objects_in_other_orders(self, opensearch: str, names: Names) -> None:
        stores = [opened(opensearch, names, FIELDS) for _ in range(2)]
        objects = [logged(number) for number in range(40)]
        with ThreadPoolExecutor(2) as pool:
            ways = zip(stores, (objects, objects[::-1]), strict=True)
            one, other = [each.result(60) for each in [pool.submit(put, store, *way) for store, way in ways]]
        assert sorted(one, key=lambda row: row.key) == sorted(other, key=lambda row: row.key)
        check(account(stores[0]), 40, judged=False)


def test_clocks_that_differ_and_jump(
    opensearch: str,
    names: Names,
    registry: Registry,
    rules: RuleSet,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Leases go by the monotonic clock of whoever waits, turns by the log: the time of day decides nothing."""
    chance, right = random.Random(7), time.time  # noqa: S311
    monkeypatch.setattr(time, "time", lambda: right() + chance.choice((-3_600, 0, 3_600)))
    monkeypatch.setattr(spool, "BODY", 20_000)
    stores = [opened(opensearch, names, FIELDS, lease=1.5) for _ in range(2)]
    shares = [(range(8), NOW + timedelta(hours=1)), (range(4, 12), NOW - timedelta(hours=1))]

    def work(store: Any, numbers: range, now: Any) -> None:
        ingest(store, numbers, now=now)
        judge(store, rules, registry)

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(work, store, *share) for store, share in zip(stores, shares, strict=True)]:
            each.result(120)
    judge(stores[0], rules, registry)
    check(account(stores[0]), 12)
    assert [record.getMessage() for record in caplog.records if record.name == "siem.store"] == []
    left = scan(connected(opensearch), names.state(States.STATE), {"term": {"kind": "writer"}})
    assert list(left) == []
