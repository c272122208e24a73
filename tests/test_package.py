"""The wheel, installed where nothing else is."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_plain_install_brings_what_every_command_needs(tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)
    (wheel,) = (tmp_path / "dist").iterdir()
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"
    run(programs / "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    siem = programs / "siem"

    assert json.loads(run(siem, "rules", "list", "--format", "json", cwd=tmp_path))
    assert all(json.loads(line)["ok"] for line in run(siem, "rules", "test", cwd=tmp_path).splitlines())
    run(siem, "demo", cwd=tmp_path)
    stats = json.loads(run(siem, "store", "stats", "--store", "siem-data/demo", "--format", "json", cwd=tmp_path))
    assert {"aws.cloudtrail", "aws.vpcflow"} <= {row["dataset"] for row in stats["datasets"]}
    typed = "import siem, importlib.resources as r; print(r.files(siem).joinpath('py.typed').is_file())"
    assert run(programs / "python", "-c", typed, cwd=tmp_path) == "True\n"
