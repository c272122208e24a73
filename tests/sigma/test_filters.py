"""Filters add a condition to rules from outside; lists stand behind `|expand`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.schema import ANY_JSON
from siem.sigma import RuleSet, compiled, lapsing, load_lists, load_rules

RULE = """\
title: R
id: 11111111-1111-4111-8111-111111111111
name: deleted
logsource: {product: aws, service: cloudtrail}
detection: {s: {action: delete}, condition: s}
"""
FILTER = """\
title: F
logsource: {LOGSOURCE}
filter:
  rules: RULES
  selection: {user|startswith: adm_}
  condition: CONDITION
"""


def loaded(tmp_path: Path, rules: str, condition: str = "not selection", logsource: str = "product: aws") -> RuleSet:
    text = FILTER.replace("RULES", rules).replace("CONDITION", condition).replace("LOGSOURCE", logsource)
    (tmp_path / "f.yml").write_text(f"{text}---\n{RULE}")
    return load_rules([tmp_path])


def found(rules: RuleSet) -> list[str]:
    (rule,) = rules.rules
    holds = compiled(rule.tree, ANY_JSON)
    return [user for user in ("adm_a", "bob") if holds({"action": "delete", "user": user})]


@pytest.mark.parametrize(
    "rules", ["any", "ANY", "deleted", "[other, DELETED]", "11111111-1111-4111-8111-111111111111", "[]"]
)
def test_a_filter_takes_away_what_its_negated_condition_describes(tmp_path: Path, rules: str) -> None:
    assert found(loaded(tmp_path, rules)) == ["bob"]


def test_a_filter_without_not_keeps_only_what_it_describes_and_that_is_doubted(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "any", "selection")
    assert found(rules) == ["adm_a"]
    (doubt,) = rules.doubts
    assert "no `not`" in doubt.message
    assert (Path(doubt.file).name, doubt.line) == ("f.yml", 1)


@pytest.mark.parametrize("rules", ["other", "[other]"])
def test_a_filter_of_another_rule_changes_nothing(tmp_path: Path, rules: str) -> None:
    filtered = loaded(tmp_path, rules)
    assert found(filtered) == ["adm_a", "bob"]
    assert [doubt.message for doubt in filtered.doubts] == ["the filter names other, which is no rule here"]


@pytest.mark.parametrize("logsource", ["product: aws", "service: cloudtrail", "product: AWS, service: CloudTrail", ""])
def test_a_filter_reaches_rules_whose_log_source_says_all_that_its_own_does(tmp_path: Path, logsource: str) -> None:
    assert found(loaded(tmp_path, "any", logsource=logsource)) == ["bob"]


@pytest.mark.parametrize("logsource", ["product: windows", "product: aws, category: webserver"])
def test_a_filter_of_another_log_source_reaches_no_rule(tmp_path: Path, logsource: str) -> None:
    rules = loaded(tmp_path, "deleted", logsource=logsource)
    assert found(rules) == ["adm_a", "bob"]
    assert "log source" in rules.doubts[0].message


def test_a_filter_changes_the_fingerprint_of_its_rule(tmp_path: Path) -> None:
    with_filter = loaded(tmp_path, "any").rules[0].fingerprint
    assert with_filter != loaded(tmp_path, "other").rules[0].fingerprint


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("title: F\nlogsource: {}\nfilter: [a]\n", 3, "filter must be a mapping"),
        ("title: F\nlogsource: {}\nfilter:\n  s: {f: x}\n  condition: s\n", 3, "filter needs `rules`"),
        ("title: F\nlogsource: {}\nfilter:\n  rules: [1]\n  s: {f: x}\n  condition: s\n", 4, "filter needs `rules`"),
        ("title: F\nlogsource: {}\nfilter:\n  rules: any\n  s: {f: x}\n", 3, "filter has no condition"),
        ("title: F\nlogsource: {}\nfilter:\n  rules: any\n  s: {f|no: x}\n  condition: s\n", 5, "modifier `no`"),
        ("title: F\nfilter:\n  rules: any\n  s: {f: x}\n  condition: s\n", 1, "must have a logsource"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused_and_rules_stay(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    (tmp_path / "f.yml").write_text(text)
    (tmp_path / "r.yml").write_text(RULE)
    rules = load_rules([tmp_path])
    assert [rule.key for rule in rules.rules] == ["11111111-1111-4111-8111-111111111111"]
    assert any(error.line == line and message in error.message for error in rules.refused), rules.refused


def test_lists_come_from_yaml_and_later_folders_replace_earlier_ones(tmp_path: Path) -> None:
    for name, file, text in [
        ("shipped", "networks", "- 10.0.0.0/8\n- 7\n- true\n- 2.5\n"),
        ("shipped", "users", "description: who\nvalues: [a]\n"),
        ("team", "users", "values: [b, c]\n"),
        ("team", "several", "ports: [22, 23]\nnames: []\n"),
        ("team", "broken", "- {a: b}\n"),
        ("team", "none", "[unclosed\n"),
    ]:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{file}.yml").write_text(text)
    lists, errors = load_lists([tmp_path / "shipped", tmp_path / "team", tmp_path / "missing"])
    assert lists == {
        "networks": ["10.0.0.0/8", 7, "true", "2.5"],
        "users": ["b", "c"],
        "ports": [22, 23],
        "names": [],
    }
    assert ["list broken must be" in error.message or "not YAML" in error.message for error in errors] == [True, True]


NOW = datetime(2026, 11, 20, tzinfo=UTC)
TERMS = "custom: {owner: Tanaka, reason: it is ours, expires: WHEN}\n"


def until(tmp_path: Path, when: str, now: datetime | None = NOW) -> RuleSet:
    text = FILTER.replace("RULES", "any").replace("CONDITION", "not selection").replace("LOGSOURCE", "product: aws")
    (tmp_path / "f.yml").write_text(f"{text}{TERMS.replace('WHEN', when)}---\n{RULE}")
    return load_rules([tmp_path], now=now)


@pytest.mark.parametrize(
    ("when", "over"),
    [
        ("2026-11-19", True),
        ("2026-11-20", True),  # a date is its beginning
        ("2026-11-21", False),
        ("2026-11-20T00:00:01Z", False),
        ("'2026-11-20T08:59:59+09:00'", True),
        ("'2026-11-20T09:00:01+09:00'", False),
    ],
)
def test_a_filter_that_has_expired_is_not_applied_and_is_named(tmp_path: Path, when: str, over: bool) -> None:
    rules = until(tmp_path, when)
    assert rules.refused == ()
    assert found(rules) == (["adm_a", "bob"] if over else ["bob"])
    assert [one.owner for one in rules.expired] == ["Tanaka"] * over
    assert [one.reason for one in rules.filters] == ["it is ours"] * (not over)
    assert rules.rules[0].filters == rules.filters


def test_without_a_now_nothing_expires(tmp_path: Path) -> None:
    assert found(until(tmp_path, "1999-01-01", now=None)) == ["bob"]


@pytest.mark.parametrize("when", ["tomorrow", "2026-13-01", "20261120", "2026-11-20Tnoon", "[2026-11-20]", "2026-W47"])
def test_a_filter_whose_end_cannot_be_read_is_refused(tmp_path: Path, when: str) -> None:
    rules = until(tmp_path, when)
    (error,) = rules.refused
    assert ("expires must be a date" in error.message, error.line) == (True, 7)
    assert found(rules) == ["adm_a", "bob"]


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("Tanaka", "[a]", "owner"),
        ("Tanaka", "7", "owner"),
        ("it is ours", "' '", "reason"),
        ("it is ours", "no", "reason"),
    ],
)
def test_an_owner_and_a_reason_are_texts(tmp_path: Path, old: str, new: str, name: str) -> None:
    until(tmp_path, "2026-12-31")
    file = tmp_path / "f.yml"
    file.write_text(file.read_text().replace(old, new))
    (error,) = load_rules([tmp_path]).refused
    assert error.message == f"{name} must be a text that is not empty"


def said(rules: RuleSet, own: bool = True) -> list[tuple[int | None, str]]:
    return [(one.line, one.message) for one in lapsing(rules, NOW, lambda one: own)]


def test_filters_that_are_over_or_soon_will_be_are_doubted(tmp_path: Path) -> None:
    over = [(7, "the filter expired at 2026-11-19T00:00:00Z: it is not applied")]
    assert said(until(tmp_path, "2026-11-19")) == over
    assert said(until(tmp_path, "2026-11-19"), own=False) == over
    assert said(until(tmp_path, "2026-12-04")) == [(7, "the filter expires at 2026-12-04T00:00:00Z")]
    assert said(until(tmp_path, "2026-12-05")) == []


def test_a_teams_own_filter_says_who_why_and_until_when(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "any")
    assert said(rules) == [(1, "the filter has no owner, reason, expires: say so under `custom`")]
    assert said(rules, own=False) == []
