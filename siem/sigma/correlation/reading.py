"""Reads the `correlation` section of a document (specification, "Correlation section")."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from math import isfinite
from typing import Any

from siem.documents import Document
from siem.problem import Problem, Problems
from siem.sigma import parse
from siem.sigma.correlation.rule import COMPARISONS, NUMERIC, Correlation, Kind, Threshold
from siem.sigma.custom import CUSTOM, NEW_TERMS, SILENCE, SUPPRESS, Suppress, suppress
from siem.sigma.head import head
from siem.sigma.spans import span
from siem.sigma.tree import And, Exists, Leaf, Node, fields

SECTION = "correlation"
KEYS = frozenset(("type", "rules", "group-by", "timespan", "condition", "aliases", "generate"))
TEMPORAL = frozenset((Kind.TEMPORAL, Kind.TEMPORAL_ORDERED))
WORDS = re.compile(r"[^\s()]+")


def correlation(document: Document, label: str, problems: Problems) -> Correlation:
    """The correlation of a document, its rules as it names them.

    What is wrong with it goes to `problems`, and then it is not to be used.
    """
    named = head(document, label, problems)
    given = document.content[SECTION]
    if not isinstance(given, dict):
        raise Problem("correlation must be a mapping", (SECTION,))
    for name in given.keys() - KEYS:
        told = "timespan" if name in ("timeframe", "within") else ", ".join(sorted(KEYS))
        problems.add(f"correlation has no `{name}`; there is: {told}", SECTION, name)
    kind = _kind(given)
    rules = _names(given, "rules", problems)
    read = _Condition(kind, given.get("condition"), rules, problems)
    group_by = _names(given, "group-by", problems)
    return Correlation(
        **named,
        kind=kind,
        rules=rules or read.named,
        span=problems.attempt((SECTION, "timespan"), partial(span, given.get("timespan"), "timespan")) or timedelta(),
        group_by=group_by,
        aliases=_aliases(given, problems),
        threshold=read.threshold,
        expression=read.expression,
        fields=read.fields,
        percentile=read.percentile,
        ties=_flag(named["custom"].get("ties"), problems, "custom", "ties"),
        generate=_flag(given.get("generate", document.content.get("generate")), problems, SECTION, "generate"),
        suppress=_suppress(named["custom"], group_by, problems),
    )


def named_rules(content: Any) -> list[str]:
    """The rules that a document names, as far as it can be read: those of `rules`, else the words of its condition."""
    section = content.get(SECTION) if isinstance(content, dict) else None
    if not isinstance(section, dict):
        return []
    rules, words = section.get("rules"), section.get("condition")
    listed = rules if isinstance(rules, list) else [rules] if rules else []
    return [str(name) for name in listed] or (_names_in(words) if isinstance(words, str) else [])


def _names_in(words: str) -> list[str]:
    return list(dict.fromkeys([word for word in WORDS.findall(words) if word not in parse.WORDS]))


def _kind(given: Mapping[str, Any]) -> Kind:
    try:
        return Kind(str(given.get("type")).lower())
    except ValueError:
        told = f"type `{given['type']}` is not known" if given.get("type") else "correlation has no type"
        raise Problem(f"{told}; there are: {', '.join(Kind)}", (SECTION, "type")) from None


def _names(given: Mapping[str, Any], name: str, problems: Problems) -> tuple[str, ...]:
    """A text, or a list of texts."""
    value = given.get(name)
    listed = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) and text for text in listed):
        problems.add(f"`{name}` must be a list of names", SECTION, name)
        return ()
    return tuple(listed)


def _aliases(given: Mapping[str, Any], problems: Problems) -> Mapping[str, Mapping[str, str]]:
    value = given.get("aliases") or {}
    if not isinstance(value, dict):
        problems.add("`aliases` must be a mapping of aliases", SECTION, "aliases")
        return {}
    found: dict[str, Mapping[str, str]] = {}
    for alias, of in value.items():
        if not isinstance(of, dict) or not all(isinstance(text, str) and text for pair in of.items() for text in pair):
            problems.add("an alias must be a mapping of rules to fields", SECTION, "aliases", alias)
            continue
        found[str(alias)] = of
    return found


def _suppress(custom: Mapping[str, Any], group_by: Sequence[str], problems: Problems) -> Suppress | None:
    found = suppress(custom, problems)
    for name in (NEW_TERMS, SILENCE):
        if name in custom:
            problems.add(f"a correlation has no `{name}`: write a rule of its own", CUSTOM, name)
    for name in found.by or () if found else ():
        if name not in group_by:
            problems.add(f"`by` has {name}, which the correlation does not group by", CUSTOM, SUPPRESS, "by")
    return found


def _flag(value: Any, problems: Problems, *place: str) -> bool:
    if value is not None and not isinstance(value, bool):
        problems.add(f"`{place[-1]}` must be true or false", *place)
    return value is True


class _Condition:
    """The condition: numbers to compare with, or words about rules. named: the rules that words name, in order."""

    def __init__(self, kind: Kind, given: Any, rules: Sequence[str], problems: Problems) -> None:
        self.threshold: Threshold | None = None
        self.expression: Node | None = None
        self.fields: tuple[str, ...] = ()
        self.percentile: float | None = None
        self.named: tuple[str, ...] = tuple(rules)
        self._kind, self._problems = kind, problems
        if given is None and kind not in TEMPORAL:
            self._add(f"{kind} needs a condition, as `gte: 10`")
        elif isinstance(given, str):
            self._words(given, rules)
        elif isinstance(given, dict):
            self._numbers(given, len(rules))
        elif given is not None:
            self._add("condition must be a mapping, as `gte: 10`")
        elif rules:
            self.threshold = Threshold((("gte", len(rules)),))
        if not self.named:
            problems.add("correlation needs `rules`: ids or names of rules", SECTION, "rules")
        elif not isinstance(given, str) and kind is Kind.TEMPORAL_ORDERED and self.threshold is not None:
            self._in_order(len(rules))

    def _add(self, message: str, *below: str) -> None:
        self._problems.add(message, SECTION, "condition", *below)

    def _words(self, text: str, rules: Sequence[str]) -> None:
        if self._kind not in TEMPORAL:
            self._add(f"{self._kind} needs a number to compare with, as `gte: 10`; words are for temporal")
            return
        names = tuple(rules) or tuple(_names_in(text))
        if not rules and parse.QUANTIFIED.search(text):
            self._add("`of` needs `rules`, which it chooses from")
            return
        seen = {name: Leaf(name, Exists()) for name in names}
        node = self._problems.attempt((SECTION, "condition"), partial(parse.condition, text, seen))
        self.named = names
        if node is None:
            return
        if unused := [name for name in names if name not in fields(node)]:
            self._add(f"condition does not name {', '.join(unused)}")
        if self._kind is Kind.TEMPORAL:
            self.expression = node
        else:
            self._ordered_words(node)

    def _ordered_words(self, node: Node) -> None:
        """`a and b and c`: these, in this order."""
        items = node.items if isinstance(node, And) else (node,)
        order = tuple([item.field for item in items if isinstance(item, Leaf) and item.field])
        if len(order) < len(items):
            self._add("an order of rules with `or` or `not` cannot be run exactly: use temporal, or several rules")
            return
        self.named, self.threshold = order, Threshold((("gte", len(order)),))

    def _numbers(self, given: Mapping[Any, Any], rules: int) -> None:
        limits = [(str(name), self._number(name, value)) for name, value in given.items() if name in COMPARISONS]
        for name in given.keys() - COMPARISONS.keys() - {"field", "percentile"}:
            self._add(f"condition has no `{name}`; there is: {', '.join(COMPARISONS)}, field, percentile", str(name))
        if not limits and (self._kind not in TEMPORAL or not rules):
            self._add("condition needs a number to compare with, as `gte: 10`")
        self.threshold = Threshold(tuple(limits) or (("gte", rules),))
        self._fields(given)
        if self._kind is Kind.VALUE_PERCENTILE or "percentile" in given:
            self._percentile(given.get("percentile"))

    def _number(self, name: Any, value: Any) -> float:
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if not isfinite(number):
            self._add(f"`{name}` must be a number", str(name))
        return number

    def _fields(self, given: Mapping[Any, Any]) -> None:
        value = given.get("field")
        listed = [] if value is None else value if isinstance(value, list) else [value]
        counts = self._kind is Kind.VALUE_COUNT or self._kind in NUMERIC
        if not all(isinstance(name, str) and name for name in listed) or (value is not None and not listed):
            self._add("`field` must be the name of a field, or a list of names", "field")
        elif counts and not listed:
            self._add(f"{self._kind} needs `field`: whose values it is about")
        elif listed and not counts:
            self._add(f"{self._kind} takes no `field`", "field")
        elif self._kind in NUMERIC and len(listed) > 1:
            self._add(f"{self._kind} is about one field", "field")
        self.fields = tuple(map(str, listed))

    def _percentile(self, value: Any) -> None:
        if self._kind is not Kind.VALUE_PERCENTILE:
            self._add(f"{self._kind} takes no `percentile`", "percentile")
        elif isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            self._add("value_percentile needs `percentile`: a number from 0 to 100", "percentile")
        else:
            self.percentile = float(value)

    def _in_order(self, rules: int) -> None:
        """An order is of all rules: what says so in numbers is taken, everything else cannot be run exactly."""
        threshold = self.threshold
        if threshold is None or not (threshold.holds(rules) and not any(map(threshold.holds, range(rules)))):
            self._add(f"an order is of all {rules} rules: leave the condition out, or write `gte: {rules}`")
