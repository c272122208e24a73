"""Our pipelines and pySigma's: every rule comes out the same, or both refuse it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pipeline_cases import PIPELINES, RULES
from pipeline_reference import as_read, by_reference
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingPipeline

from siem.problem import Problem, Problems
from siem.sigma.detection import detection
from siem.sigma.pipeline import load_pipelines

CONTENTS = {title: yaml.safe_load(text) for title, text in RULES.items()}
LISTS = dict.fromkeys(("admins", "hosts", "plain"), ("x",))
LOSES_CASE = {"replaced", "replaced backslash", "replaced wildcard"}
"""pySigma forgets `cased` of a value that `replace_string` changes; we do not."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pySigma's own
@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_makes_of_every_rule_what_pysigma_makes_of_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / "p.yml"
    file.write_text(PIPELINES[name])
    (pipeline,), errors = load_pipelines([file])
    assert errors == []
    reference = ProcessingPipeline.from_yaml(PIPELINES[name])
    for title, content in CONTENTS.items():
        if title == "cased" and name in LOSES_CASE:
            continue
        try:
            wanted = by_reference(reference, content)
        except SigmaError:
            wanted = None
        try:
            changed = pipeline.applied(content)
        except Problem:
            assert wanted is None or None in wanted["conditions"], f"we refuse {title}"
            continue
        assert as_read(changed) == wanted, title
        problems = Problems()
        detection(changed["detection"], LISTS, problems)
        assert [str(problem) for problem in problems.found] == [], title
