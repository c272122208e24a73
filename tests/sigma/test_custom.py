"""What rules say under `custom` beyond Sigma: how it is read, and what is refused with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from textwrap import indent

import pytest

from siem.schema import DatasetFields, LogSource
from siem.sigma import Doubting, NewTerms, RuleSet, Silence, Suppress, Whose, load_rules

RULE = """\
title: R
name: r
logsource: {}
detection: {s: {f: v}, condition: s}
"""
CORRELATION = """\
---
title: C
correlation: {type: event_count, rules: r, group-by: [user, ip], timespan: 5m, condition: {gte: 2}}
"""


def loaded(tmp_path: Path, custom: str, before: str = RULE) -> RuleSet:
    (tmp_path / "r.yml").write_text(f"{before}custom:\n{indent(custom, '  ')}")
    return load_rules([tmp_path / "r.yml"])


def told(rules: RuleSet, before: str = RULE) -> list[tuple[int, str]]:
    """Lines, the one with `custom:` being 0, and what is said."""
    return [((error.line or 0) - before.count("\n") - 1, error.message) for error in rules.refused]


def test_a_rule_says_how_its_matches_become_alerts(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, "suppress: {by: [a, b], for: 90m}\n").rules
    assert rule.suppress == Suppress(("a", "b"), timedelta(minutes=90))
    (rule,) = loaded(tmp_path, "suppress: {by: a, for: 1d}\n").rules
    assert rule.suppress == Suppress(("a",), timedelta(days=1))
    (rule,) = loaded(tmp_path, "suppress: {for: 1d}\n").rules
    assert rule.suppress == Suppress(None, timedelta(days=1))
    assert loaded(tmp_path, "title: T\n").rules[0].suppress is None


def test_a_rule_says_what_its_alerts_are_about(tmp_path: Path) -> None:
    groups = {"group: [a, b]": ("a", "b"), "group: a": ("a",), "group: []": (), "title: T": None}
    assert {custom: loaded(tmp_path, f"{custom}\n").rules[0].group for custom in groups} == groups


def test_a_correlation_suppresses_by_some_of_what_it_groups_by(tmp_path: Path) -> None:
    (one,) = loaded(tmp_path, "suppress: {by: ip, for: 1h}\n", RULE + CORRELATION).correlations
    assert one.suppress == Suppress(("ip",), timedelta(hours=1))
    assert one.about == ("ip",)
    (one,) = loaded(tmp_path, "suppress: {for: 1h}\n", RULE + CORRELATION).correlations
    assert one.about == ("user", "ip")


LENGTH = "write a number above 0 and s, m, h, d, w, M or y, as 15m; at most 100 years"


@pytest.mark.parametrize(
    ("custom", "line", "message"),
    [
        ("group: 7", 1, "`group` must be a list of different fields"),
        ("group: [a, 7]", 1, "`group` must be a list of different fields"),
        ("group: [a, a]", 1, "`group` must be a list of different fields"),
        ("group:", 1, "`group` must be a list of different fields"),
        ("suppress:", 1, "suppress must be a mapping of by, for"),
        ("new_terms:", 1, "new_terms must be a mapping of field, fields, by, learning"),
        ("suppress: 6h", 1, "suppress must be a mapping of by, for"),
        ("suppress:\n  by: a", 1, f"`for` is needed: {LENGTH}"),
        ("suppress:\n  by: a\n  for: 0h", 3, f"`for` cannot be 0h: {LENGTH}"),
        ("suppress:\n  for: 6 h", 2, f"`for` cannot be 6 h: {LENGTH}"),
        ("suppress:\n  for: 6h\n  by: []", 3, "`by` must be a list of different fields"),
        ("suppress:\n  for: 6h\n  by: [a, a]", 3, "`by` must be a list of different fields"),
        ("suppress:\n  for: 6h\n  by: [1]", 3, "`by` must be a list of different fields"),
        ("suppress:\n  for: 6h\n  field: a", 3, "suppress has no `field`; there is: by, for"),
        (
            "group: [a]\nsuppress:\n  for: 6h\n  by: b",
            4,
            "`group` and `suppress.by` both say what an alert is about: leave one out",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, custom: str, line: int, message: str) -> None:
    assert told(loaded(tmp_path, custom)) == [(line, message)]


def test_a_correlation_cannot_suppress_by_what_it_does_not_group_by(tmp_path: Path) -> None:
    before = RULE + CORRELATION
    message = "`by` has host, which the correlation does not group by"
    assert told(loaded(tmp_path, "suppress:\n  for: 6h\n  by: [ip, host]", before), before) == [(3, message)]


def test_a_key_of_custom_that_says_nothing_is_doubted(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "title: T\nsupress: {for: 6h}\n")
    (doubt,) = [one for one in Doubting(rules, {}, {}, {}).all() if one.message.startswith("custom")]
    assert doubt.message.startswith("custom has `supress`, which says nothing here; there is: after_hours, ")
    assert (doubt.line or 0) - RULE.count("\n") - 1 == 2


def test_a_group_of_a_correlation_says_nothing_and_that_is_doubted(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "group: [user]\n", RULE + CORRELATION)
    assert any(
        one.message.startswith("custom has `group`, which says nothing") for one in Doubting(rules, {}, {}, {}).all()
    )


def test_fields_of_groups_and_words_that_no_dataset_has_are_doubted(tmp_path: Path) -> None:
    rule = RULE.replace("logsource: {}", "logsource: {product: aws}").replace("f: v", "user.name: v")
    words = 'group: [usr.name]\ntitle: "{user.name} on {hots}"\ntext: "{user.name}: {hots}"\n'
    fields = {"aws.x": DatasetFields("aws.x", frozenset(["user.name", "host"]), known=frozenset())}
    doubting = Doubting(loaded(tmp_path, words, rule), fields, {"aws.x": [LogSource(product="aws")]}, {})
    told = [one.message for one in doubting.all() if "has no field" in one.message]
    assert told == [
        "aws.x has no field usr.name: no value passes; is user.name meant?",
        "aws.x has no field hots: no value passes; is host meant?",
    ]


# New terms


def test_a_rule_says_what_is_new_to_whom(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, "new_terms: {field: user, by: account, learning: 14d}\n").rules
    assert rule.new_terms == NewTerms(("user",), ("account",), timedelta(days=14))
    (rule,) = loaded(tmp_path, "new_terms: {fields: [user, ip], learning: 0s}\n").rules
    assert rule.new_terms == NewTerms(("user", "ip"), (), timedelta())
    assert rule.fingerprint != loaded(tmp_path, "title: T\n").rules[0].fingerprint


NEEDED = "new_terms needs `field` (or `fields`): whose values are looked at"


@pytest.mark.parametrize(
    ("custom", "line", "message"),
    [
        ("new_terms: user", 1, "new_terms must be a mapping of field, fields, by, learning"),
        ("new_terms:\n  learning: 1d", 1, NEEDED),
        ("new_terms:\n  learning: 1d\n  field: a\n  fields: [b]", 1, NEEDED),
        (
            "new_terms:\n  field: a",
            1,
            "`learning` is needed: write a number and s, m, h, d, w, M or y, as 15m; at most 100 years",
        ),
        ("new_terms:\n  learning: 1d\n  field: a\n  window: 1d", 4, "new_terms has no `window`; there is: field,"),
        ("new_terms:\n  learning: 1d\n  field: a\n  by: [b, a]", 4, "`by` has a, whose values are looked at"),
        (
            "group: [a]\nnew_terms: {learning: 1d, field: a}",
            1,
            "new_terms alerts once of each value: leave `group` out",
        ),
        (
            "suppress: {for: 1h}\nnew_terms: {learning: 1d, field: a}",
            1,
            "new_terms alerts once of each value: leave `suppress` out",
        ),
    ],
)
def test_new_terms_that_cannot_be_meant_are_refused(tmp_path: Path, custom: str, line: int, message: str) -> None:
    ((at, said),) = told(loaded(tmp_path, custom))
    assert (at, said.startswith(message)) == (line, True)


def test_new_terms_are_of_event_rules(tmp_path: Path) -> None:
    before = RULE + CORRELATION
    message = "a correlation has no `new_terms`: write a rule of its own"
    assert told(loaded(tmp_path, "new_terms: {field: a, learning: 1d}", before), before) == [(1, message)]


# Silence


QUIET = "title: Q\nname: q\nlogsource: {product: aws}\n"


def test_a_rule_of_silence_says_whose_and_how_long(tmp_path: Path) -> None:
    rules = loaded(tmp_path, "silence: {of: account, for: 2h}\n", QUIET)
    (rule,) = rules.rules
    assert rule.silence == Silence(Whose.ACCOUNT, timedelta(hours=2))
    assert [one.message for one in Doubting(rules, {}, {}, {}).all()] == [
        "no dataset answers this log source: the rule never matches"
    ]


@pytest.mark.parametrize(
    ("custom", "line", "message"),
    [
        ("silence: 2h", 1, "silence must be a mapping of of, for"),
        ("silence:\n  of: account", 1, f"`for` is needed: {LENGTH}"),
        ("silence:\n  for: 2h", 1, "`of` must be one of dataset, account, source"),
        ("silence:\n  for: 2h\n  of: region", 3, "`of` must be one of dataset, account, source"),
        ("silence:\n  for: 2h\n  of: account\n  until: 3h", 4, "silence has no `until`; there is: of, for"),
        (
            "silence: {for: 2h, of: account}\nsuppress: {for: 2h}",
            2,
            "a rule of silence has no events: leave `suppress` out",
        ),
    ],
)
def test_silence_that_cannot_be_meant_is_refused(tmp_path: Path, custom: str, line: int, message: str) -> None:
    assert told(loaded(tmp_path, custom, QUIET), QUIET) == [(line, message)]


def test_a_rule_of_silence_has_no_detection_and_any_other_has(tmp_path: Path) -> None:
    message = "a rule of silence has no events: leave the detection out"
    assert [said for _, said in told(loaded(tmp_path, "silence: {for: 2h, of: account}"))] == [message]
    assert [said for _, said in told(loaded(tmp_path, "title: T", QUIET))] == ["a rule must have a detection"]


def test_a_correlation_cannot_stand_on_silence(tmp_path: Path) -> None:
    custom = "silence: {for: 2h, of: account}\n"
    before = f"{QUIET}custom: {{{custom.strip()}}}\n{CORRELATION.replace('rules: r', 'rules: q')}"
    assert [said for _, said in told(loaded(tmp_path, "title: T", before))] == [
        "it names q, which is about silence: it has no events"
    ]


def test_a_silence_that_says_nothing_is_no_rule_about_everything(tmp_path: Path) -> None:
    before = RULE.replace("detection: {s: {f: v}, condition: s}\n", "")
    assert told(loaded(tmp_path, "silence:\n", before), before) == [(1, "silence must be a mapping of of, for")]
