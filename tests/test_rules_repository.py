"""docs/examples/rules-repository.yml: its lines run as they are written, in a repository of rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "rules-repository.yml"
JOB = yaml.safe_load(EXAMPLE.read_text())["jobs"]["rules"]
STEPS = {step["name"]: step["run"] for step in JOB["steps"] if "run" in step and step["name"] != "install"}

pytestmark = pytest.mark.slow  # starts many processes


def run(script: str, repository: Path) -> subprocess.CompletedProcess[str]:
    """As the runner does: `bash -e -o pipefail`."""
    environment = {**os.environ, **JOB["env"], "SIEM_STORE": str(repository.parent / "store")}
    text = f'siem() {{ {sys.executable} -m siem "$@"; }}\n{script}'
    command = ["bash", "-e", "-o", "pipefail", "-c", text]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(samples: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    shutil.copytree(samples / "bucket", folder / "logs")
    (folder / "detections").mkdir()
    assert run("siem rules new console_login --dir detections", folder).returncode == 0
    return folder


def test_a_good_repository_passes(repository: Path) -> None:
    assert len(STEPS) >= 4
    for name, script in STEPS.items():
        done = run(script, repository)
        assert done.returncode == 0, f"{name}\n{done.stderr}"
    assert "all rules" in run(STEPS["alerts over the logs"], repository).stdout


@pytest.mark.parametrize(
    ("step", "of", "to"),
    [
        ("every rule, list, filter and setting can be used", "condition: selection", "condition: selektion"),
        ("every case goes as it says", "condition: selection", "condition: not selection"),
        (
            "no rule raises more than 20 alerts on one day",
            "condition: selection",
            "condition: 1 of them or not selection",
        ),
    ],
)
def test_what_is_wrong_fails_its_step(repository: Path, step: str, of: str, to: str) -> None:
    rule = repository / "detections" / "console_login.yml"
    rule.write_text(rule.read_text().replace(of, to))
    run(STEPS["alerts over the logs"], repository)
    assert run(STEPS[step], repository).returncode == 1
