"""Every parser's golden cases, and that every parser has some."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from siem.parsing import Registry
from siem.schema import BY_NAME
from siem.testing.golden import EVENTS, assert_golden, cases

HERE = Path(__file__).parent


@pytest.mark.parametrize("case", cases(HERE), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_golden(case: Path, registry: Registry) -> None:
    assert_golden(case, registry)


def test_every_shipped_parser_has_cases(registry: Registry) -> None:
    with_cases = {case.parent.name for case in cases(HERE)}
    assert {dataset.rpartition(".")[2] for dataset in registry.parsers} <= with_cases


@pytest.mark.parametrize("name", ["aws.cloudtrail", "aws.vpcflow", "aws.waf"])
def test_a_rule_can_ask_for_every_field_that_a_parser_fills_and_for_no_other(name: str, registry: Registry) -> None:
    parser = registry.parsers[name]
    found: set[str] = set()
    for case in (case for case in cases(HERE) if case.parent.name == name.rpartition(".")[2]):
        for line in (case / EVENTS).read_bytes().splitlines():
            found |= orjson.loads(line).keys() & BY_NAME.keys()
    assert found | {"event.ingested"} == parser.fields.filled
