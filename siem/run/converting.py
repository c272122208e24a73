"""Hands rules over to sigma-cli, which has backends for other SIEMs: in a child process, as its imports are slow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata

from siem.errors import ConfigError

PACKAGE = "sigma-cli"
SIGMA = "import sys; from sigma.cli.main import main; sys.argv[0] = 'sigma'; sys.exit(main())"


def convert(arguments: Sequence[str]) -> int:
    """`sigma convert ARGUMENTS…` of this environment, on our own stdin, stdout and stderr; returns its exit code.

    Raises:
        ConfigError: sigma-cli is not installed.
    """
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise ConfigError(f"{PACKAGE} is not installed here: pip install 'hinomi[convert]'") from None
    # -P: a file that is called sigma.py where rules are is not meant.
    return subprocess.run([sys.executable, "-P", "-c", SIGMA, "convert", *arguments], check=False).returncode  # noqa: S603
