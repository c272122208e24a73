"""What every kind of rule says of itself: title, ids, level, tags (specification, "Components")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from siem.documents import Document
from siem.problem import Problems
from siem.schema import LogSource
from siem.sigma import parse

LOGSOURCE = frozenset(("category", "product", "service", "definition"))
LEVELS = ("informational", "low", "medium", "high", "critical")
ALERT, REPORT = TIERS = ("alert", "report")
AFTER_HOURS = "after_hours"


@dataclass(frozen=True, eq=False, kw_only=True)
class Head:
    """A rule of any kind, as people know it.

    key: how it is called everywhere: its id, else its name, else `file.yml#n`, n being its place in the file from 1.
    tags, references, falsepositives: as written. custom: the `custom` mapping, for our own settings.
    level: of its alerts; levels: environment in lower case -> level, where it is another there; after_hours: the least
    out of working hours.
    tier: `alert`, or `report`: what it finds is counted and shown, and nobody is notified. channel: the name of where
    notifications go.
    """

    key: str
    title: str
    file: str
    line: int
    id: str | None = None
    name: str | None = None
    level: str | None = None
    status: str | None = None
    description: str | None = None
    author: str | None = None
    tags: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    falsepositives: tuple[str, ...] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, str] = field(default_factory=dict)
    after_hours: str | None = None
    tier: str = ALERT
    channel: str | None = None


def key_of(document: Document, label: str) -> str:
    """How a document's rule is called, also where the rest of it cannot be used."""
    return next(iter(names_of(document.content)), f"{label}#{document.number}")


def names_of(content: Any) -> list[str]:
    """What others may call a document's rule: its id and its name."""
    given = [content.get("id"), content.get("name")] if isinstance(content, dict) else []
    return [name for name in given if isinstance(name, str) and name.strip()]


def head(document: Document, label: str, problems: Problems) -> dict[str, Any]:
    """The fields of `Head`. A rule that has a name needs no title: the rules of a correlation often have none."""
    content: dict[Any, Any] = document.content
    named = names_of(content)
    if content.get("title") is None and named:
        content = {**content, "title": content.get("name") or named[0]}
    problems.found += parse.head_problems(content)
    custom, level = _custom(content, problems), lower(content.get("level"))
    return {
        "key": key_of(document, label),
        "title": str(content.get("title")),
        "file": document.file,
        "line": document.line(),
        "id": _text(content, "id", problems),
        "name": _text(content, "name", problems),
        "level": level,
        "status": lower(content.get("status")),
        "description": content.get("description"),
        "author": content.get("author"),
        "tags": texts(content, "tags", problems),
        "references": texts(content, "references", problems),
        "falsepositives": texts(content, "falsepositives", problems, alone=True),
        "custom": custom,
        "after_hours": _after_hours(custom, level, problems),
    }


def logsource(content: Mapping[str, Any], problems: Problems) -> LogSource:
    """The log source; one that names nothing is of every dataset."""
    if "logsource" not in content:
        problems.add("a rule must have a logsource")
        return LogSource()
    given = content["logsource"] or {}
    if not isinstance(given, dict):
        problems.add("logsource must be a mapping", "logsource")
        return LogSource()
    named: dict[str, str | None] = {}
    for name in ("category", "product", "service"):
        named[name] = lower(given.get(name))
        if named[name] is None and given.get(name) is not None:
            problems.add(f"{name} must be text", "logsource", name)
    return LogSource(**named)


def lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def texts(content: Mapping[str, Any], name: str, problems: Problems, alone: bool = False) -> tuple[str, ...]:
    """A list of texts; alone: one text may stand for a list of it."""
    value = content.get(name) or []
    if alone and isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        problems.add(f"{name} must be a list", name)
        return ()
    return tuple(map(str, value))


def _text(content: Mapping[str, Any], name: str, problems: Problems) -> str | None:
    value = content.get(name)
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    problems.add(f"{name} must be a text that is not empty", name)
    return None


def _custom(content: Mapping[str, Any], problems: Problems) -> Mapping[str, Any]:
    value = content.get("custom") or {}
    if not isinstance(value, dict):
        problems.add("custom must be a mapping", "custom")
        return {}
    for name in ("title", "text"):
        if not isinstance(value.get(name, ""), str):
            problems.add(f"{name} must be text, with fields in braces", "custom", name)
    return MappingProxyType(value)


def _after_hours(custom: Mapping[str, Any], level: str | None, problems: Problems) -> str | None:
    given = custom.get(AFTER_HOURS)
    louder = lower(given)
    if given is not None and (louder is None or louder not in LEVELS):
        problems.add(f"{AFTER_HOURS} must be a level: {', '.join(LEVELS)}", "custom", AFTER_HOURS)
    elif louder is not None and level in LEVELS and LEVELS.index(louder) < LEVELS.index(level):
        problems.add(f"{AFTER_HOURS} is lower than the rule's level, {level}", "custom", AFTER_HOURS)
    return louder
