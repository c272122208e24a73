"""A worker over a cluster: killed, alone or beside others, and while the cluster is away."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aws import AWS
from stores import connected, removed, shipped_fields
from worker_world import World

from siem.config import load_settings
from siem.store import open_store
from siem.store.contract import State, Store
from siem.store.opensearch.names import Names
from siem.testing.proxy import Fault, Proxy

pytestmark = pytest.mark.slow


@dataclass
class Clustered(World):
    """A world whose store is on a cluster."""

    url: str = ""
    prefix: str = ""

    @contextmanager
    def opened(self) -> Iterator[Store]:
        settings = load_settings(store=self.url, opensearch={"prefix": self.prefix})
        with closing(open_store(settings, shipped_fields())) as store:
            yield store


@pytest.fixture
def proxy(opensearch: str) -> Iterator[Proxy]:
    """Before the cluster."""
    with Proxy(opensearch).running() as proxy:
        yield proxy


@pytest.fixture
def world(
    aws: AWS, tmp_path: Path, opensearch: str, proxy: Proxy, request: pytest.FixtureRequest
) -> Iterator[Clustered]:
    name = f"o-{abs(hash(request.node.name)) % 10**9}"
    cluster = {
        "SIEM_STORE": proxy.url,
        "SIEM_OPENSEARCH__PREFIX": f"{name}-",
        "SIEM_OPENSEARCH__PATIENCE": "2",
    }
    yield Clustered(aws, tmp_path, name, tries=100, cluster=cluster, url=opensearch, prefix=f"{name}-")
    removed(opensearch, Names(f"{name}-"))
    connected(opensearch).close()


def test_a_cluster_that_is_away_and_comes_back_has_everything_once(world: Clustered, proxy: Proxy) -> None:
    for number in range(10):
        world.put(number)
    with world.working():
        time.sleep(1)
        proxy.faults = lambda request: Fault("unavailable", 503)
        for number in range(10, 20):
            world.put(number)
        time.sleep(10)
        proxy.faults = lambda request: None
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 20}
    assert world.aws.depth(world.dead) == 0


def test_processes_that_are_killed_over_a_cluster_lose_nothing_and_repeat_nothing(world: Clustered) -> None:
    with world.working("--processes", "2"):
        for round_ in range(3):
            for number in range(8):
                world.put(f"{round_}-{number}", f"{round_}-{number - 1}-0" if number else "first")
            time.sleep(1.5)
            for pid in {line["process"] for line in world.lines("works")}:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
        world.drained(patience=240)  # a claim of one that was killed is believed for 30 s
    world.check()
    assert world.states() == {State.COMMITTED: 24}
