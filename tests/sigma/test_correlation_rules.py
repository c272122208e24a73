"""Correlations as they are read: what they say, what they are bound to, and what is refused with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from siem.sigma import Correlation, RuleSet, load_pipelines, load_rules
from siem.sigma.correlation import Kind
from siem.sigma.tree import And, Exists, Leaf, Not, Or

BASE = "".join(
    [
        f"name: {name}\nlogsource: {{}}\nlevel: {level}\ndetection: {{s: {{f: {name}}}, condition: s}}\n---\n"
        for name, level in (("a", "low"), ("b", "high"), ("c", "medium"))
    ]
)
REFUSED = "name: bad\ntitle: Bad\nlogsource: {}\ndetection: text\n---\n"
FIRST = "title: C\ncorrelation:\n"


def loaded(tmp_path: Path, *lines: str, before: str = BASE) -> RuleSet:
    (tmp_path / "c.yml").write_text(before + FIRST + "".join([f"  {line}\n" for line in lines]))
    return load_rules([tmp_path / "c.yml"])


def read(tmp_path: Path, *lines: str) -> Correlation:
    rules = loaded(tmp_path, *lines)
    assert rules.refused == ()
    return rules.correlations[-1]


COUNT = ("type: event_count", "rules: a", "timespan: 5m")


def test_what_a_correlation_says(tmp_path: Path) -> None:
    made = read(
        tmp_path,
        *("type: value_count", "rules: [a, b]", "group-by: [user, ip]", "timespan: 90s", "generate: true"),
        *("aliases: {ip: {a: src, b: dst}}", "condition: {field: [x, y], gt: 2, lte: 5.5}"),
    )
    assert (made.kind, made.rules, made.group_by, made.fields) == (
        Kind.VALUE_COUNT, ("a", "b"), ("user", "ip"), ("x", "y"),
    )  # fmt: skip
    assert (made.span, made.generate, made.ties, made.level) == (timedelta(seconds=90), True, False, "high")
    assert [made.field_of("ip", "a"), made.field_of("ip", "b"), made.field_of("user", "a")] == ["src", "dst", "user"]
    assert made.threshold is not None
    assert [made.threshold.holds(number) for number in (2, 3, 5.5, 6)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("2m", 120), ("3h", 10_800), ("1d", 86_400), ("1w", 604_800), ("1M", 2_592_000), ("1y", 31_536_000)],
)
def test_every_unit_of_a_timespan(tmp_path: Path, text: str, seconds: int) -> None:
    made = read(tmp_path, "type: event_count", "rules: [a]", f"timespan: {text}", "condition: {gte: 2}")
    assert made.span == timedelta(seconds=seconds)


def test_temporal_without_a_condition_wants_all_its_rules(tmp_path: Path) -> None:
    made = read(tmp_path, "type: temporal", "rules: [a, b, c]", "timespan: 1m")
    assert made.threshold is not None
    assert [made.threshold.holds(number) for number in (2, 3)] == [False, True]


@pytest.mark.parametrize("rules", ["rules: [a, b, c]", "group-by: []"])
def test_words_about_rules_become_a_tree_and_name_the_rules(tmp_path: Path, rules: str) -> None:
    made = read(tmp_path, "type: temporal", rules, "timespan: 1m", "condition: a and (b or not c)")
    leaf = {name: Leaf(name, Exists()) for name in "abc"}
    assert made.expression == And((leaf["a"], Or((leaf["b"], Not(leaf["c"])))))
    assert made.rules == ("a", "b", "c")


def test_an_order_in_words_is_the_order_of_the_words(tmp_path: Path) -> None:
    made = read(tmp_path, "type: temporal_ordered", "timespan: 1m", "condition: c and a")
    assert (made.rules, made.expression) == (("c", "a"), None)


def test_rules_are_found_by_id_name_and_in_any_file_and_order(tmp_path: Path) -> None:
    (tmp_path / "1.yml").write_text(
        "title: C\ncorrelation:\n  type: temporal\n  rules: [ID-1, Other]\n  timespan: 1m\n"
        "  aliases: {u: {called: x, other: y}}\n"
    )
    (tmp_path / "2.yml").write_text(
        "title: T\nid: id-1\nname: called\nlogsource: {}\ndetection: {s: {f: x}, condition: s}\n---\n"
        "title: T\nname: other\nlogsource: {}\ndetection: {s: {f: x}, condition: s}\n"
    )
    rules = load_rules([tmp_path])
    assert rules.refused == ()
    assert rules.correlations[0].rules == ("id-1", "other")
    assert rules.correlations[0].aliases == {"u": {"id-1": "x", "other": "y"}}


def test_a_correlation_stands_behind_those_that_it_names(tmp_path: Path) -> None:
    outer = "title: O\nname: outer\ncorrelation: {type: temporal, rules: [inner, b], timespan: 1h, group-by: u}\n---\n"
    inner = "title: I\nname: inner\ncorrelation:\n  type: event_count\n  rules: a\n  timespan: 5m\n"
    (tmp_path / "c.yml").write_text(BASE + outer + inner + "  group-by: [u, v]\n  condition: {gte: 2}\n")
    rules = load_rules([tmp_path])
    assert [one.key for one in rules.correlations] == ["inner", "outer"]
    assert rules.silent == {"a", "b", "inner"}


def test_rules_of_a_correlation_that_generates_are_not_silent(tmp_path: Path) -> None:
    assert loaded(tmp_path, *COUNT, "condition: {gte: 2}").silent == {"a"}
    assert loaded(tmp_path, *COUNT, "condition: {gte: 2}", "generate: true").silent == frozenset()


def test_the_level_is_its_own_or_the_highest_of_its_rules(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text(
        f"{BASE}level: critical\n{FIRST}  type: temporal\n  rules: [a, c]\n  timespan: 1m\n---\n"
        f"{FIRST}  type: temporal\n  rules: [a, c]\n  timespan: 1m\n"
    )
    assert [one.level for one in load_rules([tmp_path]).correlations] == ["critical", "medium"]


@pytest.mark.parametrize(
    ("lines", "below", "message"),
    [
        (("type: many", "rules: a", "timespan: 1m"), 2, "type `many` is not known"),
        (("rules: a", "timespan: 1m"), 1, "correlation has no type"),
        (("type: event_count", "timespan: 1m", "condition: {gte: 1}"), 1, "needs `rules`"),
        ((*COUNT[:2], "condition: {gte: 1}"), 1, "`timespan` is needed"),
        ((*COUNT[:2], "timespan: 0m", "condition: {gte: 1}"), 4, "`timespan` cannot be 0m"),
        ((*COUNT[:2], "timespan: 15", "condition: {gte: 1}"), 4, "`timespan` cannot be 15"),
        ((*COUNT, "within: 5m", "condition: {gte: 1}"), 5, "correlation has no `within`; there is: timespan"),
        (COUNT, 1, "event_count needs a condition"),
        ((*COUNT, "condition: a and b"), 5, "needs a number to compare with"),
        ((*COUNT, "condition: {gte: many}"), 5, "`gte` must be a number"),
        ((*COUNT, "condition: {gte: true}"), 5, "`gte` must be a number"),
        ((*COUNT, "condition: {over: 3}"), 5, "condition has no `over`"),
        ((*COUNT, "condition: {field: x, gte: 3}"), 5, "event_count takes no `field`"),
        (("type: value_sum", *COUNT[1:], "condition: {gte: 3}"), 5, "value_sum needs `field`"),
        (("type: value_avg", *COUNT[1:], "condition: {field: [x, y], gte: 3}"), 5, "is about one field"),
        (("type: value_percentile", *COUNT[1:], "condition: {field: x, gte: 3}"), 5, "needs `percentile`"),
        ((*COUNT, "condition: {gte: 3, percentile: 5}"), 5, "takes no `percentile`"),
        ((*COUNT, "condition: {gte: 3}", "generate: maybe"), 6, "`generate` must be true or false"),
        ((*COUNT, "condition: {gte: 3}", "aliases: [x]"), 6, "`aliases` must be a mapping"),
        ((*COUNT, "condition: {gte: 3}", "aliases: {x: {b: y}}"), 6, "alias x names b, which is none of its rules"),
        ((*COUNT, "condition: {gte: 3}", "group-by: {x: y}"), 6, "`group-by` must be a list"),
        (("type: event_count", "rules: [a, nobody]", "timespan: 1m", "condition: {gte: 1}"), 3, "names nobody, but no"),
        (("type: event_count", "rules: bad", "timespan: 1m", "condition: {gte: 1}"), 3, "names bad, which is refused:"),
        (("type: temporal", "rules: [a, b]", "timespan: 1m", "condition: a and x"), 5, "no such selection"),
        (("type: temporal", "rules: [a, b]", "timespan: 1m", "condition: not a"), 5, "does not name b"),
        (("type: temporal_ordered", "timespan: 1m", "condition: a or b"), 4, "cannot be run exactly"),
        (("type: temporal_ordered", "rules: [a, b]", "timespan: 1m", "condition: {gte: 1}"), 5, "is of all 2 rules"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_with_its_line(
    tmp_path: Path, lines: tuple[str, ...], below: int, message: str
) -> None:
    rules = loaded(tmp_path, *lines, before=BASE + REFUSED)
    assert rules.correlations == ()
    told = [(error.line, error.message) for error in rules.refused]
    start = (BASE + REFUSED + FIRST).count("\n")
    assert any(line == start + below - 1 and message in text for line, text in told), told


def test_a_correlation_that_names_a_refused_correlation_or_itself_is_refused(tmp_path: Path) -> None:
    text = "title: C\nname: {}\ncorrelation: {{type: temporal, rules: [{}], timespan: 1h}}\n---\n"
    (tmp_path / "c.yml").write_text(
        "".join([text.format(*pair) for pair in (("x", "y"), ("y", "nobody"), ("p", "q"), ("q", "p"), ("me", "me"))])
    )
    rules = load_rules([tmp_path])
    assert rules.correlations == ()
    assert [error.message for error in rules.refused] == [
        "it names y, which is refused: it names nobody, but no rule has that id or name",
        "it names nobody, but no rule has that id or name",
        "the correlation names itself: p -> q -> p",
        "the correlation names itself: q -> p -> q",
        "the correlation names itself: me -> me",
    ]
    assert rules.withheld == {"x", "y", "p", "q", "me"}


def test_a_firing_has_no_values_but_those_of_its_group(tmp_path: Path) -> None:
    inner = "title: I\nname: inner\ncorrelation:\n  type: event_count\n  rules: a\n  timespan: 5m\n"
    inner += "  condition: {gte: 2}\n  group-by: u\n---\n"
    for lines, message in [
        (("type: event_count", "rules: inner", "timespan: 1h", "condition: {gte: 2}", "group-by: v"), "group-by v"),
        (("type: value_count", "rules: inner", "timespan: 1h", "condition: {field: u, gte: 2}"), "needs events"),
    ]:
        rules = loaded(tmp_path, *lines, before=BASE + inner)
        assert [message in error.message for error in rules.refused] == [True]
    aliased = loaded(
        tmp_path,
        *("type: event_count", "rules: inner", "timespan: 1h", "condition: {gte: 2}", "group-by: v"),
        "aliases: {v: {inner: u}}",
        before=BASE + inner,
    )
    assert aliased.refused == ()


def test_a_pipeline_reaches_a_correlation_through_the_rules_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "aws.yml").write_text(
        "transformations:\n  - type: field_name_mapping\n    mapping: {user: userIdentity.arn, f: g}\n"
        "    rule_conditions: [{type: logsource, product: aws}]\n"
    )
    pipelines, errors = load_pipelines([tmp_path / "p"])
    assert errors == []
    lines = ("type: event_count", "rules: a", "timespan: 5m", "condition: {gte: 2}", "group-by: user")
    for product, field, group in [("aws", "g", "userIdentity.arn"), ("gcp", "f", "user")]:
        text = BASE.replace("logsource: {}", f"logsource: {{product: {product}}}") + FIRST
        (tmp_path / "c.yml").write_text(text + "".join([f"  {line}\n" for line in lines]))
        rules = load_rules([tmp_path / "c.yml"], pipelines=pipelines)
        assert rules.refused == ()
        assert [rule.fields for rule in rules.rules] == [{field}] * 3
        assert rules.correlations[0].group_by == (group,)
