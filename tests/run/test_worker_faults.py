"""What goes wrong around a worker, at its seams: the store has what the bucket has in the end, once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws import AWS
from worker_world import World, key_of, stopped, trail

from siem.store.contract import State
from siem.testing.proxy import Fault, Proxy, Request

pytestmark = pytest.mark.slow


@pytest.fixture
def world(aws: AWS, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(aws, tmp_path, f"f-{abs(hash(request.node.name)) % 10**9}")


@pytest.fixture
def proxy(aws_url: str) -> Iterator[Proxy]:
    with Proxy(aws_url).running() as proxy:
        yield proxy


class Times:
    """A fault for the first requests of a kind."""

    def __init__(self, **kinds: tuple[int, Fault]) -> None:
        self._kinds, self.seen = kinds, Counter[str]()

    def __call__(self, request: Request) -> Fault | None:
        for kind, (times, fault) in self._kinds.items():
            if request.what.startswith(kind):
                self.seen[kind] += 1
                return fault if self.seen[kind] <= times else None
        return None


def test_messages_that_come_twice_and_in_any_order_name_objects_once(world: World) -> None:
    keys = [world.put(number) for number in range(12)]
    for _ in range(3):
        world.tell(*reversed(keys))
        world.tell(keys[3], keys[3], keys[7])
    with world.working("--processes", "2"):
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 12}


def test_an_object_that_is_gone_is_told_in_the_ledger_and_its_message_goes(world: World) -> None:
    world.tell(world.put("there"), key_of("gone"))
    with world.working():
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 1, State.GONE: 1}
    assert "NoSuchKey" in next(row.reason or "" for row in world.rows() if row.state is State.GONE)
    assert world.aws.depth(world.dead) == 0


def test_an_object_that_may_not_be_read_ends_among_the_dead_letters_and_comes_back(world: World, proxy: Proxy) -> None:
    world.put("secret")
    world.put("other")
    proxy.faults = lambda request: Fault("AccessDenied", 403) if "secret" in request.what else None
    with world.working(url=proxy.url):
        world.drained()
        assert world.states() == {State.COMMITTED: 1, State.DENIED: 1}
        assert world.aws.depth(world.dead) == 1
        proxy.faults = lambda request: None
        world.tell(key_of("secret"))
        world.drained()
    world.check()


def test_throttling_costs_time_and_nothing_else(world: World, proxy: Proxy) -> None:
    for number in range(8):
        world.put(number)
    slow = Fault("SlowDown", 503)
    proxy.faults = Times(GET=(15, slow), ReceiveMessage=(4, Fault("ThrottlingException", 400)))
    with world.working(url=proxy.url, AWS_MAX_ATTEMPTS="1"):
        world.drained()
    world.check()
    assert world.aws.depth(world.dead) == 0


def test_an_object_that_s3_never_hands_over_holds_up_no_other(world: World, proxy: Proxy) -> None:
    world.put("poison")
    proxy.faults = lambda request: Fault("InternalError", 500) if "poison" in request.what else None
    with world.working(url=proxy.url, AWS_MAX_ATTEMPTS="1"):
        until = time.monotonic() + 60
        number = 0
        while not world.aws.depth(world.dead) and time.monotonic() < until:
            world.put(number := number + 1)
            time.sleep(0.5)
        world.drained()
    world.ids -= {"poison-0", "poison-1", "poison-2"}
    world.check()
    assert world.states()[State.FAILED] == 1
    assert world.states()[State.COMMITTED] == number


def test_answers_that_are_cut_or_lost_change_nothing(world: World, proxy: Proxy) -> None:
    for number in range(10):
        world.put(number)
    cut, lost = Fault(cut=True), Fault(lost=True)
    proxy.faults = Times(
        GET=(5, cut), DeleteMessageBatch=(2, lost), ReceiveMessage=(2, lost), ChangeMessageVisibilityBatch=(2, lost)
    )
    with world.working(url=proxy.url, AWS_MAX_ATTEMPTS="1"):
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 10}


def test_work_that_takes_longer_than_messages_are_hidden_is_done_once(world: World, proxy: Proxy) -> None:
    for number in range(3):
        world.put(number)
    proxy.faults = lambda request: Fault(wait=8) if request.what.startswith("GET") else None
    with world.working("--processes", "2", url=proxy.url):
        world.drained()
    world.check()
    assert len(world.lines("object")) == 3
    assert world.lines("known") == []


def test_a_store_that_is_away_for_long_loses_nothing_and_kills_no_message(world: World) -> None:
    for number in range(3):
        world.put(number)
    process = world.planned(away=15)
    for number in range(3, 6):
        world.put(number)
        time.sleep(1)
    world.drained()
    assert stopped(process) == 0
    world.check()
    assert world.aws.depth(world.dead) == 0
    assert world.lines("waits")
    assert world.lines("goes on")


def test_an_object_that_the_store_refuses_costs_itself(world: World) -> None:
    for name in ("a", "poison", "b", "c"):
        world.put(name)
    process = world.planned(refuses="poison", more={"SIEM_WORKER__SECONDS": "3"})
    world.drained()
    assert stopped(process) == 0
    world.ids -= {"poison-0", "poison-1", "poison-2"}
    world.check()
    assert world.states() == {State.COMMITTED: 3, State.FAILED: 1}
    assert "nobody can store" in next(row.reason or "" for row in world.rows() if row.state is State.FAILED)
    assert world.aws.depth(world.dead) == 1


def test_an_object_that_kills_whoever_reads_it_costs_itself_and_is_told(aws: AWS, tmp_path: Path) -> None:
    world = World(aws, tmp_path, "killer", tries=5)
    for name in (*range(10), "poison", *range(10, 20)):
        world.put(name)
    deaths = 0
    process = world.planned(kills="poison")
    until = time.monotonic() + 120
    while world.aws.depth(world.queue) and time.monotonic() < until:
        if process.poll() is not None:
            deaths, process = deaths + 1, world.planned(kills="poison")
        time.sleep(0.1)
    assert stopped(process) == 0
    assert deaths == 5  # as often as the queue hands it out
    world.ids -= {"poison-0", "poison-1", "poison-2"}
    world.check()
    assert world.states() == {State.COMMITTED: 20, State.FAILED: 1}
    assert world.aws.depth(world.dead) == 1


def test_a_record_that_cannot_be_read_costs_itself(world: World) -> None:
    body = b'{"Records":[{"eventVersion":"1.11","eventID":"x","eventTime":"never"},'
    body += b'{"eventVersion":"1.11","eventID":"good","eventTime":"2026-11-01T00:00:00Z"}]}'
    world.put("broken", body=body)
    world.ids.add("good")
    with world.working():
        world.drained()
    world.check()
    ((records, rejects),) = [(row.records, row.rejects) for row in world.rows()]
    assert (records, rejects) == (2, 1)


def test_a_clock_that_jumps_hides_no_version(aws: AWS, tmp_path: Path) -> None:
    world = World(aws, tmp_path, "jumps", versions=True)
    process = world.planned(jumps=True, seed=3)
    for number in range(12):
        world.put("same", body=trail(f"version {number}"))
        world.ids.add(f"version {number}")
        time.sleep(0.3)
    world.drained()
    assert stopped(process) == 0
    world.check()


def test_two_workers_on_one_queue_share_and_repeat_nothing(world: World) -> None:
    for number in range(60):
        world.put(number)
    for number in range(0, 60, 2):
        world.tell(key_of(number))
    with world.working(), world.working():
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 60}


def test_killed_at_every_step_a_worker_loses_nothing_and_stores_nothing_twice(aws: AWS, tmp_path: Path) -> None:
    world = World(aws, tmp_path, "steps", tries=100)
    for step in range(1, 26):
        world.put(step, f"{step - 1}-0")  # an event of the object before comes again
        process = world.planned(die_at=step, more={"SIEM_WORKER__SECONDS": "0"})
        assert process.wait(60) == -signal.SIGKILL, world.log.read_text()[-2_000:]
    with world.working():
        world.drained(patience=120)
    world.check()
    assert world.states()[State.COMMITTED] == 25


def test_a_process_that_dies_is_begun_again(aws: AWS, tmp_path: Path) -> None:
    world = World(aws, tmp_path, "restarts", tries=100)
    with world.working("--processes", "2"):
        for round_ in range(3):
            for number in range(6):
                world.put(f"{round_}-{number}")
            works = world.lines("works")
            os.kill(works[-1]["process"], signal.SIGKILL)
            until = time.monotonic() + 60
            while len(world.lines("works")) == len(works) and time.monotonic() < until:
                time.sleep(0.1)
        world.drained()
        assert len(world.lines("a process died")) == 3
    world.check()
    assert world.states() == {State.COMMITTED: 18}


def test_processes_end_when_the_first_is_killed(world: World) -> None:
    process = world.begun("--processes", "2")
    while len(world.lines("works")) < 2:
        time.sleep(0.1)
    world.put("late")
    process.kill()
    process.wait()
    until = time.monotonic() + 30
    while len(world.lines("ended")) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert len(world.lines("ended")) == 2
    with world.working():
        world.drained()
    world.check()
