"""What `siem rules check` warns of: allowed, and perhaps not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem.schema import DatasetFields, LogSource
from siem.sigma import Doubting, load_rules

LOGS = DatasetFields(
    "our.log",
    filled=frozenset(("source.ip", "event.action")),
    native={"eventName": "event.action"},
    aliases={"c-ip": "source.ip"},
    payloads=frozenset(("parameters",)),
    known=frozenset(("eventName", "parameters", "user")),
)
OPEN = DatasetFields("our.open")
FIELDS = {"our.log": LOGS, "our.open": OPEN}
ANSWERING = {"our.log": (LogSource(product="our"),), "our.open": (LogSource(product="open"),)}
LISTS = {"nobody": [], "people": ["a"]}

RULE = """\
title: R
name: r
level: low
logsource:
  product: our
  SOURCE
detection:
  a: {A}
  b: {B}
  condition: CONDITION
"""


def doubts(
    tmp_path: Path, a: str = "user: x", b: str = "user: y", condition: str = "a or b", source: str = "definition: d",
    more: str = "",
) -> list[tuple[int | None, str]]:  # fmt: skip
    text = RULE.replace("A}", a + "}").replace("B}", b + "}").replace("CONDITION", condition).replace("SOURCE", source)
    (tmp_path / "r.yml").write_text(text + more)
    rules = load_rules([tmp_path], LISTS)
    assert rules.refused == ()
    return [(one.line, one.message) for one in Doubting(rules, FIELDS, ANSWERING, LISTS).all()]


def test_a_sound_rule_raises_none(tmp_path: Path) -> None:
    names = "eventName: a, our.log.eventName: b, source.ip: c, c-ip: d, parameters.x.y: e, user.name: f"
    assert doubts(tmp_path, a=names, b="user|expand: '%people%'", condition="a and not b") == []


@pytest.mark.parametrize("condition", ["a", "a and not a"])
def test_a_selection_that_is_not_used(tmp_path: Path, condition: str) -> None:
    assert doubts(tmp_path, condition=condition) == [(9, "the condition does not use `b`")]


def test_a_log_sources_key_that_says_nothing(tmp_path: Path) -> None:
    ((line, message),) = doubts(tmp_path, source="servce: cloudtrail")
    assert (line, message.startswith("logsource has `servce`, which says nothing")) == (6, True)


def test_a_log_source_that_nothing_answers(tmp_path: Path) -> None:
    assert doubts(tmp_path, source="service: x") == [(4, "no dataset answers this log source: the rule never matches")]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("eventname", "; is eventName meant?"),
        ("sourceip", "; is source.ip meant?"),
        ("zzz.zzz", ""),
        ("cloud.region", ""),
    ],
)
def test_a_field_that_no_dataset_of_the_rule_can_have(tmp_path: Path, name: str, hint: str) -> None:
    assert doubts(tmp_path, a=f"{name}: x") == [(7, f"our.log has no field {name}: no value passes{hint}")]


def test_where_a_dataset_may_have_any_field_none_is_doubted(tmp_path: Path) -> None:
    text = RULE.replace("product: our", "product: open").replace("SOURCE", "definition: d")
    (tmp_path / "r.yml").write_text(
        text.replace("{A}", "{any: 1}").replace("{B}", "{x: 1}").replace("CONDITION", "a or b")
    )
    rules = load_rules([tmp_path])
    assert Doubting(rules, FIELDS, ANSWERING, {}).all() == []


@pytest.mark.parametrize(
    ("value", "read"),
    [
        *((value, "another number") for value in ("0123", "1_000", "12:30:00", "0x1F")),
        *((value, "true or false") for value in ("yes", "Off")),
    ],
)
def test_what_yaml_reads_otherwise(tmp_path: Path, value: str, read: str) -> None:
    expected = [(8, f"`{value}` is read as {read}: put it into quotes if the text is meant")]
    assert doubts(tmp_path, a=f"user: [x, {value}]") == expected
    assert doubts(tmp_path, a=f"user: [x, '{value}']") == []


@pytest.mark.parametrize("value", ["0", "-12", "1.5", "true", "False", "null", "2026-11-01", "1e3", "v01"])
def test_what_yaml_reads_as_it_stands(tmp_path: Path, value: str) -> None:
    assert doubts(tmp_path, a=f"user: {value}") == []


def test_an_empty_list_and_the_not_that_always_holds(tmp_path: Path) -> None:
    empty = (9, "the list nobody is empty: nothing passes")
    assert doubts(tmp_path, b="user|expand: '%nobody%'") == [empty]
    always = (10, "`not b` always holds: nothing passes there")
    assert doubts(tmp_path, b="user|expand: '%nobody%'", condition="a and not b") == [empty, always]
    never = (10, "the condition never holds")
    assert doubts(tmp_path, b="user|expand: '%nobody%'", condition="a and b") == [empty, never]


def test_fields_of_correlations_and_filters_are_doubted_too(tmp_path: Path) -> None:
    correlation = (
        "---\ntitle: C\ncorrelation: {type: event_count, rules: r, group-by: usr, timespan: 1m, condition: {gte: 2}}\n"
    )
    assert doubts(tmp_path, more=correlation) == [(13, "our.log has no field usr: no value passes; is user meant?")]
    keeps = "---\ntitle: F\nlogsource: {product: our}\nfilter: {rules: r, s: {user: on}, condition: s}\n"
    assert [message for _, message in doubts(tmp_path, more=keeps)] == [
        "the filter's condition has no `not`: its rules match nothing but what it describes",
        "`on` is read as true or false: put it into quotes if the text is meant",
    ]


def test_a_level_is_missed_only_where_the_rule_alerts(tmp_path: Path) -> None:
    text = RULE.replace("level: low\n", "").replace("SOURCE", "definition: d")
    text = text.replace("{A}", "{user: 1}").replace("{B}", "{user: 2}").replace("CONDITION", "a or b")
    correlation = "---\ntitle: C\ncorrelation: {type: temporal, rules: r, timespan: 1m}\n"
    for more, expected in (("", ["no level: its alerts are medium"]), (correlation, [])):
        (tmp_path / "r.yml").write_text(text + more)
        found = Doubting(load_rules([tmp_path]), FIELDS, ANSWERING, {}).all()
        assert [one.message for one in found] == expected
