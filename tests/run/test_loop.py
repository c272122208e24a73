"""The loop of a process, in this one: a queue in memory, S3 of a real server, a real store that a test looks into."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from aws import AWS
from structlog.testing import CapturingLogger
from worker_world import key_of, trail

from siem.config import Batching, Settings, Worker
from siem.errors import Unavailable
from siem.parsing import Registry
from siem.run.ingest import ingest
from siem.run.worker.loop import Loop
from siem.run.worker.signs import Signs
from siem.store import open_folder
from siem.store.contract import State, Store
from siem.testing.flaky import FlakyStore
from siem.testing.queue import FakeQueue


class World:
    def __init__(self, aws: AWS, store: Store, registry: Registry, name: str) -> None:
        self.aws, self.store, self.registry = aws, store, registry
        self.name, self.queue, self.bucket = name, FakeQueue(tries=5), aws.bucket(name)
        self.signs = Signs()

    def put(self, *names: str) -> None:
        """Objects, and a message that names them all."""
        for name in names:
            self.aws.put(self.bucket, key_of(name), trail(name))
        self.queue.put(json.dumps({"s3Bucket": self.bucket, "s3ObjectKey": [key_of(name) for name in names]}))

    @contextmanager
    def looping(
        self, fault: Callable[[str, str], None] = lambda step, key: None, objects: int = 1_000
    ) -> Iterator[None]:
        settings = Settings(
            buckets=(self.bucket,), worker=Worker(seconds=0.1, wait=0), batching=Batching(objects=objects)
        )
        stopping = threading.Event()
        loop = Loop(
            [self.queue],  # type: ignore[list-item]
            FlakyStore(self.store, fault),
            self.registry,
            settings,
            self.signs,
            structlog.wrap_logger(CapturingLogger()),
            lambda: datetime.now(UTC),
            stopping,
        )
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(30)
            assert not thread.is_alive()

    def drained(self) -> None:
        until = time.monotonic() + 60
        while self.queue.depth:
            assert time.monotonic() < until, self.signs.snapshot()
            time.sleep(0.02)

    @property
    def stored(self) -> int:
        return sum(row.events - row.duplicates for row in self.store.ledger().values())


@pytest.fixture
def world(aws: AWS, tmp_path: Path, registry: Registry, request: pytest.FixtureRequest) -> Iterator[World]:
    store = open_folder(tmp_path / "store")
    yield World(aws, store, registry, f"l-{abs(hash(request.node.name)) % 10**9}")
    store.close()


def test_no_message_goes_before_its_objects_are_committed(world: World) -> None:
    world.put("a", "b")
    world.put("c")
    seen: list[tuple[int, int]] = []

    def look(step: str, key: str) -> None:
        seen.append((world.queue.depth, world.stored))

    with world.looping(look):
        world.drained()
    for depth, stored in seen:
        assert stored >= {2: 0, 1: 1, 0: 3}[depth]  # at least what the messages named that are gone
    assert seen[0] == (2, 0)
    assert world.stored == 3


def test_a_message_of_many_objects_goes_with_the_last_of_its_commits(world: World) -> None:
    world.put(*map(str, range(7)))
    with world.looping(objects=2):
        world.drained()
    assert world.stored == 7
    assert world.signs.snapshot().counts["messages_deleted", ""] == 1


def test_a_store_that_is_away_is_waited_for_and_nothing_is_received_meanwhile(world: World) -> None:
    away = threading.Event()
    away.set()

    def fault(step: str, key: str) -> None:
        if away.is_set():
            raise Unavailable("away")

    world.put("a")
    with world.looping(fault):
        until = time.monotonic() + 30
        while not world.signs.snapshot().waits and time.monotonic() < until:
            time.sleep(0.02)
        assert world.signs.snapshot().waits == {"the store": "away"}
        time.sleep(0.5)
        world.put("b")
        time.sleep(0.5)
        assert world.signs.snapshot().counts["messages_received", ""] == 1
        away.clear()
        world.drained()
    assert world.stored == 2
    assert world.signs.snapshot().waits == {}


def test_what_is_written_anew_while_its_commit_waits_is_no_secret_to_ingest(world: World) -> None:
    away = threading.Event()
    away.set()

    def fault(step: str, key: str) -> None:
        if away.is_set():
            raise Unavailable("away")

    world.put("a")
    with world.looping(fault):
        until = time.monotonic() + 30
        while not world.signs.snapshot().waits and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(1)  # S3 knows whole seconds
        world.aws.put(world.bucket, key_of("a"), trail("b"))  # of the same size; and nobody is told
        time.sleep(1)
        away.clear()
        world.drained()
    settings = Settings(store=world.name)
    done = ingest([f"s3://{world.bucket}"], world.store, world.registry, settings, lambda: datetime.now(UTC))
    assert (done.objects, len(done.changed)) == (1, 1)
    assert world.stored == 2


def test_a_commit_whose_answer_is_lost_is_made_once(world: World) -> None:
    lost = iter([True])

    def fault(step: str, key: str) -> None:
        if step == "committed" and next(lost, False):
            raise Unavailable("nobody heard")

    world.put("a")
    with world.looping(fault):
        world.drained()
    assert [(row.state, row.events, row.duplicates) for row in world.store.ledger().values()] == [
        (State.COMMITTED, 1, 0)
    ]


def test_a_loop_that_stops_while_the_store_is_away_gives_everything_back(world: World) -> None:
    def fault(step: str, key: str) -> None:
        raise Unavailable("away")

    world.put("a")
    with world.looping(fault):
        time.sleep(1)
    assert len(world.queue.receive(10)) == 1
