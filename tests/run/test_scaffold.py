"""A first rule and its cases: for every dataset they pass as they are made."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import pytest

from siem.detect.sources import Sources
from siem.errors import UsageError
from siem.parsing import Parser, Registry
from siem.run.cases import cases
from siem.run.scaffold import place, scaffold
from siem.run.verdicts import Trial
from siem.sigma import RuleSet, load_rules

IDS = ("8d1561d4-f93b-43fb-bc41-f3eb62c9ef99", "b44b6cff-f45b-4584-8c98-86e35754470d")
TODAY = date(2026, 11, 26)
DATASETS = ("aws.cloudtrail", "aws.elb", "aws.vpcflow", "aws.waf")


def made(folder: Path, parser: Parser, correlated: bool) -> RuleSet:
    place(folder, "first_rule", scaffold("first_rule", parser, IDS, TODAY, correlated))
    return load_rules([folder])


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize("dataset", DATASETS)
def test_what_is_made_passes_as_it_is(tmp_path: Path, registry: Registry, dataset: str, correlated: bool) -> None:
    rules = made(tmp_path / "detections", registry.parsers[dataset], correlated)
    assert (rules.refused, rules.doubts) == ((), ())
    assert [one.key for one in (*rules.rules, *rules.correlations)] == list(IDS[: 1 + correlated])
    assert all(rule.level for rule in rules.rules)
    assert f"date: {TODAY}" in (tmp_path / "detections" / "first_rule.yml").read_text()
    sources = Sources.of(registry)
    found, problems = cases(rules, sources)
    assert problems == []
    trial = Trial(registry, sources)
    assert [(case.match, trial.verdict(case).why) for case in found] == [(True, ""), (False, "")] * (1 + correlated)


def test_every_parser_of_ours_has_an_example(registry: Registry) -> None:
    assert {dataset for dataset, parser in registry.parsers.items() if parser.example} == set(DATASETS)


@pytest.mark.parametrize("taken", ["first_rule.yml", "first_rule.cases.yml"])
def test_nothing_is_overwritten(tmp_path: Path, registry: Registry, taken: str) -> None:
    (tmp_path / taken).write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        made(tmp_path, registry.parsers["aws.waf"], False)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(taken, "mine")]


@pytest.mark.parametrize("name", ["", "Upper", "a-b", "../up", "a/b", "a.yml", "a b", "_a", "ü", "a" * 65, "a\n"])
def test_a_name_is_never_a_path(registry: Registry, name: str) -> None:
    with pytest.raises(UsageError, match="a rule is named"):
        scaffold(name, registry.parsers["aws.waf"], IDS, TODAY)


def test_a_parser_without_an_example_is_told(registry: Registry) -> None:
    parser = replace(cast("Any", registry.parsers["aws.waf"]), example=None)
    with pytest.raises(UsageError, match="no `example`"):
        scaffold("first_rule", parser, IDS, TODAY)
