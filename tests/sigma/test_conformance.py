"""What rules mean, case by case. The cases are data: `conformance/*.yml`.

A case: `why` says what it shows. `rule` is a detection; without `condition` it is `selection`. `events` by name, any
JSON (a text is taken as JSON as it stands, `LONG` in it as 40,000 characters); `expected` names those that match.
`lists` are for `|expand`. `dataset` sends the events through that dataset's parser. `refused` stands instead of events:
the rule must be refused so.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import indent
from typing import Any

import duckdb
import pytest
import yaml
from sigma_world import World, cloudtrail, found

from siem.parsing import Registry
from siem.sigma import RuleSet, load_rules

FILES = sorted((Path(__file__).parent / "conformance").glob("*.yml"))
CASES = [
    pytest.param(case, id=f"{file.stem}-{number}: {case['why']}")
    for file in FILES
    for number, case in enumerate(yaml.safe_load(file.read_text()), 1)
]
HEAD = "title: Case\nlogsource:\n  product: any\ndetection:\n"


def rules_of(case: dict[str, Any], folder: Path) -> RuleSet:
    text = case["rule"] if "condition:" in case["rule"] else case["rule"] + "condition: selection\n"
    file = folder / "case.yml"
    file.write_text(HEAD + indent(text, "  "))
    return load_rules([file], case.get("lists", {}))


def world_of(case: dict[str, Any], registry: Registry) -> World:
    events = list(case["events"].values())
    match case.get("dataset"):
        case None:
            texts = [event if isinstance(event, str) else json.dumps(event) for event in events]
            return World.of_json([text.replace("LONG", "x" * 40_000) for text in texts])
        case "aws.cloudtrail":
            return World.parsed(registry.parsers["aws.cloudtrail"], cloudtrail(events))
        case dataset:
            return World.parsed(registry.parsers[dataset], "\n".join([case["header"], *events, ""]).encode())


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any], tmp_path: Path, registry: Registry, connection: duckdb.DuckDBPyConnection) -> None:
    rules = rules_of(case, tmp_path)
    if "refused" in case:
        assert rules.rules == ()
        assert any(case["refused"] in error.message for error in rules.refused), rules.refused
        return
    assert rules.refused == ()
    world, names = world_of(case, registry), list(case["events"])
    assert len(world.documents) == len(names), "an event was rejected"
    answer = found(rules.rules[0].tree, world, connection)
    assert [names[row] for row in answer.predicate] == case["expected"]
    answer.check()
    if "exact" in case:
        assert answer.exact is case["exact"]


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 120
