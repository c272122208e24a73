"""All faults at once, at random from a printed seed: a minute of it, or as long as `--soak SECONDS` says."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aws import AWS
from worker_world import World, key_of, stopped, trail

from siem.aws import Queue
from siem.config import Settings
from siem.run.dead_letters import dead_letters_of, listed, redriven
from siem.store.contract import State
from siem.testing.proxy import Fault, Proxy, Request

pytestmark = pytest.mark.slow

FAULTS = (
    *(Fault("SlowDown", 503), Fault("InternalError", 500), Fault(cut=True), Fault(lost=True)),
    *(Fault("ThrottlingException", 400), Fault(wait=0.5), Fault(wait=4)),
)


class Soak:
    """A world in which everything happens; `act` is one thing."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.random, self.number = world, chance, 0
        self.keys: list[str] = []
        self.ids = ["none"]

    def act(self) -> None:
        act = self.random.choices(
            (self.put, self.put_many, self.overwrite, self.repeat, self.forge, self.babble, self.vanish),
            (8, 2, 3, 4, 1, 1, 1),
        )[0]
        act()

    def put(self) -> None:
        self.number += 1
        again = self.random.choices(self.ids, k=self.random.randint(0, 2)) if len(self.ids) > 1 else []
        self.keys.append(self.world.put(self.number, *again, events=self.random.randint(1, 200)))
        self.ids.append(f"{self.number}-0")

    def put_many(self) -> None:
        for _ in range(self.random.randint(2, 10)):
            self.put()

    def overwrite(self) -> None:
        """Under a known key: the version before is still to be had."""
        if self.keys:
            self.number += 1
            body = trail(*(ids := [f"{self.number}-{at}" for at in range(self.random.randint(1, 20))]))
            self.world.aws.put(self.world.bucket, self.random.choice(self.keys), body)
            self.world.ids.update(ids)

    def repeat(self) -> None:
        if self.keys:
            self.world.tell(*self.random.choices(self.keys, k=self.random.randint(1, 5)))

    def forge(self) -> None:
        self.world.tell(*self.random.choices(self.keys or ["a"], k=2), bucket="somebody-elses-bucket")

    def babble(self) -> None:
        self.world.send(self.random.choice(["[" * 5_000, "{}", "please read s3://bucket/key", '{"Records":[1]}']))

    def vanish(self) -> None:
        self.number += 1
        self.world.tell(key_of(f"gone-{self.number}"))

    def fault(self, request: Request) -> Fault | None:
        return self.random.choice(FAULTS) if self.random.random() < 0.06 else None


def bring_back_the_innocent(world: World) -> None:
    """Messages that were received too often, as whoever had them was killed."""
    dead = dead_letters_of(world.queue)
    ids = [letter.id for letter in listed(dead, Settings(buckets=(world.bucket,)), None) if not letter.reasons]
    if ids:
        redriven(dead, Queue(world.queue), ids)
        world.drained(patience=240)


@contextmanager
def killed_now_and_then(soak: Soak, url: str) -> Iterator[None]:
    """Workers of every kind over the proxy, each killed and begun again."""
    over = threading.Event()

    def begun(number: int) -> subprocess.Popen[bytes]:
        if number == 0:
            return soak.world.begun("--processes", "2", url=url)
        plan = {"chance": 0.01, "seed": soak.random.randrange(1 << 30), "jumps": number == 1}
        process: subprocess.Popen[bytes] = soak.world.planned(url=url, **plan)
        return process

    def look_after() -> None:
        living = [begun(number) for number in range(3)]
        while not over.wait(0.5):
            for number, process in enumerate(living):
                if process.poll() is None and soak.random.random() < 0.05:
                    process.kill()
                if process.poll() is not None:
                    living[number] = begun(number)
        for process in living:
            stopped(process)

    thread = threading.Thread(target=look_after)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_whatever_happens_all_is_stored_once_and_every_failure_is_told(
    aws: AWS, tmp_path: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = pytestconfig.getoption("--seed") or random.randrange(1 << 30)  # noqa: S311
    seconds = pytestconfig.getoption("--soak")
    with capsys.disabled():
        print(f"\nsoak: --seed {seed} --soak {seconds}")  # noqa: T201
    world = World(aws, tmp_path, f"soak-{seed}", tries=12, versions=True)
    soak = Soak(world, random.Random(seed))  # noqa: S311
    with Proxy(aws.url, soak.fault).running() as proxy, killed_now_and_then(soak, proxy.url):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            soak.act()
            time.sleep(soak.random.uniform(0, 0.6))
    with world.working("--processes", "2"):
        world.drained(patience=240)
        bring_back_the_innocent(world)
    world.check()
    states = world.states()
    assert set(states) <= {State.COMMITTED, State.GONE, State.REFUSED}
    with capsys.disabled():
        print(f"soak: {len(world.ids):,} events, {dict(states)}, {len(world.lines('works'))} processes")  # noqa: T201
