"""The command in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def siem() -> Callable[..., str]:
    """Runs `siem ARGUMENTS…`, which has to end well; gives what it said on stderr."""

    def run(*arguments: object) -> str:
        command = [sys.executable, "-m", "siem", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stderr.decode()

    return run
