"""Rules and pipelines in few words, for tests of what one makes of the other."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
import yaml

from siem.problem import Problem
from siem.sigma.pipeline import Pipeline, load_pipelines


def pipeline(folder: Path, steps: str, head: str = "") -> Pipeline:
    file = folder / "p.yml"
    file.write_text(f"name: team\n{dedent(head)}transformations:\n{indent(dedent(steps), '  ')}")
    (loaded,), errors = load_pipelines([file])
    assert errors == []
    return loaded


def rule(detection: str, **more: Any) -> dict[str, Any]:
    read = yaml.safe_load(dedent(detection))
    content = {"title": "T", "logsource": {"product": "aws", "service": "cloudtrail"}, "detection": read, **more}
    content["detection"].setdefault("condition", "s")
    return content


def changed(folder: Path, steps: str, detection: str, head: str = "") -> Any:
    """The detection of a rule after a pipeline, its condition left out where it is only `s`."""
    content = rule(detection)
    before = copy.deepcopy(content)
    after: dict[str, Any] = pipeline(folder, steps, head).applied(content)["detection"]
    assert content == before, "what is given is never changed"
    if after["condition"] == "s":
        del after["condition"]
    return after


def refusal(
    loaded: Pipeline, content: Mapping[str, Any], referenced: Sequence[Mapping[str, Any]] | None = None
) -> Problem:
    with pytest.raises(Problem) as caught:
        loaded.applied(content, referenced)
    return caught.value


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dedent(text))
    return file
