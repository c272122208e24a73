"""Runs the command as its users do: a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def siem(*arguments: object, cwd: Path | None = None, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """`siem ARGUMENTS…`; it has to end with this code."""
    command = [sys.executable, "-m", "siem", *[one if isinstance(one, bytes) else str(one) for one in arguments]]
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done


def lines(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """What it printed, as NDJSON."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def shell(line: str, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    """A line for bash with `siem` in it; the command, not what reads it, has to end with this code."""
    command = f'siem() {{ {sys.executable} -m siem "$@"; }}\n{line}\nexit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    return done
