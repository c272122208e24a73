"""Schedulers as processes of their own on one store, killed and put to sleep: what they come to is what one
undisturbed pass comes to."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
import structlog
from stores import removed
from structlog.testing import LogCapture
from workload import Cluster, Folder, Place

from siem.config import load_settings
from siem.detect import passes
from siem.parsing.batch import Parsed
from siem.run.content import load_content
from siem.run.scheduler import OURS, Scheduler
from siem.store.contract import Alert, Judged, Settle, Store
from siem.store.opensearch.names import Names
from siem.testing.deliveries import START, TRAIL, delivery, put, trail

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
LEASE = 4.0
KILLED = -9
SHARES = (range(12), range(12, 20))
RULES = """\
title: A name
name: named
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventID: 'e*'}
  condition: selection
custom: {group: [user.name]}
---
title: Many names
name: many
correlation:
  type: event_count
  rules: named
  group-by: [user.name]
  timespan: 1h
  condition: {gte: 4}
---
title: Other names
name: others
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventID: 'f*'}
  condition: selection
custom: {group: [user.name]}
"""


class Slow:
    """A store whose marks take a while."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        time.sleep(0.2)
        return self._store.mark(judged, settle)


def scheduling(place: Place, content: Path) -> None:
    """Until SIGTERM. Every object is a part of a pass."""
    passes.TOGETHER = 1
    settings = load_settings(content=content, scheduler={"detect": 0.5})

    def opened(job: str) -> Any:
        (content.parent / str(os.getpid())).touch()  # it is there
        return Slow(place.opened())

    silent = structlog.wrap_logger(None, processors=[LogCapture()])
    one = Scheduler(settings, opened, silent, lease=LEASE)
    signal.signal(signal.SIGTERM, lambda *_: one.end())
    one.run()


def taken_in(store: Store, numbers: range) -> None:
    """Objects of two users, whose events follow each other for some time."""
    objects = []
    for number in numbers:
        of, more = delivery(f"object {number}"), {"user.name": f"user {number % 2}"}
        events = trail(of, *[f"{kind}{number}" for kind in "efg"], start=START + timedelta(minutes=number), more=more)
        objects.append((of, Parsed(TRAIL, events)))
    put(store, *objects)


class World:
    """A store that is looked at while schedulers work on it."""

    def __init__(self, place: Place, content: Path) -> None:
        self.place, self.content, self.store = place, content, place.opened()
        self.running: list[BaseProcess] = []

    def begin_two(self) -> tuple[BaseProcess, BaseProcess]:
        """The first has the lease, the second waits."""
        first = self.begin()
        wait(lambda: self.is_of(first))
        second = self.begin()
        wait((self.content.parent / str(second.pid)).exists)
        return first, second

    def begin(self) -> BaseProcess:
        process = PROCESSES.Process(target=scheduling, args=(self.place, self.content))
        process.start()
        self.running.append(process)
        return process

    def judged(self) -> int:
        """Objects that passes of all rules have judged."""
        mark = self.store.progress().marks.get(TRAIL, {}).get(passes.ALL, 0)
        return len(self.store.ledger()) - len(self.store.pending(TRAIL, mark))

    def all_judged(self) -> bool:
        return self.judged() == len(self.store.ledger())

    def holder(self) -> str:
        lease = self.store.lease(OURS)
        return lease.holder if lease else ""

    def is_of(self, process: BaseProcess) -> bool:
        return f":{process.pid}:" in self.holder()

    def end(self, *processes: BaseProcess) -> list[int | None]:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(20)
        return [process.exitcode for process in processes]

    def close(self) -> None:
        for process in self.running:
            if process.is_alive() and process.pid:
                os.kill(process.pid, signal.SIGCONT)
                process.kill()
                process.join(20)
        self.store.close()


def wait(known: Callable[[], bool], seconds: float = 60) -> float:
    """Until that is so; how long it took."""
    begun = time.monotonic()
    while not known():
        assert time.monotonic() - begun < seconds
        time.sleep(0.02)
    return time.monotonic() - begun


@pytest.fixture
def content(tmp_path: Path) -> Path:
    (tmp_path / "content" / "detections").mkdir(parents=True)
    (tmp_path / "content" / "detections" / "names.yml").write_text(RULES)
    return tmp_path / "content"


@pytest.fixture
def undisturbed(tmp_path: Path, content: Path) -> list[Alert]:
    """The alerts of one pass over all."""
    store, used = Folder(tmp_path / "undisturbed").opened(), load_content(content, timedelta(days=1), START)
    for share in SHARES:
        taken_in(store, share)
    passes.detect(store, used.rules, used.sources, everything=True)
    found = store.alerts()
    store.close()
    assert len({(alert.rule_id, *alert.group.values()) for alert in found}) >= 4
    return by_id(found)


def by_id(alerts: list[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: alert.id)


@pytest.fixture(params=["embedded", "opensearch"])
def world(request: pytest.FixtureRequest, tmp_path: Path, content: Path) -> Iterator[World]:
    prefix = f"schedulers{secrets.token_hex(4)}-"
    url = request.getfixturevalue("opensearch") if request.param == "opensearch" else ""
    world = World(Cluster(url, prefix, lease=30) if url else Folder(tmp_path / "store"), content)
    yield world
    world.close()
    if url:
        removed(url, Names(prefix))


def test_one_is_killed_in_a_pass_and_the_other_that_waits_takes_over(world: World, undisturbed: list[Alert]) -> None:
    first, second = world.begin_two()
    taken_in(world.store, SHARES[0])
    wait(lambda: world.judged() > 1)
    assert world.is_of(first)
    first.kill()
    first.join()
    assert not world.all_judged()
    assert wait(lambda: world.is_of(second)) < 60
    taken_in(world.store, SHARES[1])
    wait(world.all_judged)
    assert world.end(second) == [0]
    assert by_id(world.store.alerts()) == undisturbed
    assert (first.exitcode, world.holder()) == (KILLED, "")
    assert sum(done.objects for done in world.store.passes(99) if f":{second.pid}:" in done.holder) > len(SHARES[1])


def test_one_sleeps_for_longer_than_the_lease_and_waits_when_it_wakes(world: World, undisturbed: list[Alert]) -> None:
    first, second = world.begin_two()
    taken_in(world.store, SHARES[0])
    wait(lambda: world.judged() > 1)
    assert first.pid
    os.kill(first.pid, signal.SIGSTOP)
    before = world.judged()
    assert not world.all_judged()
    wait(lambda: world.judged() > before)
    assert world.is_of(second)
    os.kill(first.pid, signal.SIGCONT)  # in the middle of a part, with what it knew
    taken_in(world.store, SHARES[1])
    wait(world.all_judged)
    assert by_id(world.store.alerts()) == undisturbed
    assert world.end(second) == [0]
    wait(lambda: world.is_of(first))
    assert world.end(first) == [0]
    assert world.holder() == ""
    assert by_id(world.store.alerts()) == undisturbed
