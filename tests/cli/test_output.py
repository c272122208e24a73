"""Where output goes: closed pipes, full disks, places that cannot be written, text that would play with a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from siem_command import shell, siem

pytestmark = pytest.mark.slow  # every test starts processes

LOG = '{"Records":[' + ",".join(['{"eventVersion":"1.11","eventTime":"2026-11-01T00:00:00Z"}'] * 5_000) + "]}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text(LOG)
    return path


def test_a_reader_that_has_seen_enough_is_no_error(log: Path) -> None:
    assert shell(f"siem parse --dataset aws.cloudtrail {log} | head -1", code=0).stderr == b""
    assert shell("siem rules list --format ndjson | true", code=0).stderr == b""
    assert shell("siem --help | true", code=0).stderr == b""


def test_a_stdout_that_cannot_be_written_ends_with_4_and_a_line(log: Path) -> None:
    for place, why in (("> /dev/full", b"No space left on device"), (">&-", b"Bad file descriptor")):
        told = shell(f"siem parse --dataset aws.cloudtrail {log} {place}", code=4).stderr
        assert told == b"siem: stdout cannot be written: " + why + b"\n"


def test_a_stderr_that_cannot_be_written_changes_nothing() -> None:
    for place in ("2> /dev/full", "2>&-"):
        assert shell(f"siem version {place}", code=0).stdout.startswith(b"hinomi")
        shell(f"siem parse nowhere {place}", code=2)


@pytest.mark.parametrize("option", ["--rejects", "--summary"])
def test_a_file_that_cannot_be_written_is_named(log: Path, tmp_path: Path, option: str) -> None:
    for place in (tmp_path / "nowhere" / "x", tmp_path):
        told = siem("parse", log, option, place, code=2).stderr.decode()
        assert told.count("\n") == 1
        assert f"{place} cannot be written" in told
    full = siem("parse", log, "--summary", "/dev/full", code=4).stderr
    assert b"siem: /dev/full cannot be written: No space left on device" in full


@pytest.mark.parametrize("option", ["--rejects", "--summary"])
def test_a_dash_is_no_file(log: Path, tmp_path: Path, option: str) -> None:
    done = siem("parse", log, option, "-", cwd=tmp_path, code=2)
    assert done.stderr.decode() == f"siem: {option} -: stdout has the events; name a file, or /dev/stderr\n"
    assert not (tmp_path / "-").exists()


def test_a_user_that_does_not_exist_has_no_store() -> None:
    told = siem("ingest", ".", "--store", "~nobody-at-all/store", code=3).stderr.decode()
    assert told.count("\n") == 1
    assert "~nobody-at-all/store" in told


def test_what_cannot_be_understood_is_told_with_the_way_to_call_it() -> None:
    told = siem("parse", "--form\x1b[2J", "x", code=2).stderr.decode().splitlines()
    assert told == [
        "Usage: siem parse [OPTIONS] {files}...",
        r"No such option: --form\x1b[2J",
        "Try 'siem parse --help'.",
    ]


EVIL = "evil \x1b[31m\u202e [bold]red :smile:.json"
SHOWN = r"evil \x1b[31m\u202e [bold]red :smile:.json"


def test_names_of_files_reach_the_terminal_as_text(tmp_path: Path) -> None:
    for arguments in (["parse", EVIL], ["rules", "check", EVIL], ["alerts", "list", "--store", EVIL]):
        done = subprocess.run(
            [sys.executable, "-m", "siem", *arguments], cwd=tmp_path, capture_output=True, check=False
        )
        assert SHOWN in done.stderr.decode()
    (tmp_path / EVIL).write_text("title: [")
    assert SHOWN in siem("parse", EVIL, cwd=tmp_path).stderr.decode()
    assert SHOWN in siem("rules", "check", EVIL, "--format", "table", cwd=tmp_path, code=1).stdout.decode()


def test_a_name_that_is_not_utf8_is_told_too(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff.log")
    (tmp_path / name).write_text("x")
    assert rb"\udcff.log: unrecognised" in siem("parse", name, cwd=tmp_path).stderr
