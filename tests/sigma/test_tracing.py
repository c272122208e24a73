"""Why a rule matches or does not: each part of its condition, with what the record says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.schema import ANY_JSON
from siem.sigma import Rule, compiled, load_rules, reasons
from siem.sigma.tracing import LONGEST, MOST, trace
from siem.sigma.wording import lines, names

DETECTION = """\
title: R
name: rule
logsource: {}
detection:
  selection:
    eventName: [A, B]
    user|startswith: adm
  other_1: {port: 22}
  other_2: {port|gte: 1000}
  words: [needle]
  filter: {type: Root}
  condition: CONDITION
"""
FILTER = "---\ntitle: Our robots\nlogsource: {}\nfilter: {rules: any, robot: {user: admbot}, condition: not robot}\n"


def loaded(tmp_path: Path, text: str) -> Rule:
    (tmp_path / "r.yml").write_text(text)
    rules = load_rules([tmp_path / "r.yml"])
    assert rules.refused == ()
    return rules.rules[0]


def told(tmp_path: Path, condition: str, record: dict[str, Any], more: str = "") -> list[str]:
    return reasons(loaded(tmp_path, DETECTION.replace("CONDITION", condition) + more), ANY_JSON, record)


GOOD = {"eventName": "a", "user": "admin", "type": "User"}


def test_what_fails_is_told_by_its_selection_and_with_the_records_value(tmp_path: Path) -> None:
    assert told(tmp_path, "selection", {"eventName": "C", "user": "admin"}) == [
        'selection: eventName is "A" or "B": the record has "C"'
    ]
    assert told(tmp_path, "selection", {"eventName": "a"}) == ['selection: user begins with "adm": the record has none']


def test_a_negated_part_tells_what_it_matched(tmp_path: Path) -> None:
    found = told(tmp_path, "selection and not filter", GOOD | {"type": "root"})
    assert found == ['not filter: matched by type is "Root": the record has "root"']


def test_of_a_match_the_parts_that_hold_are_told(tmp_path: Path) -> None:
    assert told(tmp_path, "selection and (1 of other_* or words) and not filter", GOOD | {"port": [80, 22]}) == [
        'selection: eventName is "A": the record has "a"',
        'selection: user begins with "adm": the record has "admin"',
        'other_1: port is 22: the record has "80", "22"',
        'not filter: not matched by type is "Root": the record has "User"',
    ]


def test_alternatives_of_which_none_holds_stand_together(tmp_path: Path) -> None:
    assert told(tmp_path, "1 of other_*", {"port": 80}) == [
        'none of (other_1: port is 22: the record has "80" | other_2: port is at least 1000: the record has "80")'
    ]


def test_keywords_show_the_value_that_holds_them(tmp_path: Path) -> None:
    found = told(tmp_path, "words", {"a": "x", "b": "hay NEEDLE hay"})
    assert found == ['words: any value of the record contains "needle": the record has "hay NEEDLE hay"']


def test_a_filter_from_outside_is_named(tmp_path: Path) -> None:
    found = told(tmp_path, "selection", GOOD | {"user": "admbot"}, FILTER)
    assert found == ['filter Our robots: not robot: matched by user is "admbot": the record has "admbot"']


def test_long_values_are_cut_and_many_counted(tmp_path: Path) -> None:
    (long,) = told(tmp_path, "filter", {"type": "x" * 1000})
    assert f'"{"x" * LONGEST}…"' in long
    (many,) = told(tmp_path, "not filter", {"type": [str(number) for number in range(20)] + ["root"]})
    assert many == 'not filter: matched by type is "Root": the record has "root"'
    (many,) = told(tmp_path, "filter", {"type": [str(number) for number in range(20)]})
    assert f"and {20 - MOST} more" in many


def test_what_a_record_says_is_quoted(tmp_path: Path) -> None:
    (told_,) = told(tmp_path, "filter", {"type": '"; [red]x\x1b[0m\n'})
    assert told_.endswith(r'the record has "\"; [red]x\u001b[0m\n"')


CONDITIONS = ("selection and not filter", "1 of other_* or not (selection and words)", "all of them")
RECORD = st.dictionaries(
    st.sampled_from(("eventName", "user", "port", "type")), st.sampled_from(("a", "adm1", "root", 22, 1500, "needle"))
)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_trace_says_what_the_predicate_says(tmp_path_factory: pytest.TempPathFactory, condition: str) -> None:
    rule = loaded(tmp_path_factory.mktemp("rules"), DETECTION.replace("CONDITION", condition))
    holds = compiled(rule.tree, ANY_JSON)

    @given(RECORD)
    def check(record: dict[str, Any]) -> None:
        assert trace(rule.detection, ANY_JSON, record).holds == holds(record)
        assert reasons(rule, ANY_JSON, record)

    check()


def test_a_tree_reads_as_indented_text(tmp_path: Path) -> None:
    rule = loaded(tmp_path, DETECTION.replace("CONDITION", "selection and (1 of other_* or words) and not filter"))
    assert list(lines(rule.tree, names(rule.detection.selections))) == [
        "all of",
        "  selection: all of",
        '    eventName is "A" or "B"',
        '    user begins with "adm"',
        "  one of",
        "    one of",
        "      other_1: port is 22",
        "      other_2: port is at least 1000",
        '    words: any value of the record contains "needle"',
        '  not filter: type is "Root"',
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("f: x*y?z", 'f is like "x*y?z"'),
        (r"f: a\*b*c", r'f is like "a\\*b*c"'),
        ("f|cased: X", 'f is, in this case, "X"'),
        ("f|re|i: ^x", "f matches /^x/i"),
        ("f|cidr: 10.0.0.0/8", "f is in 10.0.0.0/8"),
        ("f|exists: true", "f is there"),
        ("f: null", "f is missing"),
        ("f: ''", 'f is ""'),
        ("f: '*'", "f is there"),
        ("f|hour: 5", "f has the hour 5"),
        ("f|fieldref: g", "f equals the field g"),
        ("f|contains|all: [a, b]", 'f contains "a" and "b"'),
        ("f|neq: x", 'not f is "x"'),
        ("f: [x, 7, y*]", None),
    ],
)
def test_each_test_is_a_sentence(tmp_path: Path, line: str, words: str | None) -> None:
    rule = loaded(tmp_path, f"title: R\nname: r\nlogsource: {{}}\ndetection:\n  s:\n    {line}\n  condition: s\n")
    expected = ["one of", '  f is "x" or 7', '  f begins with "y"'] if words is None else [words]
    assert list(lines(rule.tree, {})) == expected
