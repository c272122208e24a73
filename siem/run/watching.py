"""The content in use, loaded again when one of its files changed: a rule that is saved is in use on the next tick."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from siem.errors import ConfigError, ContentError
from siem.run.content import Content, content_folders, load_content, rooms
from siem.sigma import Filter

SETTLING = 0.1
"""Seconds in which no file may change before they are read anew."""

ROOMS = ("parsers", "detections", "lists", "pipelines")

File = tuple[str, int, int, int]
"""Path, size and both times of a file: that of its change cannot be set by whoever writes it."""


class Watched:
    """The content of a team. live_window: see `Circumstances`.

    told: hears of what is `refused`, or `expired`, and why; of each thing once as long as it stays so.
    """

    def __init__(self, team: Path | None, live_window: timedelta, told: Callable[[str, str], None]) -> None:
        self._team, self._live_window, self._told = team, live_window, told
        self._stamp: frozenset[File] | None = None
        self._content: Content | None = None
        self._known: frozenset[tuple[str, str]] = frozenset()

    def content(self, now: datetime) -> Content:
        """As the files are, and filters that have not expired. Files that somebody is writing, and those that change
        while they are read, are read the next time. Where it cannot be read at all, what was in use stays so.

        Raises:
            ConfigError, ContentError: it never could; see `load_content`.
        """
        try:
            files = stamp(self._team)
            if self._content is not None and files != self._stamp and self._are_written(files):
                return self._content
            if self._content is None or files != self._stamp or _expired(self._content, now):
                self._content, self._stamp = load_content(self._team, self._live_window, now), files
                self._tell(_problems(self._content))
        except (ConfigError, ContentError) as error:
            if self._content is None:
                raise
            self._tell(frozenset([("refused", str(error)), *_problems(self._content)]))
        return self._content

    @property
    def current(self) -> Content | None:
        """As it was found last; None: it never was."""
        return self._content

    def _are_written(self, files: frozenset[File]) -> bool:
        """Just now: a file that is saved is empty for a moment."""
        time.sleep(SETTLING)
        return stamp(self._team) != files

    def _tell(self, problems: frozenset[tuple[str, str]]) -> None:
        for what, why in sorted(problems - self._known):
            self._told(what, why)
        self._known = problems


def _expired(content: Content, now: datetime) -> bool:
    """Filters expired since it was loaded; or the clock was set back, and some have not yet."""
    filters = (*content.rules.filters, *content.rules.expired)
    return sum([one.expires is not None and one.expires <= now for one in filters]) != len(content.rules.expired)


def _problems(content: Content) -> frozenset[tuple[str, str]]:
    refused = [("refused", str(problem)) for problem in content.problems]
    return frozenset([*refused, *[("expired", expiry(one)) for one in content.rules.expired]])


def expiry(one: Filter) -> str:
    """What is said of a filter that has expired."""
    owner = f"; its owner is {one.owner}" if one.owner else ""
    return f"{one.file}:{one.line}: the filter {one.title} is not applied since {one.expires:%FT%TZ}{owner}"


def stamp(team: Path | None) -> frozenset[File]:
    """What tells whether any file of the content changed: a few milliseconds for a thousand.

    Raises:
        ConfigError: the team's folder does not exist.
    """
    content_folders(team)
    own = sorted(team.glob("*.y*ml")) if team is not None else []
    return frozenset([*map(_file, own), *[one for name in ROOMS for room in rooms(name, team) for one in _files(room)]])


def _files(room: Path) -> Iterator[File]:
    seen = set()
    for folder, below, names in os.walk(room, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            below.clear()
            continue
        seen.add(real)
        below[:] = [name for name in below if name != "__pycache__"]  # written when a parser is loaded
        yield from [_file(Path(folder, name)) for name in names]


def _file(path: Path) -> File:
    try:
        found = path.stat()
    except OSError:  # gone meanwhile, or a link to nothing
        return str(path), 0, 0, 0
    return str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns
