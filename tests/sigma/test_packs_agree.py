"""Random rules in packs over a store: the very events that each of them alone matches, one document at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sigma_world import World, cloudtrail, flows
from test_engines_agree import FLOW_LINE, FLOW_NAMES, TRAIL, TRAIL_NAMES, case

from siem.detect.packs import Packs, Span
from siem.errors import ContentError
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.schema import LogSource
from siem.sigma import Rule, compiled
from siem.sigma.tree import Node
from siem.store.embedded import EmbeddedStore, packs, parts
from siem.testing.deliveries import delivery, put

SOME = examples(40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
NO_COLUMNS: frozenset[str] = frozenset()


def rules(trees: Sequence[Node]) -> list[Rule]:
    return [
        Rule(key=str(number), title="T", file="r.yml", line=1, tree=tree, logsource=LogSource())
        for number, tree in enumerate(trees)
    ]


def check(trees: Sequence[Node], worlds: Sequence[World]) -> None:
    """Each world is an object of its own in the store."""
    fields = worlds[0].fields
    with tempfile.TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder))
        for number, world in enumerate(worlds):
            put(store, (delivery(str(number)), [Parsed(fields.dataset, batch) for batch in world.batches]))
        errors: list[ContentError] = []
        packs = Packs(fields, store.dialect)
        found = packs.found(store, rules(trees), Span(), NO_COLUMNS, lambda rule, error: errors.append(error))
        answer = sorted((rule.key, one.hit.event_id) for one in found for rule in one.rules)
        store.close()
    assert not errors
    documents = [document for world in worlds for document in world.documents]
    assert answer == sorted(
        (str(number), document["event.id"])
        for number, tree in enumerate(trees)
        for document in documents
        if compiled(tree, fields)(document)
    )


@pytest.fixture(params=[(1e-9, 1e-9), (1e9, 1e-9), (1e9, 1e9)], ids=["predicate", "rows", "files"])
def text(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks into JSON text: the predicate alone, SQL on some rows, or SQL on files; and parts of two rows."""
    monkeypatch.setattr(packs, "FEW", request.param[0])
    monkeypatch.setattr(packs, "MANY", request.param[1])
    monkeypatch.setattr(parts, "ROWS", 2)


@pytest.mark.slow
@given(st.lists(case(TRAIL_NAMES.split(), TRAIL), min_size=1, max_size=6))
@SOME
@pytest.mark.usefixtures("text")
def test_on_cloudtrail(registry: Registry, drawn: list[tuple[Node, list[Any]]]) -> None:
    parser = registry.parsers["aws.cloudtrail"]
    worlds = []
    for place, (_, records) in enumerate(drawn):
        given_ids = [record | {"eventID": f"{place}-{at}"} for at, record in enumerate(records)]
        worlds.append(World.parsed(parser, cloudtrail(given_ids)))
    check([tree for tree, _ in drawn], worlds)


@pytest.mark.slow
@given(st.lists(case(FLOW_NAMES.split(), FLOW_LINE), min_size=1, max_size=6))
@SOME
@pytest.mark.usefixtures("text")
def test_on_flow_logs(registry: Registry, drawn: list[tuple[Node, list[Any]]]) -> None:
    lines = [line for _, records in drawn for line in records]
    check([tree for tree, _ in drawn], [World.parsed(registry.parsers["aws.vpcflow"], flows(lines))])
