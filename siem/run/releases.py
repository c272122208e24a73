"""The rules of each release, as they were shipped: texts, so that one and the same code reads what was and what is.

`detections/releases/VERSION.json` is a mapping of paths below the content folder to texts. `make release-rules` writes
that of the version in `siem/__init__.py`; it is done last before a release.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import siem
from siem.errors import UsageError
from siem.run.content import shipped_content
from siem.sigma import RuleSet, load_lists, load_pipelines, load_rules, rule_files
from siem.sigma.files import DETECTIONS

ROOMS = (DETECTIONS, "lists", "pipelines")
"""What rules are made of."""


def releases(content: Path) -> dict[str, Path]:
    """Version -> file."""
    return {file.stem: file for file in sorted((content / DETECTIONS / "releases").glob("*.json"))}


def snapshot(content: Path) -> dict[str, str]:
    """The texts of a content folder's rules, lists and pipelines, by their paths."""
    files = [file for room in ROOMS if (content / room).is_dir() for file in rule_files(content / room)]
    return {file.relative_to(content).as_posix(): file.read_text("utf-8") for file in files}


def write(content: Path, version: str) -> Path:
    """Write what a version ships."""
    file = content / DETECTIONS / "releases" / f"{version}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(snapshot(content), ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    return file


@contextmanager
def older(name: str, content: Path) -> Iterator[Path]:
    """The content folder of a release, for as long as it is looked at; or an older one by its path.

    content: where the releases are.

    Raises:
        UsageError: there is no such release, and no such folder.
    """
    known = releases(content)
    if name in known:
        with TemporaryDirectory() as folder:
            yield _restored(known[name], Path(folder))
        return
    path = Path(name).absolute()
    path = path.parent if path.name == DETECTIONS else path
    if not name or not (path / DETECTIONS).is_dir():
        there = ", ".join(known) or "none yet"
        raise UsageError(f"{name}: no release that is known, and no folder with `{DETECTIONS}`; releases: {there}")
    yield path


def _restored(file: Path, folder: Path) -> Path:
    for name, text in json.loads(file.read_text("utf-8")).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def rules_of(content: Path) -> RuleSet:
    """The rules of a content folder by themselves, with its lists and pipelines; filters as if none expired."""
    lists, _ = load_lists([content / "lists"])
    pipelines, _ = load_pipelines([room for room in [content / "pipelines"] if room.is_dir()])
    return load_rules([content / DETECTIONS], lists, pipelines)


if __name__ == "__main__":
    sys.stdout.write(f"{write(shipped_content(), siem.__version__)}\n")
