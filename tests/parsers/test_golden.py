"""Every parser's golden cases, and that every parser has some."""

from __future__ import annotations

from pathlib import Path

import pytest

from siem.parsing import Registry
from siem.testing.golden import assert_golden, cases

HERE = Path(__file__).parent


@pytest.mark.parametrize("case", cases(HERE), ids=lambda case: f"{case.parent.name}/{case.name}")
def test_golden(case: Path, registry: Registry) -> None:
    assert_golden(case, registry)


def test_every_shipped_parser_has_cases(registry: Registry) -> None:
    with_cases = {case.parent.name for case in cases(HERE)}
    assert {dataset.rpartition(".")[2] for dataset in registry.parsers} <= with_cases
