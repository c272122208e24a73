"""Secrets, which files name and do not have: `${ENV:NAME}` or `file:/run/secrets/name`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from siem.errors import ConfigError
from siem.problem import Problem

VARIABLE = re.compile(r"\$\{ENV:([A-Za-z_][A-Za-z0-9_]*)\}")
FILE = "file:"
MOST = 64 << 10
"""Characters of a file that holds a secret."""


@dataclass(frozen=True)
class Secret:
    """Where a secret is, as a file names it; or, where it is none, the value itself."""

    written: str = field(repr=False)

    def read(self) -> str:
        """The value as it is now: one that is changed needs no restart.

        Raises:
            ConfigError: there is none; says where it was looked for, never what was found.
        """
        if found := VARIABLE.fullmatch(self.written):
            value = os.environ.get(found[1], "")
            place = f"the variable {found[1]}"
        elif self.written.startswith(FILE):
            place = self.written.removeprefix(FILE)
            try:
                with Path(place).open(encoding="utf-8") as file:
                    value = file.read(MOST)
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
                raise ConfigError(f"{place}: {reason}; a channel's secret should be there") from error
        else:
            return self.written
        if not value.strip():
            raise ConfigError(f"{place} is empty; a channel's secret should be there")
        return value.strip()


def secret(value: object, what: str) -> Secret:
    """A reference, never the secret itself.

    Raises:
        Problem: it is none.
    """
    if isinstance(value, str) and (VARIABLE.fullmatch(value) or (value.startswith(FILE) and len(value) > len(FILE))):
        return Secret(value)
    raise Problem(f"`{what}` is a secret, which no file under review should have: write ${{ENV:NAME}} or file:PATH")
