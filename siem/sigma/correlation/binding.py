"""Binds correlations to the rules that they name, or says why that cannot be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from siem.documents import Document
from siem.errors import ContentError
from siem.problem import Problem
from siem.sigma.correlation.rule import Correlation
from siem.sigma.head import LEVELS, Head
from siem.sigma.rule import Rule
from siem.sigma.tree import And, Leaf, Node, Not, Or

Drafts = Mapping[str, tuple[Correlation, Document]]
Bound = dict[str, Correlation]

SECTION = "correlation"


def bound(
    drafts: Drafts, rules: Mapping[str, Rule], called: Mapping[str, Head | ContentError]
) -> tuple[Bound, list[ContentError]]:
    """The correlations with keys in place of names, those that others name first; and why the rest is refused.

    called: id, name or key in lower case -> what has it, or why that was refused.
    """
    binding = _Binding(drafts, rules, called)
    errors: list[ContentError] = []
    for key, (_, document) in drafts.items():
        try:
            binding.bind(key, ())
        except Problem as problem:
            errors.append(document.error(problem.message, problem.place))
    return binding.bound, errors


class _Binding:
    def __init__(self, drafts: Drafts, rules: Mapping[str, Rule], called: Mapping[str, Head | ContentError]) -> None:
        self._drafts, self._rules, self._called = drafts, rules, called
        self.bound: Bound = {}

    def bind(self, key: str, path: tuple[str, ...]) -> Correlation:
        """path: the correlations on the way here.

        Raises:
            Problem: it names what is not there, is refused, or does not fit.
        """
        if key in self.bound:
            return self.bound[key]
        if key in path:
            raise Problem(f"the correlation names itself: {' -> '.join((*path, key))}", (SECTION, "rules"))
        draft, _ = self._drafts[key]
        named = {name: self._target(name, (*path, key)) for name in draft.rules}
        keys = {name: one.key for name, one in named.items()}
        made = replace(
            draft,
            rules=tuple([keys[name] for name in draft.rules]),
            aliases={alias: self._alias(alias, of, keys) for alias, of in draft.aliases.items()},
            expression=None if draft.expression is None else renamed(draft.expression, keys),
            level=draft.level or highest(list(named.values())),
        )
        for one in named.values():
            if isinstance(one, Correlation):
                fits(made, one)
        self.bound[key] = made
        return made

    def _target(self, name: str, path: tuple[str, ...]) -> Head:
        found = self._called.get(name.lower())
        place = (SECTION, "rules")
        if isinstance(found, Correlation):
            try:
                return self.bind(found.key, path)
            except Problem as problem:
                if path[0] == found.key or "names itself" in problem.message:
                    raise
                raise Problem(f"it names {name}, which is refused: {problem.message}", place) from problem
        if isinstance(found, Rule) and found.new_terms is not None:
            raise Problem(f"it names {name}, which looks for new terms: a correlation sees matches, new or not", place)
        if isinstance(found, Rule) and found.silence is not None:
            raise Problem(f"it names {name}, which is about silence: it has no events", place)
        if isinstance(found, Rule):
            return found
        if isinstance(found, ContentError):
            raise Problem(f"it names {name}, which is refused: {found}", place)
        raise Problem(f"it names {name}, but no rule has that id or name", place)

    def _alias(self, alias: str, of: Mapping[str, str], keys: Mapping[str, str]) -> Mapping[str, str]:
        """Rules of an alias may be called otherwise than in `rules`."""
        known = {name.lower(): key for name, key in keys.items()}
        made: dict[str, str] = {}
        for name, field in of.items():
            found = self._called.get(name.lower())
            key = known.get(name.lower()) or (found.key if isinstance(found, Head) else None)
            if key not in keys.values():
                raise Problem(f"alias {alias} names {name}, which is none of its rules", (SECTION, "aliases", alias))
            made[str(key)] = field
        return made


def fits(outer: Correlation, inner: Correlation) -> None:
    """A firing has no values but those of its group.

    Raises:
        Problem: more is asked of it.
    """
    for name in outer.group_by:
        if (field := outer.field_of(name, inner.key)) not in inner.group_by:
            raise Problem(f"group-by {field}: {inner.key} does not group by it", (SECTION, "group-by"))
    if outer.fields:
        raise Problem(f"{outer.kind} needs events, and {inner.key} is a correlation", (SECTION, "rules"))


def renamed(node: Node, keys: Mapping[str, str]) -> Node:
    """The expression with keys in place of names."""
    match node:
        case Leaf(field, test):
            return Leaf(keys[field or ""], test)
        case Not(item):
            return Not(renamed(item, keys))
        case And(items):
            return And(tuple([renamed(item, keys) for item in items]))
        case Or(items):
            return Or(tuple([renamed(item, keys) for item in items]))


def highest(heads: list[Head]) -> str | None:
    """The highest level of several rules."""
    levels = [one.level for one in heads if one.level in LEVELS]
    return max(levels, key=LEVELS.index) if levels else None
