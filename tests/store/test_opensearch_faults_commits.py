"""A node that is killed while objects are parsed again, and while people act."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
import workload
from opensearch import Node, Nodes, NoNode
from stores import connected, emptied, prepared, shipped_fields

from siem.store.contract import Judged, Store
from siem.store.handling import ACKNOWLEDGED, Action, Verb
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
from siem.testing.deliveries import FLOW, NOW, TRAIL, as_it_stands, found
from siem.testing.judging_contract import ALERT, SIGNAL, Settled

pytestmark = pytest.mark.slow

NAMES, FIELDS = Names("killed-"), shipped_fields()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Node]:
    """A node of its own."""
    nodes = Nodes(tmp_path_factory.mktemp("commits"), pytestconfig.rootpath / ".pytest_cache" / "opensearch")
    end = nodes.hold()
    try:
        node = nodes.begin("killed", {}, heap="512m")
        node.wait_for(1)
    except NoNode as why:
        pytest.fail(str(why), pytrace=False)
    prepared(node.url, NAMES, FIELDS)
    yield node
    end()


def opened(node: Node, *steps: str) -> OpenSearchStore:
    """A store whose node is killed, and started again, when it comes to each of these steps."""
    left = list(steps)

    def step(name: str) -> None:
        if name in left:
            left.remove(name)
            node.kill()
            node.restart()

    return OpenSearchStore(connected(node.url, patience=120), NAMES, FIELDS, lease=30, step=step)


def mended(node: Node, *steps: str) -> dict[str, object]:
    store = opened(node, *steps)
    workload.stored(store)
    turn = store.progress().turn
    store.mark(Judged(marks={("rule", dataset): turn for dataset in (TRAIL, FLOW)}), as_it_stands)
    workload.mended(store)
    state = workload.state(store)
    assert_agrees(store)
    store.close()
    emptied(node.url, NAMES)
    return state


def assert_agrees(store: Store) -> None:
    hits = Counter(hit.object for dataset in (TRAIL, FLOW) for hit in found(store, dataset))
    for id_, row in store.ledger().items():
        assert hits[id_] == row.events - row.duplicates, row.key
    assert [one for one in store.held() if one.expected != one.visible] == []


def test_while_objects_are_parsed_again(node: Node) -> None:
    """Whoever does it goes on by himself, and comes to the same."""
    assert mended(node, "written", "counted", "swept") == mended(node)


def test_while_people_act(node: Node) -> None:
    store = opened(node, "acting", "logged", "told", "handled")
    store.mark(Judged([SIGNAL]), Settled(ALERT))
    action = Action("a", ALERT.id, "r", Verb.ACKNOWLEDGE, "ann", NOW, "mine")
    (left,) = store.act([action])
    assert left == replace(ALERT, state=ACKNOWLEDGED, author="ann", note="mine", changed=NOW)
    assert (store.alerts(), store.actions()) == ([left], [action])
    assert store.act([action]) == [left]
    store.close()
    emptied(node.url, NAMES)
