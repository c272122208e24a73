"""What is told of a rule: its condition, where its fields are, what stores are asked, and who alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from siem.schema import ANY_JSON, BY_NAME, Column, DatasetFields, LogSource
from siem.sigma import Explaining, load_rules
from siem.sigma.duckdb import query
from siem.sigma.opensearch import clause

LOGS = DatasetFields(
    "our.log",
    filled=frozenset(("source.ip", "event.action")),
    native={"eventName": "event.action"},
    aliases={"c-ip": "source.ip", "op": "eventName", "plain": "other"},
    payloads=frozenset(("parameters",)),
)
SOURCES = {"our.log": (LogSource(product="our"),)}

RULES = """\
title: One
id: 11111111-1111-4111-8111-111111111111
name: one
logsource: {product: our}
level: low
detection: {selection: {eventName: X, parameters.a.b: 1}, condition: selection}
---
title: Two
name: two
logsource: {product: our}
detection: {s: {c-ip|cidr: 10.0.0.0/8}, condition: s}
---
title: Robots
logsource: {product: our}
filter: {rules: one, robot: {user: bot}, condition: not robot}
---
title: Many
name: many
level: high
correlation:
  type: value_count
  rules: [one, two]
  group-by: [ip, op]
  aliases: {ip: {one: source.ip, two: c-ip}}
  timespan: 90s
  condition: {field: user, gt: 2, lte: 9}
---
title: Chain
name: chain
correlation: {type: temporal, rules: [one, many], generate: GENERATE, timespan: 1h, condition: one and not many}
"""


def explained(tmp_path: Path, generate: str = "false", only: str | None = None) -> dict[str, dict[str, Any]]:
    (tmp_path / "r.yml").write_text(RULES.replace("GENERATE", generate))
    rules = load_rules([tmp_path / "r.yml"])
    assert rules.refused == ()
    explaining = Explaining(rules, {"our.log": LOGS, "": ANY_JSON}, SOURCES, only)
    return {one.title: explaining(one) for one in (*rules.rules, *rules.correlations)}


def test_a_rule_with_its_condition_filters_fields_and_queries(tmp_path: Path) -> None:
    one = explained(tmp_path)["One"]
    assert (one["id"], one["type"], one["level"], one["datasets"]) == (
        "11111111-1111-4111-8111-111111111111",
        "event",
        "low",
        ["our.log"],
    )
    assert one["tree"] == ["selection: all of", '  eventName is "X"', "  parameters.a.b is 1"]
    assert [(added["title"], added["tree"]) for added in one["filters"]] == [("Robots", ['not robot: user is "bot"'])]
    found = {place["field"]: (place["way"], place["column"], place["path"]) for place in one["fields"]}
    assert found == {
        "eventName": ("native name, held by a schema field", "event.action", None),
        "parameters.a.b": ("in an open payload", "our.log.parameters", "a.b"),
        "user": ("native name", "our.log", "user"),
    }
    (asked,) = [asked for asked in one["queries"] if asked["store"] == "duckdb"]
    rule = load_rules([tmp_path / "r.yml"]).rules[0]
    wanted = query(rule.tree, LOGS)
    assert (asked["query"], asked["parameters"], asked["exact"]) == (wanted.where, wanted.parameters, False)

    (searched,) = [asked for asked in one["queries"] if asked["store"] == "opensearch"]
    assert (searched["query"], searched["exact"]) == (clause(rule.tree, LOGS).query, clause(rule.tree, LOGS).exact)


def test_an_alias_names_what_it_stands_for(tmp_path: Path) -> None:
    (place,) = explained(tmp_path)["Two"]["fields"]
    assert (place["way"], place["alias_of"], place["column"]) == ("schema field", "source.ip", "source.ip")


def test_any_json_can_be_looked_at_instead(tmp_path: Path) -> None:
    one = explained(tmp_path, only="")["One"]
    assert {(place["dataset"], place["way"]) for place in one["fields"]} == {("json", "under its own name")}
    assert {asked["dataset"] for asked in one["queries"]} == {"json"}


def test_a_correlation_in_words(tmp_path: Path) -> None:
    many = explained(tmp_path)["Many"]
    assert (many["type"], many["window"], many["window_seconds"]) == ("value_count", "90 seconds", 90)
    assert many["condition"] == "more than 2 and at most 9 different values of user"
    assert [part["group_by"] for part in many["rules"]] == [
        {"ip": "source.ip", "op": "op"},
        {"ip": "c-ip", "op": "op"},
    ]
    assert [place["column"] for place in many["rules"][1]["fields"]] == ["source.ip", "event.action", "our.log"]
    assert explained(tmp_path)["Chain"]["condition"] == "seen: one and not many"


def test_who_alerts(tmp_path: Path) -> None:
    silent, loud = explained(tmp_path), explained(tmp_path, "true")
    assert [one["alerts"] for one in silent.values()] == [
        "only by many, chain", "only by many", "only by chain", "by itself",
    ]  # fmt: skip
    assert [one["alerts"] for one in loud.values()] == [
        "by itself, and by many, chain", "only by many", "by itself, and by chain", "by itself",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["source.ip", "eventName", "our.log.eventName", "c-ip", "op", "plain", "parameters.x"])
def test_the_way_of_a_field_is_the_one_by_which_it_is_found(name: str) -> None:
    (source,) = LOGS.sources(name)
    way = LOGS.way(name)
    if isinstance(source, Column):
        assert (way == "schema field") == (name in BY_NAME or LOGS.alias(name) == "source.ip")
    else:
        assert (way == "in an open payload") == (source.column == "our.log.parameters")


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("type: event_count, timespan: 1d, condition: {gte: 5}", "at least 5 different events"),
        ("type: value_count, timespan: 1d, condition: {field: [a, b], eq: 5}", "exactly 5 different combinations of"),
        ("type: value_sum, timespan: 1d, condition: {field: b, gt: 1000000000}", "sum of b is more than 1000000000"),
        ("type: value_avg, timespan: 1d, condition: {field: b, lt: 1.5}", "the mean of b is less than 1.5"),
        ("type: value_median, timespan: 1d, condition: {field: b, neq: 1}", "the median of b is not 1"),
        (
            "type: value_percentile, timespan: 1d, condition: {field: b, percentile: 95, gte: 1}",
            "the 95th percentile of b is at least 1",
        ),
        ("type: temporal, timespan: 1d", "all of its 2 rules, in any order"),
        ("type: temporal_ordered, timespan: 1d", "in this order (times rise strictly)"),
        ("type: temporal, timespan: 1d, condition: {gte: 1}", "at least 1 of its rules"),
        ("type: temporal, timespan: 1d, condition: one and (two or not one)", "seen: one and (two or not one)"),
    ],
)
def test_every_kind_of_condition_has_words(tmp_path: Path, lines: str, words: str) -> None:
    (tmp_path / "r.yml").write_text(
        RULES.split("---\ntitle: Robots")[0] + f"---\ntitle: C\nname: c\ncorrelation: {{rules: [one, two], {lines}}}\n"
    )
    rules = load_rules([tmp_path / "r.yml"])
    assert words in Explaining(rules, {"our.log": LOGS}, SOURCES)(rules.correlations[0])["condition"]
