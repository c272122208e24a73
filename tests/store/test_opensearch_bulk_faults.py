"""Bulk requests to nodes of their own, which have too much to do or are killed: counts are exact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opensearch import Node, Nodes, NoNode
from test_opensearch_bulk import EACH, bodies, connected, counted, made, sent

from siem.store.opensearch.events.bulk import Bulk

pytestmark = pytest.mark.slow
SINGLE = {"discovery.type": "single-node"}


@pytest.fixture
def nodes(tmp_path: Path, pytestconfig: pytest.Config) -> Iterator[Nodes]:
    (tmp_path / "run").mkdir()
    nodes = Nodes(tmp_path / "run", pytestconfig.rootpath / ".pytest_cache" / "opensearch")
    end = nodes.hold()
    yield nodes
    end()


def begun(nodes: Nodes, settings: dict[str, str]) -> Node:
    try:
        node = nodes.begin("one", SINGLE | settings, heap="512m")
        node.wait_for(1)
    except NoNode as why:
        pytest.fail(str(why), pytrace=False)
    return node


def test_a_node_with_too_much_to_do(nodes: Nodes) -> None:
    """Requests are refused as a whole (memory for one body of 54 KB, not for two), items one by one (queue): all are
    written in the end, none twice."""
    node = begun(nodes, {"thread_pool.write.queue_size": "1", "indexing_pressure.memory.limit": "90kb"})
    connection = connected(node.url)
    index = made(connection, "many", shards=8)
    bulk = Bulk(connection, most=8)
    found = sent(bulk, bodies(index, 100))
    stats: dict[str, Any]
    (stats,) = connection.ask("GET", "/_nodes/stats/thread_pool,indexing_pressure")["nodes"].values()
    assert stats["thread_pool"]["write"]["rejected"] > 0
    assert stats["indexing_pressure"]["memory"]["total"]["coordinating_rejections"] > 0
    assert found == {number: [] for number in range(100)}
    assert counted(connection, index) == 100 * EACH
    assert bulk.pace.falls > 0


def test_a_node_that_is_killed_and_comes_back(nodes: Nodes) -> None:
    node = begun(nodes, {})
    connection = connected(node.url, patience=180)
    index = made(connection, "kept")
    found, url = {}, node.url
    for number, outcomes in Bulk(connection).send(bodies(index, 200)):
        found[number] = outcomes
        if len(found) in (40, 120):
            node.kill()
            node.restart()
    assert node.url == url
    assert sorted(found) == list(range(200))
    assert {outcome.status for outcomes in found.values() for outcome in outcomes} <= {409}
    assert counted(connection, index) == 200 * EACH
