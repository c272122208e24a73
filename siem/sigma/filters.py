"""Filters: conditions that are added to rules from outside (specification, "Global filter")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from siem.documents import Document
from siem.problem import Problems
from siem.sigma import tree
from siem.sigma.detection import detection
from siem.sigma.head import head, logsource
from siem.sigma.modifiers import Lists
from siem.sigma.rule import Filter, Rule
from siem.sigma.terms import terms

ANY = "any"


def event_filter(document: Document, label: str, lists: Lists, problems: Problems) -> Filter:
    """The filter of a document. What is wrong with it goes to `problems`, and then it is not to be used."""
    content: dict[Any, Any] = document.content
    named = head(document, label, problems)
    source = logsource(content, problems)
    given = content["filter"]
    if not isinstance(given, dict):
        problems.add("filter must be a mapping of rules, selections and a condition", "filter")
        given = {"condition": "none"}
    rules = _rules(given.get("rules"), problems)
    selections = {name: value for name, value in given.items() if name != "rules"}
    own = detection(selections, lists, problems, "filter")
    return Filter(**named, **terms(named["custom"], problems), detection=own, logsource=source, rules=rules)


def _rules(given: Any, problems: Problems) -> frozenset[str] | None:
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        problems.add("filter needs `rules`: `any`, or ids or names of rules", "filter", "rules")
        return frozenset()
    if not listed or [name.lower() for name in listed] == [ANY]:
        return None
    return frozenset(map(str.lower, listed))


def filtered(rule: Rule, filters: Iterable[Filter]) -> Rule:
    """The rule with all filters that apply to it."""
    added = tuple([one for one in filters if one.applies(rule)])
    if not added:
        return rule
    return replace(rule, tree=tree.And((rule.tree, *[one.tree for one in added])), filters=added)


def negates(node: tree.Node) -> bool:
    """A `not` stands somewhere. A filter without one leaves nothing but what it describes."""
    match node:
        case tree.Not():
            return True
        case tree.And(items) | tree.Or(items):
            return any(map(negates, items))
        case tree.Leaf():
            return False
