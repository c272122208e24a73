"""A rule about one event: its head, its log source and its tree."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from siem.schema import LogSource
from siem.sigma import tree
from siem.sigma.detection import detection
from siem.sigma.documents import Document
from siem.sigma.head import Head, head, logsource
from siem.sigma.modifiers import Lists
from siem.sigma.problem import Problems

DEEPEST = 64
"""Levels of a condition: no engine stumbles over so many."""

TOO_DEEP = f"nested deeper than {DEEPEST} levels"


@dataclass(frozen=True, eq=False, kw_only=True)
class Rule(Head):
    """A rule about one event.

    fingerprint: hash of what it means (condition, log source, level); another title does not change it.
    """

    tree: tree.Node
    logsource: LogSource

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the condition names."""
        return tree.fields(self.tree)

    @property
    def fingerprint(self) -> str:
        meaning = repr((self.tree, self.logsource, self.level))
        return hashlib.sha256(meaning.encode()).hexdigest()[:24]


def event_rule(document: Document, label: str, lists: Lists, problems: Problems) -> Rule:
    """The rule of a document. What is wrong with it goes to `problems`, and then the rule is not to be used."""
    content: dict[Any, Any] = document.content
    named = head(document, label, problems)
    source = logsource(content, problems)
    node: tree.Node = tree.Or(())
    if "detection" in content:
        node = detection(content["detection"], lists, problems)
    else:
        problems.add("a rule must have a detection")
    if tree.depth(node) > DEEPEST:
        problems.add(TOO_DEEP, "detection")
    return Rule(**named, tree=node, logsource=source)
