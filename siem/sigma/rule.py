"""A rule about one event: its head, its log source and its tree; and the filters that are added to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from siem.documents import Document
from siem.problem import Problems
from siem.schema import LogSource
from siem.sigma import custom, tree
from siem.sigma.detection import NOTHING, Detection, detection
from siem.sigma.head import Head, head, logsource, names_of
from siem.sigma.modifiers import Lists

DEEPEST = 64
"""Levels of a condition: no engine stumbles over so many."""

TOO_DEEP = f"nested deeper than {DEEPEST} levels"
NO_DETECTION = Detection(NOTHING)


@dataclass(frozen=True, eq=False, kw_only=True)
class Filter(Head):
    """A condition that rules get in addition: `rule and (condition)`.

    rules: ids and names in lower case; None: all rules. logsource: only rules whose log source says all that it says.
    owner, reason: who answers for the exception, and why it is one. expires: from then on it is none; None: never.
    """

    detection: Detection
    logsource: LogSource
    rules: frozenset[str] | None
    owner: str | None = None
    reason: str | None = None
    expires: datetime | None = None

    @property
    def tree(self) -> tree.Node:
        return self.detection.tree

    def names(self, rule: Rule) -> bool:
        """The filter names the rule, or all rules."""
        called = names_of({"id": rule.id, "name": rule.name})
        return self.rules is None or not self.rules.isdisjoint(map(str.lower, called))

    def applies(self, rule: Rule) -> bool:
        return self.names(rule) and rule.silence is None and rule.logsource.covers(self.logsource)


@dataclass(frozen=True, eq=False, kw_only=True)
class Rule(Head):
    """A rule about one event.

    tree: what it means, its filters with it. detection: its own section, as it is written. filters: those added.
    group, suppress, new_terms: how its matches become alerts, where that is not as usual.
    silence: it looks at no event, but at who sends; then it has no detection.
    fingerprint: hash of what it means (condition, log source, level, new terms, silence), whatever its title.
    """

    tree: tree.Node
    logsource: LogSource
    detection: Detection = NO_DETECTION
    filters: tuple[Filter, ...] = ()
    group: tuple[str, ...] | None = None
    suppress: custom.Suppress | None = None
    new_terms: custom.NewTerms | None = None
    silence: custom.Silence | None = None

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the condition names."""
        return tree.fields(self.tree)

    @property
    def fingerprint(self) -> str:
        meaning = repr((self.tree, self.logsource, self.level, self.new_terms, self.silence))
        return hashlib.sha256(meaning.encode()).hexdigest()[:24]


def event_rule(document: Document, label: str, lists: Lists, problems: Problems) -> Rule:
    """The rule of a document. What is wrong with it goes to `problems`, and then the rule is not to be used."""
    content: dict[Any, Any] = document.content
    named = head(document, label, problems)
    source = logsource(content, problems)
    said = named["custom"]
    own, silence = NO_DETECTION, custom.silence(said, problems)
    if "detection" in content and custom.SILENCE in said:
        problems.add("a rule of silence has no events: leave the detection out", "detection")
    elif "detection" in content:
        own = detection(content["detection"], lists, problems)
    elif custom.SILENCE not in said:
        problems.add("a rule must have a detection")
    if tree.depth(own.tree) > DEEPEST:
        problems.add(TOO_DEEP, "detection")
    return Rule(
        **named,
        tree=own.tree,
        logsource=source,
        detection=own,
        group=custom.group(said, problems),
        suppress=custom.suppress(said, problems),
        new_terms=custom.new_terms(said, problems),
        silence=silence,
    )
