"""Filters: conditions that are added to rules from outside (specification, "Global filter")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from siem.schema import LogSource
from siem.sigma import tree
from siem.sigma.detection import detection
from siem.sigma.documents import Document
from siem.sigma.head import Head, head, logsource, names_of
from siem.sigma.modifiers import Lists
from siem.sigma.problem import Problems
from siem.sigma.rule import Rule

ANY = "any"


@dataclass(frozen=True, eq=False, kw_only=True)
class Filter(Head):
    """A condition that rules get in addition: `rule and (condition)`.

    rules: ids and names in lower case; None: all rules. logsource: only rules whose log source says all that it says.
    """

    tree: tree.Node
    logsource: LogSource
    rules: frozenset[str] | None

    def names(self, rule: Rule) -> bool:
        """The filter names the rule, or all rules."""
        called = names_of({"id": rule.id, "name": rule.name})
        return self.rules is None or not self.rules.isdisjoint(map(str.lower, called))

    def applies(self, rule: Rule) -> bool:
        return self.names(rule) and rule.logsource.covers(self.logsource)


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
    return Filter(**named, tree=detection(selections, lists, problems, "filter"), logsource=source, rules=rules)


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
    added = [one.tree for one in filters if one.applies(rule)]
    return replace(rule, tree=tree.And((rule.tree, *added))) if added else rule


def negates(node: tree.Node) -> bool:
    """A `not` stands somewhere. A filter without one leaves nothing but what it describes."""
    match node:
        case tree.Not():
            return True
        case tree.And(items) | tree.Or(items):
            return any(map(negates, items))
        case tree.Leaf():
            return False
