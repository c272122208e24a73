"""docs/writing-detections.md: its commands run as they are written, and print what it says."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # starts many processes

PAGE = Path(__file__).parents[1] / "docs" / "writing-detections.md"
STEP = re.compile(r"```sh\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)

STYLING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(script: str, folder: Path) -> str:
    """What a script prints on a terminal that is wide enough."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "200", "TERM": "xterm", "NO_COLOR": "1"}
    command = f'siem() {{ {sys.executable} -m siem "$@"; }}\n{script}'
    running = subprocess.Popen(
        ["bash", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed = b""
    while True:
        try:
            block = os.read(ours, 1 << 16)
        except OSError:  # how a terminal ends
            break
        if not block:
            break
        printed += block
    os.close(ours)
    running.wait()
    return STYLING.sub("", printed.decode())


def pattern(text: str) -> re.Pattern[str]:
    """Of what is printed: spaces and line ends do not count, `…` stands for anything."""
    words = [re.escape("".join(part.split())) for part in text.split("…")]
    return re.compile(".*".join(words))


def test_every_command_of_the_page_prints_what_it_says(tmp_path: Path) -> None:
    steps = STEP.findall(PAGE.read_text())
    assert len(steps) >= 7
    for script, text in steps:
        printed = "".join(on_a_terminal(script, tmp_path).split())
        assert "Traceback" not in printed
        assert pattern(text).search(printed), f"{script}\n{printed}"
