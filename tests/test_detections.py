"""The shipped rules: each says what it is for, and its cases hold, those that must match and those that must not."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.run.cases import Case, cases, verdict
from siem.run.content import shipped_content
from siem.sigma import Rule, datasets_of, load_rules

FOLDER = shipped_content() / "detections"
FOUND = load_rules([FOLDER])
LEVELS = {"informational", "low", "medium", "high", "critical"}
TAG = re.compile(r"attack\.(?:t\d{4}(?:\.\d{3})?|[a-z-]+)|cve\.\d{4}-\d+|cis\.aws\.[\d.]+")


def name(rule: Rule) -> str:
    return Path(rule.file).relative_to(FOLDER).with_suffix("").as_posix()


@pytest.fixture(scope="module")
def by_rule(registry: Registry) -> dict[str, list[Case]]:
    found, problems = cases(FOUND.rules, Sources.of(registry))
    assert problems == []
    of: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        of[case.rule.key].append(case)
    return of


def test_none_is_refused_and_no_two_are_called_alike() -> None:
    assert FOUND.refused == ()
    assert [title for title, count in Counter(rule.title for rule in FOUND.rules).items() if count > 1] == []


@pytest.mark.parametrize("rule", FOUND.rules, ids=name)
def test_a_rule_says_what_it_is_for(rule: Rule) -> None:
    assert rule.id
    assert rule.description
    assert rule.author
    assert rule.falsepositives
    assert rule.level in LEVELS
    assert rule.tags
    assert [tag for tag in rule.tags if not TAG.fullmatch(tag)] == []


@pytest.mark.parametrize("rule", FOUND.rules, ids=name)
def test_its_cases_hold(rule: Rule, by_rule: dict[str, list[Case]], registry: Registry) -> None:
    sources = Sources.of(registry)
    own = by_rule[rule.key]
    assert {case.match for case in own} == {True, False}
    assert [(v.case.name, v.why) for case in own if not (v := verdict(case, registry, sources)).ok] == []


@pytest.mark.parametrize("rule", [rule for rule in FOUND.rules if rule.logsource.service is None], ids=name)
def test_a_rule_of_several_datasets_matches_in_more_than_one(
    rule: Rule, by_rule: dict[str, list[Case]], registry: Registry
) -> None:
    assert len(datasets_of(rule, Sources.of(registry).logsources)) > 1
    assert len({case.dataset for case in by_rule[rule.key] if case.match}) > 1
