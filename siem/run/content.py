"""Where content is: parsers, detections, dashboards; those that are shipped, then the team's own."""

from __future__ import annotations

from pathlib import Path

import siem
from siem.errors import ConfigError, ContentError
from siem.parsing import Registry, load_parsers

PACKAGE = Path(siem.__file__).parent


def shipped_content() -> Path:
    """The folder that holds `parsers`, `detections`, …: inside the wheel, or the checkout that is installed."""
    packaged = PACKAGE / "_content"
    return packaged if packaged.is_dir() else PACKAGE.parent


def content_folders(team: Path | None = None) -> list[Path]:
    """Folders that hold content, shipped ones first: what comes later replaces what has the same name.

    Raises:
        ConfigError: the team's folder does not exist.
    """
    if team is not None and not team.is_dir():
        raise ConfigError(f"content folder {team} does not exist")
    return [shipped_content(), *([team] if team is not None else [])]


def load_registry(team: Path | None = None) -> tuple[Registry, list[ContentError]]:
    """All parsers, and an error for each that cannot be used."""
    return load_parsers(folder / "parsers" for folder in content_folders(team))
