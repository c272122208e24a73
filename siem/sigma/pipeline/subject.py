"""A rule, correlation or filter document while a processing pipeline works on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from siem.problem import Problem
from siem.sigma import parse, tree
from siem.sigma.pipeline import selections
from siem.sigma.pipeline.selections import Group, Item

Kind: TypeAlias = Literal["rule", "correlation", "filter"]
SECTIONS: Mapping[str, Kind] = {"correlation": "correlation", "filter": "filter"}
NO_SELECTIONS = {"detection": frozenset(("condition", "timeframe")), "filter": frozenset(("condition", "rules"))}

WORD = re.compile(r"[^\s()]+")


@dataclass(eq=False)
class Run:
    """What transformations of one pipeline leave for later ones, while one document goes through.

    variables: of the pipeline. state: what `set_state` set. applied: ids of transformations whose conditions held.
    names: field -> ids of the transformations that made that name. mapped: every field that was mapped, or came of it.
    """

    variables: Mapping[str, Any]
    state: dict[str, Any] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    names: dict[str, set[str]] = field(default_factory=dict)
    mapped: set[str | None] = field(default_factory=set)

    def nested(self) -> Run:
        """For transformations inside of one: pySigma lets them begin anew."""
        return Run(self.variables, applied=self.applied)

    def merge(self, inner: Run) -> None:
        self.state |= inner.state
        self.names |= inner.names
        self.mapped |= inner.mapped

    def rename(self, name: str, to: Sequence[str], step: str | None) -> None:
        if [name] != [*to]:
            ids = self.names.pop(name, set()) | ({step} if step else set())
            self.names |= {new: set(ids) for new in to}


@dataclass(eq=False)
class Subject:
    """content: the document; values at its top may be replaced, but what they hold belongs to others.

    groups: its selections by name. referenced: documents of the rules that a correlation names, None if not known.
    """

    content: dict[str, Any]
    kind: Kind
    groups: dict[str, Group]
    referenced: Sequence[Mapping[str, Any]] | None = None

    @property
    def section(self) -> str:
        return "filter" if self.kind == "filter" else "detection"

    @property
    def conditions(self) -> list[Any]:
        given = self.content[self.section].get("condition")
        return given if isinstance(given, list) else [given]

    @conditions.setter
    def conditions(self, given: list[Any]) -> None:
        condition = given[0] if len(given) == 1 else given
        self.content[self.section] = {**self.content[self.section], "condition": condition}

    def items(self) -> Iterator[Item]:
        for group in self.groups.values():
            yield from selections.items(group)


def subject(content: Mapping[str, Any], referenced: Sequence[Mapping[str, Any]] | None) -> Subject:
    """A document as transformations see it. What cannot be read stays as it is, for the reader to complain."""
    kind: Kind = next((kind for name, kind in SECTIONS.items() if name in content), "rule")
    made = Subject(dict(content), kind, {}, referenced)
    section = content.get(made.section)
    if kind != "correlation" and isinstance(section, Mapping):
        for name, definition in section.items():
            if name not in NO_SELECTIONS[made.section] and (group := selections.read(definition, (made.section, name))):
                made.groups[name] = group
    return made


def written(given: Subject, before: Mapping[str, Any]) -> dict[str, Any]:
    """The document again; selections that nobody changed are written as they were.

    before: states of its selections when it was read, by name.

    Raises:
        Problem: nothing is left of it, or it cannot be written.
    """
    if not given.groups:
        return given.content
    kept = {name: selections.pruned(group) for name, group in given.groups.items()}
    if gone := frozenset(name for name, group in kept.items() if group is None):
        given.conditions = [_without(gone, text, given) for text in given.conditions]
    section = {name: value for name, value in given.content[given.section].items() if name not in gone}
    for name, group in kept.items():
        if group is not None and selections.state(group) != before.get(name):
            section[name] = selections.written(group)
    return {**given.content, given.section: section}


def _without(gone: frozenset[str], text: Any, given: Subject) -> str:
    """A condition without selections of which nothing is left: they are neither true nor false."""
    names = [name for name in given.content[given.section] if name not in NO_SELECTIONS[given.section]]
    try:
        node = parse.condition(str(text), {str(name): tree.Leaf(str(name), tree.Exists()) for name in names})
    except Problem as problem:
        raise Problem(problem.message, (given.section, "condition")) from problem
    left = _left(node, gone)
    if left is None:
        raise Problem(f"the pipeline leaves nothing of condition `{text}`", (given.section, "condition"))
    return left


def _left(node: tree.Node, gone: frozenset[str]) -> str | None:
    match node:
        case tree.Leaf(name) if name in gone:
            return None
        case tree.Leaf(name):
            if not WORD.fullmatch(str(name)) or name in parse.WORDS:
                raise Problem(f"a condition cannot name `{name}`")
            return str(name)
        case tree.Not(item):
            inner = _left(item, gone)
            return None if inner is None else f"not {inner}"
        case tree.And(below) | tree.Or(below):
            parts = [part for part in [_left(each, gone) for each in below] if part is not None]
            joined = (" and " if isinstance(node, tree.And) else " or ").join(parts)
            return f"({joined})" if len(parts) > 1 else joined or None
