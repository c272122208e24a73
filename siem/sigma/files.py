"""Rule files: where they lie in folders of content."""

from __future__ import annotations

import os
import re
from pathlib import Path

SUFFIXES = frozenset((".yml", ".yaml"))
CASES = re.compile(r"\.cases\.ya?ml$")
DETECTIONS = "detections"
ROOMS = frozenset(("dashboards", "lists", "parsers", "pipelines"))
"""What a content folder has beside its rules."""
TEAM = frozenset(("accounts", "calendar", "drop", "links", "people", "settings"))
"""And which files."""


def rule_files(path: Path) -> list[Path]:
    """The rule files of a folder and all below it, or the file itself; not the cases beside the rules.

    Of a content folder, which is one with `detections` in it, not what lies in its other rooms.
    """
    if not path.is_dir():
        return [path]
    found, seen = [], set()
    for folder, below, names in os.walk(path, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            below.clear()
            continue
        seen.add(real)
        if DETECTIONS in below:
            below[:] = [name for name in below if name not in ROOMS]
            names = [name for name in names if Path(name).stem not in TEAM]
        files = [Path(folder, name) for name in names if not CASES.search(name.lower())]
        found += [file for file in files if file.suffix.lower() in SUFFIXES]
    return sorted(found)
