"""Titles and texts of alerts: a rule's templates, filled with values of its events.

`custom: {title: "{user.name} made a key in {cloud.region}", text: …}`: a field in braces stands for what the events
have in it. Values come from logs: they are put in as text, once, and nothing in them is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from siem.sigma import Correlation, Rule
from siem.sigma.custom import FIELD, in_words

SHOWN = 3
"""Values that stand for a field; of more, how many."""

LONGEST = 200
"""Characters of a value that stands in a title or text."""

UNKNOWN = "?"
"""Stands for a field that no event has."""


def fields(rule: Rule | Correlation) -> frozenset[str]:
    """The fields that a rule's templates name."""
    return frozenset(in_words(rule.custom))


def title(rule: Rule | Correlation, values: Mapping[str, Sequence[str]]) -> str:
    """Of an alert: the rule's template, else its title; with the new terms, or who is silent."""
    if filled := _filled(_template(rule, "title"), values):
        return filled
    names = _names(rule) if isinstance(rule, Rule) else ()
    named = ", ".join([_shown(values[name]) for name in names if name in values])
    return f"{rule.title}: {named}" if named else rule.title


def _names(rule: Rule) -> Sequence[str]:
    """The fields that tell an alert from the rule's others."""
    if rule.new_terms is not None:
        return rule.new_terms.fields
    return ("event.dataset", "siem.source", "cloud.account.id") if rule.silence is not None else ()


def text(rule: Rule | Correlation, values: Mapping[str, Sequence[str]]) -> str:
    """Of an alert: the rule's template; "" where it has none."""
    return _filled(_template(rule, "text"), values)


def _template(rule: Rule | Correlation, part: str) -> str:
    given = rule.custom.get(part)
    return given if isinstance(given, str) else ""


def _filled(template: str, values: Mapping[str, Sequence[str]]) -> str:
    return FIELD.sub(lambda found: _shown(values.get(found[1], ())), template)


def _shown(values: Sequence[str]) -> str:
    if not values:
        return UNKNOWN
    shown = ", ".join([value if len(value) <= LONGEST else f"{value[:LONGEST]}…" for value in values[:SHOWN]])
    return f"{shown} and {len(values) - SHOWN} more" if len(values) > SHOWN else shown
