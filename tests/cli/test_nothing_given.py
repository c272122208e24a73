"""Nothing is not something: no store, empty names and empty folders are told, and never pass as a good end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from siem_command import siem

pytestmark = pytest.mark.slow  # every test starts processes

READING = (
    *("alerts list", "store stats", "rejects list", "rejects replay", "detect"),
    "hunt rule.yml",
)
RULE = """\
title: Any
logsource: {product: aws}
detection: {selection: {eventName: x}, condition: selection}
"""


@pytest.mark.parametrize("command", READING)
def test_who_reads_a_store_that_is_not_there_is_told(tmp_path: Path, command: str) -> None:
    (tmp_path / "rule.yml").write_text(RULE)
    (tmp_path / "empty").mkdir()
    for place in ("typo", "empty"):
        told = siem(*command.split(), "--store", place, cwd=tmp_path, code=3).stderr.decode()
        assert told.startswith(f"siem: no store at {place};")
    assert not (tmp_path / "typo").exists()
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        *(["ingest", ""], ["parse", ""], ["rules", "check", ""], ["hunt", "rule.yml", "--on", ""]),
        *(["ingest", "log", "--store", ""], ["alerts", "list", "--store="], ["rules", "list", "--content", ""]),
        ["parse", "log", "--key", ""],
    ],
    ids=" ".join,
)
def test_an_empty_argument_never_means_this_folder(tmp_path: Path, call: list[str]) -> None:
    (tmp_path / "log").write_text("x")
    (tmp_path / "rule.yml").write_text(RULE)
    assert b"is empty" in siem(*call, cwd=tmp_path, code=2).stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "rule.yml"]


@pytest.mark.parametrize("setting", ["store", "content"])
def test_an_empty_setting_never_means_this_folder(tmp_path: Path, setting: str) -> None:
    (tmp_path / "log").write_text("x")
    command = [sys.executable, "-m", "siem", "ingest", "log"]
    environment = {**os.environ, f"SIEM_{setting.upper()}": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 3
    assert f"settings: {setting}: " in done.stderr.decode()


def test_a_folder_without_rules_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "readme.txt").write_text("none yet")
    for command in ("rules check", "rules test", "rules list", "hunt"):
        assert b"no rules in rules" in siem(*command.split(), "rules", cwd=tmp_path, code=2).stderr
