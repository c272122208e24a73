"""Sigma rules as they are run: read from files, checked, each with its tree, or refused with a reason and a line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from siem.errors import ContentError
from siem.schema import LogSource
from siem.sigma import parse, tree
from siem.sigma.detection import detection
from siem.sigma.documents import Document, documents, rule_files
from siem.sigma.modifiers import Lists
from siem.sigma.problem import Problem, Problems

DEEPEST = 64
"""Levels of a condition: no engine stumbles over so many."""

TOO_DEEP = f"nested deeper than {DEEPEST} levels"
NO_LISTS: Lists = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule about one event.

    key: how it is called everywhere: its id, else its name, else `file.yml#n`, n being its place in the file from 1.
    tags, references, falsepositives: as written. custom: the `custom` mapping, for our own settings.
    fingerprint: hash of what it means (condition, log source, level); another title does not change it.
    """

    key: str
    title: str
    tree: tree.Node
    logsource: LogSource
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

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the condition names."""
        return tree.fields(self.tree)

    @property
    def fingerprint(self) -> str:
        meaning = repr((self.tree, self.logsource, self.level))
        return hashlib.sha256(meaning.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class RuleSet:
    """rules: those that can be run. refused: why the others cannot, with file and line, in order of the files.

    withheld: the keys of those others, as far as their files can be read.
    """

    rules: tuple[Rule, ...]
    refused: tuple[ContentError, ...]
    withheld: frozenset[str] = frozenset()


def load_rules(paths: Iterable[Path], lists: Lists = NO_LISTS) -> RuleSet:
    """The rules of files and folders. What is wrong with one is told completely and disturbs no other.

    lists: values for `|expand`, by the placeholder's name.
    """
    rules: dict[str, Rule] = {}
    refused: list[ContentError] = []
    withheld: set[str] = set()
    seen: set[Path] = set()
    labels: set[str] = set()
    for path in paths:
        for file in rule_files(path):
            if (real := file.resolve()) in seen:
                continue
            seen.add(real)
            label = file.relative_to(path).as_posix() if file != path else file.name
            label = file.as_posix() if label in labels else label
            labels.add(label)
            for document in documents(file, refused):
                made = _rules(document, label, lists, refused)
                withheld |= set() if made else {_key(document.content, label, document.number)}
                for rule in made:
                    _add(rule, rules, refused)
    return RuleSet(tuple(rules.values()), tuple(refused), frozenset(withheld - {rule.key for rule in rules.values()}))


def _key(content: Any, label: str, number: int) -> str:
    """How a document's rule is called, also where the rest of it cannot be used."""
    names = [content.get("id"), content.get("name")] if isinstance(content, dict) else []
    return next((name for name in names if isinstance(name, str) and name.strip()), f"{label}#{number}")


def _add(rule: Rule, rules: dict[str, Rule], refused: list[ContentError]) -> None:
    """The first of two rules with one key stays."""
    key = rule.key.lower()
    if (first := rules.get(key)) is None:
        rules[key] = rule
        return
    what = "id" if rule.id else "name"
    message = f"{what} {rule.key} is taken by {first.file}:{first.line}"
    refused.append(ContentError(message, rule.file, rule.line))


Reading = Callable[[Document, str, Lists, Problems], Sequence[Rule]]


def _rules(document: Document, label: str, lists: Lists, refused: list[ContentError]) -> Sequence[Rule]:
    """What a document holds; nothing where anything is wrong with it."""
    problems = Problems()
    made: Sequence[Rule] = ()
    try:
        made = _kind(document)(document, label, lists, problems)
    except Problem as problem:
        problems.found.append(problem)
    except RecursionError:
        problems.add(TOO_DEEP)
    refused += [document.error(problem.message, problem.place) for problem in problems.found]
    return () if problems.found else made


def _kind(document: Document) -> Reading:
    """How a document is read: by the section that only its kind has."""
    content = document.content
    if not isinstance(content, dict):
        raise Problem("not a rule: a document must be a mapping")
    if "correlation" in content:
        raise Problem("correlation rules are not supported yet", ("correlation",))
    if "filter" in content:
        raise Problem("filters are not supported yet", ("filter",))
    if "action" in content:
        raise Problem("`action` documents belong to an older Sigma: write each rule out", ("action",))
    return _event_rule


def _event_rule(document: Document, label: str, lists: Lists, problems: Problems) -> Sequence[Rule]:
    content: dict[Any, Any] = document.content
    problems.found += parse.head_problems(content)
    source = _logsource(content, problems)
    if "detection" not in content:
        problems.add("a rule must have a detection")
        return ()
    node = detection(content["detection"], lists, problems)
    if tree.depth(node) > DEEPEST:
        problems.add(TOO_DEEP, "detection")
    rule_id, name = _text(content, "id", problems), _text(content, "name", problems)
    rule = Rule(
        key=_key(content, label, document.number),
        title=str(content.get("title")),
        tree=node,
        logsource=source,
        file=document.file,
        line=document.line(),
        id=rule_id,
        name=name,
        level=_lower(content.get("level")),
        status=_lower(content.get("status")),
        description=content.get("description"),
        author=content.get("author"),
        tags=_texts(content, "tags", problems),
        references=_texts(content, "references", problems),
        falsepositives=_texts(content, "falsepositives", problems),
        custom=_custom(content, problems),
    )
    return (rule,)


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _text(content: Mapping[str, Any], name: str, problems: Problems) -> str | None:
    value = content.get(name)
    if value is None or (isinstance(value, str) and value.strip()):
        return value
    problems.add(f"{name} must be a text that is not empty", name)
    return None


def _texts(content: Mapping[str, Any], name: str, problems: Problems) -> tuple[str, ...]:
    value = content.get(name) or []
    if not isinstance(value, list):
        problems.add(f"{name} must be a list", name)
        return ()
    return tuple(map(str, value))


def _custom(content: Mapping[str, Any], problems: Problems) -> Mapping[str, Any]:
    value = content.get("custom") or {}
    if not isinstance(value, dict):
        problems.add("custom must be a mapping", "custom")
        return {}
    return MappingProxyType(value)


def _logsource(content: Mapping[str, Any], problems: Problems) -> LogSource:
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
        named[name] = _lower(given.get(name))
        if named[name] is None and given.get(name) is not None:
            problems.add(f"{name} must be text", "logsource", name)
    return LogSource(**named)
