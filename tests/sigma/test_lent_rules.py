"""A file by itself: its correlations may name rules of other files, which come with it and stay in the background."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem.sigma import RuleSet, load_pipelines, load_rules

RULE = """\
title: {name}
name: {name}
logsource: {{product: {product}}}
detection: {{selection: {{f: {value}}}, condition: selection}}
"""
CORRELATION = """\
title: {name}
name: {name}
correlation: {{type: {type}, rules: {rules}, timespan: 5m, condition: {{gte: 1}}, generate: {generate}}}
"""


def rule(name: str, value: str = "x", product: str = "aws") -> str:
    return RULE.format(name=name, value=value, product=product)


def correlation(name: str, rules: str, generate: str = "false", type_: str = "event_count") -> str:
    return CORRELATION.format(name=name, rules=rules, generate=generate, type=type_)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / "a.yml").write_text(rule("a") + "---\n" + rule("unasked"))
    (folder / "inner.yml").write_text(correlation("inner", "[A]"))
    (folder / "broken.yml").write_text(rule("broken").replace("condition: selection", "condition: nothing"))
    return folder


def load(tmp_path: Path, others: Path, text: str, **more: object) -> RuleSet:
    (tmp_path / "given.yml").write_text(text)
    return load_rules([tmp_path / "given.yml"], others=[others], **more)  # type: ignore[arg-type]


def keys(rules: RuleSet) -> tuple[list[str], list[str]]:
    return [one.key for one in rules.own], sorted(rules.lent)


def test_rules_that_a_correlation_names_come_from_the_others_and_no_more(tmp_path: Path, others: Path) -> None:
    found = load(tmp_path, others, correlation("c", "[a]"))
    assert (keys(found), found.refused, found.silent) == ((["c"], ["a"]), (), {"a"})
    assert [one.key for _, one in found.documents] == ["c"]


def test_a_correlation_that_is_lent_brings_what_it_names(tmp_path: Path, others: Path) -> None:
    found = load(tmp_path, others, correlation("c", "[inner]"))
    assert (keys(found), found.silent) == ((["c"], ["a", "inner"]), {"a", "inner"})


def test_rules_that_only_words_name_come_too(tmp_path: Path, others: Path) -> None:
    words = "title: c\nname: c\ncorrelation: {type: temporal, timespan: 5m, condition: a and not inner}\n"
    assert keys(load(tmp_path, others, words)) == (["c"], ["a", "inner"])


def test_what_is_given_comes_before_others(tmp_path: Path, others: Path) -> None:
    found = load(tmp_path, others, rule("a", value="given") + "---\n" + correlation("c", "[inner, a]"))
    assert keys(found) == (["a", "c"], ["inner"])
    assert found.correlations[0].rules == ("a",)


def test_without_need_the_others_are_not_looked_at(tmp_path: Path) -> None:
    found = load(tmp_path, tmp_path / "nowhere", rule("a") + "---\n" + correlation("c", "[a]"))
    assert keys(found) == (["a", "c"], [])


def test_a_rule_that_is_lent_alerts_only_if_the_correlation_generates(tmp_path: Path, others: Path) -> None:
    assert load(tmp_path, others, correlation("c", "[a]", generate="true")).silent == frozenset()
    refused = load(tmp_path, others, correlation("c", "[a]", type_="unheard_of"))
    assert (keys(refused), refused.silent) == (([], ["a"]), {"a"})


def test_a_name_that_nobody_has_and_a_refused_rule_refuse_the_correlation(tmp_path: Path, others: Path) -> None:
    (none,) = load(tmp_path, others, correlation("c", "[nobody]")).refused
    assert "it names nobody, but no rule has that id or name" in str(none)
    own, lent = load(tmp_path, others, correlation("c", "[broken]")).refused
    assert str(own).startswith(f"{tmp_path / 'given.yml'}:3: it names broken, which is refused: ")
    assert str(lent).startswith(f"{others / 'broken.yml'}:4: ")


def test_pipelines_see_what_is_lent(tmp_path: Path, others: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "aws.yml").write_text(
        "name: p\ntransformations:\n- {type: field_name_mapping, mapping: {g: ours},"
        " rule_conditions: [{type: logsource, product: aws}]}\n"
    )
    pipelines, errors = load_pipelines([tmp_path / "p"])
    text = correlation("c", "[a]").replace("timespan: 5m", "timespan: 5m, group-by: g")
    found = load(tmp_path, others, text, pipelines=pipelines)
    assert (errors, found.correlations[0].group_by) == ([], ("ours",))
