"""Hunts whose engine cannot do what it is asked."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from siem.detect.hunting import Hunt, Record
from siem.detect.sources import Sources
from siem.errors import ContentError, UsageError
from siem.parsing import Registry
from siem.schema import Query
from siem.sigma import load_rules
from siem.store.embedded.engine import Engine

RULES = """\
title: Refused
logsource: {product: any}
detection: {selection: {name|startswith: a}, condition: selection}
---
title: Run
logsource: {product: any}
detection: {selection: {name|endswith: a}, condition: selection}
"""


def test_a_query_that_the_engine_refuses_costs_no_rule_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    run = Engine.matches
    refused: list[Query] = []

    def refusing(engine: Engine, table: pa.Table, asked: Query) -> list[int]:
        if not refused:
            refused.append(asked)
        if asked is refused[0]:
            raise ContentError("the embedded store cannot run this query")
        return run(engine, table, asked)

    monkeypatch.setattr(Engine, "matches", refusing)
    hunt = Hunt(load_rules([tmp_path / "rules.yml"]), Sources.of(Registry({})), "duckdb")
    names = ("alpha", "beta", "gamma", "among", "none")
    found = list(hunt.records([Record(name, {"name": name}) for name in names]))
    assert refused
    assert [(match.rule.title, match.event_id) for match in found] == [
        ("Refused", "alpha"),
        ("Run", "alpha"),
        ("Run", "beta"),
        ("Run", "gamma"),
        ("Refused", "among"),
    ]


@pytest.mark.parametrize("engine", ["rust", "opensearch"])
def test_an_engine_that_is_not_there(tmp_path: Path, engine: str) -> None:
    (tmp_path / "rules.yml").write_text(RULES)
    with pytest.raises(UsageError, match=f"engine {engine}: this version has python, duckdb, opensearch"):
        Hunt(load_rules([tmp_path / "rules.yml"]), Sources.of(Registry({})), engine)
