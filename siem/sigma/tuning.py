"""How a team wants rules to be, without editing them: which run, how loud, from how much on.

`settings.yml` of a content folder:

    rules:                              # by id or name
      console_logins_guessed:
        level: {production: high, default: low}
        threshold: 20                   # of a correlation: the number of its condition
        timespan: 30m                   # of a correlation
      0a4b1b7e-6c0a-4f5e-9d39-2a54a8a4b001:
        enabled: false
    tags:                               # all rules with the tag; what is said of a rule itself comes before
      attack.t1046:
        tier: report                    # counted and shown, nobody is notified; else `alert`
        channel: network
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from siem.documents import Document, mapping
from siem.errors import ContentError
from siem.problem import Place, Problem, Problems
from siem.sigma.head import LEVELS, TIERS, lower
from siem.sigma.spans import span

DEFAULT = "default"
RULES, TAGS = SECTIONS = ("rules", "tags")


@dataclass(frozen=True, slots=True)
class Choice:
    """What one option is to be. value: as its reader makes it. line: where that is said."""

    value: Any
    line: int


@dataclass(frozen=True, slots=True)
class Setting:
    """What is said of a rule, or of all with a tag. name: id, name or tag, as written. choices: option -> choice."""

    name: str
    line: int
    choices: Mapping[str, Choice]


@dataclass(frozen=True)
class Tuning:
    """A team's settings, in order of the file."""

    file: str = ""
    rules: tuple[Setting, ...] = ()
    tags: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Levels:
    """default: None where the rule's own stays. of: environment in lower case -> level."""

    default: str | None
    of: Mapping[str, str] = field(default_factory=dict)


def load_tuning(path: Path) -> tuple[Tuning | None, list[ContentError]]:
    """The settings of a file, and those that are wrong, which are left out; None where it cannot be read at all."""
    errors: list[ContentError] = []
    document = mapping(path, errors)
    if document is None:
        return (None if errors else Tuning(str(path))), errors
    problems = Problems()
    for key in document.content:
        if key not in SECTIONS:
            problems.add(f"settings have no `{key}`; there is: {', '.join(SECTIONS)}", str(key))
    found = {name: tuple(_settings(document, name, problems)) for name in SECTIONS}
    errors += [document.error(problem.message, problem.place) for problem in problems.found]
    return Tuning(str(path), found[RULES], found[TAGS]), errors


def _settings(document: Document, section: str, problems: Problems) -> Iterator[Setting]:
    given = document.content.get(section) or {}
    if not isinstance(given, dict):
        problems.add(f"`{section}` must be a mapping", section)
        return
    for name, options in given.items():
        place = (section, str(name))
        if not isinstance(options, dict) or not options:
            problems.add(f"{name} needs a mapping of {', '.join(OPTIONS)}", *place)
            continue
        made = dict(_choices(document, place, options, problems))
        yield Setting(str(name), document.line(place), MappingProxyType(made))


def _choices(
    document: Document, place: Place, options: Mapping[Any, Any], problems: Problems
) -> Iterator[tuple[str, Choice]]:
    for option, value in options.items():
        at = (*place, str(option))
        if option not in OPTIONS:
            problems.add(f"a rule has no setting `{option}`; there is: {', '.join(OPTIONS)}", *at)
        elif (made := problems.attempt(at, partial(OPTIONS[option], value))) is not None:
            yield option, Choice(made, document.line(at))


def _enabled(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Problem(f"`enabled` must be true or false; {value} is neither")
    return value


def _levels(value: Any) -> Levels:
    if not isinstance(value, dict):
        return Levels(_level(value))
    found = {str(name).lower(): _level(level, str(name)) for name, level in value.items()}
    if len(found) < len(value):
        raise Problem("two environments are one: the case of their letters tells none apart")
    if not found:
        raise Problem("`level` must be a level, or a mapping of environments to levels")
    return Levels(found.pop(DEFAULT, None), MappingProxyType(found))


def _level(value: Any, *place: str) -> str:
    level = lower(value)
    if level is None or level not in LEVELS:
        raise Problem(f"{value} is no level; there are: {', '.join(LEVELS)}", place)
    return level


def _threshold(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise Problem(f"`threshold` must be a number; {value} is none")
    return float(value)


def _timespan(value: Any) -> timedelta:
    if value is None:
        raise Problem("`timespan` needs a value, as 15m")
    return span(value, "timespan")


def _tier(value: Any) -> str:
    tier = lower(value)
    if tier is None or tier not in TIERS:
        raise Problem(f"`tier` must be {' or '.join(TIERS)}; {value} is neither")
    return tier


def _channel(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Problem("`channel` must be the name of a channel")
    return value.strip()


OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "enabled": _enabled,
    "level": _levels,
    "threshold": _threshold,
    "timespan": _timespan,
    "tier": _tier,
    "channel": _channel,
}
