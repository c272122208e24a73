"""CONTRIBUTING.md, followed: a log source is one file, and a first rule for it passes as it is made."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from siem.detect.sources import Sources
from siem.run.cases import cases
from siem.run.content import load_registry
from siem.run.scaffold import place, scaffold
from siem.run.verdicts import Trial
from siem.sigma import load_rules

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
IDS = ("8d1561d4-f93b-43fb-bc41-f3eb62c9ef99", "b44b6cff-f45b-4584-8c98-86e35754470d")


@pytest.mark.parametrize("correlated", [False, True])
def test_a_source_is_added_and_has_a_rule(tmp_path: Path, correlated: bool) -> None:
    """Its log source is a category, which shipped datasets answer too."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    (tmp_path / "parsers").mkdir()
    (tmp_path / "parsers" / "proxy.py").write_text(found[1])
    registry, errors = load_registry(tmp_path)
    assert errors == []
    made = scaffold("refused", registry.parsers["our.proxy"], IDS, date(2026, 11, 26), correlated)
    place(tmp_path / "detections", "refused", made)
    sources = Sources.of(registry)
    own, problems = cases(load_rules([tmp_path / "detections"]), sources)
    assert problems == []
    trial = Trial(registry, sources)
    assert [(case.match, trial.verdict(case).why) for case in own] == [(True, ""), (False, "")] * (1 + correlated)
