"""What rules mean, case by case. The cases are data: `conformance/*.yml`.

A case: `why` says what it shows, `covers` which words of `checklist.py`. `rule` is a detection; without `condition` it
is `selection`. `events` by name, any JSON (a text is taken as JSON as it stands); `expected` names those that match.
`lists` are for `|expand`; a name stands for one list in all cases. `dataset` sends the events through that dataset's
parser, filled up to whole records. `head` stands in place of the usual title and log source, `says` is what the loaded
rule tells of it. `file` is a whole file instead of a rule, and `expected` then goes by the rules' titles.

`refused`: the rule must be refused with words that hold these, `at` this line of the rule (1 where nothing is said; 0
is the line above; `head 2`: of the head; `file 4`: of the file). `LONG` stands for 40,000 characters, `THOUSAND` for
v0 to v999.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import indent
from typing import Any

import duckdb
import pytest
import yaml
from checklist import CHECKLIST
from sigma_world import World, cloudtrail, dispatched, flows, found, requests, web_requests

from siem.parsing import Registry
from siem.schema import LogSource
from siem.sigma import Rule, RuleSet, load_rules

FILES = sorted((Path(__file__).parent / "conformance").glob("*.yml"))
CASES = [
    pytest.param(case, id=f"{file.stem}-{number}: {case['why']}")
    for file in FILES
    for number, case in enumerate(yaml.safe_load(file.read_text()), 1)
]
HEAD = "title: Case\n"
LOGSOURCE = "logsource: {product: any}\n"
LONG, THOUSAND = "x" * 40_000, ", ".join([f"v{number}" for number in range(1000)])
DELIVERED = {"aws.cloudtrail": cloudtrail, "aws.elb": requests, "aws.waf": web_requests}


def file_of(case: dict[str, Any]) -> tuple[str, int]:
    """The rule's file, and how many lines stand in it before the rule."""
    if "file" in case:
        return case["file"], 0
    head = case.get("head", HEAD)
    head += ("" if "logsource:" in head else LOGSOURCE) + "detection:\n"
    rule = case["rule"] if "condition:" in case["rule"] else case["rule"] + "condition: selection\n"
    return head + indent(rule.replace("THOUSAND", THOUSAND), "  "), head.count("\n")


def rules_of(case: dict[str, Any], folder: Path) -> RuleSet:
    file = folder / "case.yml"
    file.write_text(file_of(case)[0])
    return load_rules([file], case.get("lists", {}))


def texts_of(case: dict[str, Any]) -> list[str]:
    """The events as lines of JSON."""
    events = case["events"].values()
    return [(event if isinstance(event, str) else json.dumps(event)).replace("LONG", LONG) for event in events]


def world_of(case: dict[str, Any], registry: Registry) -> World:
    dataset = case.get("dataset")
    if dataset is None:
        return World.of_json(texts_of(case))
    parser, events = registry.parsers[dataset], list(case["events"].values())
    if dataset == "aws.vpcflow":
        return World.parsed(parser, flows(events, case.get("header")))
    return World.parsed(parser, DELIVERED[dataset]([json.loads(text) for text in texts_of(case)]))


@pytest.mark.parametrize("case", CASES)
def test_case(case: dict[str, Any], tmp_path: Path, registry: Registry, connection: duckdb.DuckDBPyConnection) -> None:
    rules = rules_of(case, tmp_path)
    if "refused" in case:
        check_refusal(case, rules)
    else:
        assert rules.refused == ()
    if "events" not in case:
        assert rules.rules == ()
        return
    world, names = world_of(case, registry), list(case["events"])
    assert len(world.documents) == len(names), "an event was rejected"
    expected = case["expected"] if "file" in case else {rules.rules[0].title: case["expected"]}
    assert [rule.title for rule in rules.rules] == list(expected)
    for rule in rules.rules:
        answer = found(rule.tree, world, connection)
        assert [names[row] for row in answer.predicate] == expected[rule.title]
        answer.check()
        if world.batches:
            assert dispatched(rule.tree, world) == answer.predicate
        assert answer.exact is case.get("exact", answer.exact)
    check_head(case, rules.rules[0])


def check_refusal(case: dict[str, Any], rules: RuleSet) -> None:
    part, _, line = str(case.get("at", 1)).rpartition(" ")
    lines = {"": file_of(case)[1], "head": 0, "file": 0}
    told = [error for error in rules.refused if case["refused"] in error.message]
    assert told, rules.refused
    assert told[0].line == lines[part] + int(line)


def check_head(case: dict[str, Any], rule: Rule) -> None:
    for name, value in case.get("says", {}).items():
        said = LogSource(**value) if name == "logsource" else tuple(value) if isinstance(value, list) else value
        assert getattr(rule, name) == said


def test_every_point_of_the_checklist_has_its_cases() -> None:
    covered = {word for case in CASES for word in case.values[0]["covers"]}  # type: ignore[index,call-overload]
    assert covered == CHECKLIST


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 600


def test_a_list_has_one_meaning_in_all_cases() -> None:
    lists: dict[str, Any] = {}
    for case in CASES:
        for name, values in case.values[0].get("lists", {}).items():  # type: ignore[union-attr]
            assert lists.setdefault(name, values) == values, name
