"""The shipped rules: each says what it is for, and its cases hold, those that must match and those that must not."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.run.cases import Case, cases
from siem.run.content import shipped_content
from siem.run.verdicts import Trial
from siem.sigma import Correlation, Rule, datasets_of, load_rules

FOLDER = shipped_content() / "detections"
FOUND = load_rules([FOLDER])
ALERTING = [one for one in (*FOUND.rules, *FOUND.correlations) if one.key not in FOUND.silent]
LEVELS = {"informational", "low", "medium", "high", "critical"}
TAG = re.compile(r"attack\.(?:t\d{4}(?:\.\d{3})?|[a-z-]+)|cve\.\d{4}-\d+|cis\.aws\.[\d.]+")


def name(rule: Rule | Correlation) -> str:
    return Path(rule.file).relative_to(FOLDER).with_suffix("").as_posix()


@pytest.fixture(scope="module")
def by_rule(registry: Registry) -> dict[str, list[Case]]:
    found, problems = cases(FOUND, Sources.of(registry))
    assert problems == []
    of: dict[str, list[Case]] = defaultdict(list)
    for case in found:
        of[case.rule.key].append(case)
    return of


@pytest.fixture(scope="module")
def trial(registry: Registry) -> Trial:
    return Trial(registry, Sources.of(registry))


def test_none_is_refused_and_no_two_are_called_alike() -> None:
    assert (FOUND.refused, FOUND.doubts) == ((), ())
    assert [title for title, count in Counter(rule.title for rule in ALERTING).items() if count > 1] == []


@pytest.mark.parametrize("rule", ALERTING, ids=name)
def test_a_rule_says_what_it_is_for(rule: Rule | Correlation) -> None:
    assert rule.id
    assert rule.description
    assert rule.author
    assert rule.falsepositives
    assert rule.level in LEVELS
    assert rule.tags
    assert [tag for tag in rule.tags if not TAG.fullmatch(tag)] == []


@pytest.mark.parametrize("rule", ALERTING, ids=name)
def test_its_cases_hold(rule: Rule | Correlation, by_rule: dict[str, list[Case]], trial: Trial) -> None:
    own = by_rule[rule.key]
    assert {case.match for case in own} == {True, False}
    assert [(v.case.name, v.why) for v in map(trial.verdict, own) if not v.ok] == []


@pytest.mark.parametrize(
    "rule", [rule for rule in FOUND.rules if rule in ALERTING and rule.logsource.service is None], ids=name
)
def test_a_rule_of_several_datasets_matches_in_more_than_one(
    rule: Rule, by_rule: dict[str, list[Case]], registry: Registry
) -> None:
    assert len(datasets_of(rule, Sources.of(registry).logsources)) > 1
    matching = [case for case in by_rule[rule.key] if case.match]
    assert len({log.dataset for case in matching for log in (*case.logs, *case.sent)}) > 1
