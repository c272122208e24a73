"""Nodes that are killed, stand still, or have too much to do: nothing is lost, nothing twice, and the log says why."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty import account, check, ingest, judge, opened, written
from opensearch import Node, Nodes, NoNode, asked
from stores import prepared, shipped_fields

from siem.parsing import Registry
from siem.sigma import RuleSet
from siem.store.opensearch.events import spool
from siem.store.opensearch.names import Names
from siem.store.opensearch.search import searching
from siem.testing.deliveries import TRAIL

pytestmark = pytest.mark.slow
FIELDS = {TRAIL: shipped_fields()[TRAIL]}
OBJECTS = 24

SMALL = {
    "discovery.type": "single-node",
    "thread_pool.write.queue_size": "2",
    "thread_pool.write.size": "1",
    "indexing_pressure.memory.limit": "400kb",
}
"""Takes in a few bodies of these tests at a time, and what a mark writes; no more than two requests wait."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Node]:
    """A node of its own, with little room."""
    nodes = Nodes(tmp_path_factory.mktemp("faults"), pytestconfig.rootpath / ".pytest_cache" / "opensearch")
    end = nodes.hold()
    try:
        node = nodes.begin("small", SMALL, heap="512m")
        node.wait_for(1)
    except NoNode as why:
        pytest.fail(str(why), pytrace=False)
    yield node
    end()


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return written(tmp_path)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several bodies in a commit, several pages in a search."""
    monkeypatch.setattr(spool, "BODY", 40_000)
    monkeypatch.setattr(searching, "MOST", 100)


class Steps:
    """Does something at a step, the n-th time that it comes."""

    def __init__(self, **at: tuple[int, Callable[[], Any]]) -> None:
        self._at, self.done = at, 0
        self._seen: dict[str, int] = {}

    def __call__(self, name: str) -> None:
        self._seen[name] = self._seen.get(name, 0) + 1
        number, action = self._at.get(name, (0, None))
        if action is not None and self._seen[name] == number:
            self.done += 1
            action()


def crash(node: Node) -> None:
    node.kill()
    node.restart()


def later(seconds: float, action: Callable[[], Any]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "siem.store"]


def test_a_node_with_too_much_to_do(
    node: Node, registry: Registry, rules: RuleSet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests are refused whole (memory) or in part (queue), of several writers at once."""
    monkeypatch.setattr(spool, "BODY", 120_000)
    names = Names("busy-")
    prepared(node.url, names, FIELDS)
    stores = [opened(node.url, names, FIELDS, patience=120) for _ in range(3)]
    shares = (range(12), range(6, 18), range(12, 24))
    writers = [
        threading.Thread(target=ingest, args=(store, share, 12)) for store, share in zip(stores, shares, strict=True)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    judge(stores[0], rules, registry)
    check(account(stores[0]), OBJECTS)
    (stats,) = asked(node.url, "GET", "/_nodes/stats/thread_pool,indexing_pressure")["nodes"].values()
    assert stats["indexing_pressure"]["memory"]["total"]["coordinating_rejections"] > 0
    assert any("rejected execution" in line for line in told(caplog))
    for store in stores:
        store.close()


def test_a_node_that_is_killed_while_it_takes_in_and_while_it_is_asked(
    node: Node, registry: Registry, rules: RuleSet, caplog: pytest.LogCaptureFixture
) -> None:
    """Killed between two bodies, at some moment, in a search, and in a mark. The writer goes on by itself."""
    names, url = Names("killed-"), node.url
    prepared(url, names, FIELDS)
    steps = Steps(sent=(7, lambda: crash(node)), signals=(1, lambda: crash(node)))
    store = opened(url, names, FIELDS, patience=120, step=steps)
    ingest(store, range(12), tries=1)
    moment = later(0.4, lambda: crash(node))
    ingest(store, range(12, OBJECTS), tries=1)
    moment.join()
    check(account(store), OBJECTS, judged=False)
    moment = later(0.1, lambda: crash(node))
    judge(store, rules, registry, tries=3)
    moment.join()
    assert steps.done == 2
    check(account(store), OBJECTS)
    store.close()
    lines = told(caplog)
    assert any("no answer" in line and line.endswith("is it running?; trying again") for line in lines)
    assert any("answers again, after" in line for line in lines)
    assert len(lines) < 40


def test_a_node_that_stands_still(
    node: Node, registry: Registry, rules: RuleSet, caplog: pytest.LogCaptureFixture
) -> None:
    """For 15 seconds, of which a request waits 3: what is sent again meets what was carried out after all."""
    names = Names("still-")
    prepared(node.url, names, FIELDS)

    def still() -> None:
        os.kill(node.pid, signal.SIGSTOP)
        later(15, lambda: os.kill(node.pid, signal.SIGCONT))

    steps = Steps(sent=(4, still), noted=(1, still))
    store = opened(node.url, names, FIELDS, timeout=3, patience=120, step=steps)
    ingest(store, range(8), tries=1)
    judge(store, rules, registry, tries=1)
    assert steps.done == 2
    check(account(store), 8)
    store.close()
    lines = told(caplog)
    assert len([line for line in lines if "no answer" in line]) >= 2
    assert any("answers again, after 1" in line for line in lines)


def test_one_of_three_nodes_is_lost(
    cluster: list[Node], registry: Registry, rules: RuleSet, caplog: pytest.LogCaptureFixture
) -> None:
    """First one that the client does not know, while it takes in; then, when that is back, the one that it asks first,
    while events are written and while they are judged."""
    names, (first, second, third) = Names("lost-"), cluster
    prepared(first.url, names, FIELDS)
    green(first)
    steps = Steps(sent=(3, third.kill))
    store = opened([first.url, second.url], names, FIELDS, patience=120, timeout=10, step=steps)
    ingest(store, range(8), tries=1)
    assert steps.done == 1
    third.restart()
    third.wait_for(3)
    green(second)
    more = Steps(sent=(3, first.kill))
    store = opened([first.url, second.url], names, FIELDS, patience=120, timeout=10, step=more)
    ingest(store, range(8, 16), tries=1)
    judge(store, rules, registry)
    assert more.done == 1
    check(account(store), 16)
    store.close()


def green(node: Node) -> None:
    """Every shard has its copy."""
    end = time.monotonic() + 90
    while asked(node.url, "GET", "/_cluster/health?wait_for_status=green&timeout=5s").get("status") != "green":
        assert time.monotonic() < end, "the cluster does not come into good health"
