"""What is allowed in rules and yet perhaps not meant, for `siem rules check`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

import yaml

from siem.documents import Document
from siem.errors import ContentError
from siem.problem import Place, Problem
from siem.schema import DatasetFields, LogSource
from siem.sigma.correlation import Correlation
from siem.sigma.custom import CUSTOM, GROUP, KEYS, in_words
from siem.sigma.detection import Detection
from siem.sigma.head import LOGSOURCE
from siem.sigma.loading import RuleSet
from siem.sigma.logsources import datasets_of
from siem.sigma.modifiers import Lists, pieces
from siem.sigma.rule import Filter, Rule
from siem.sigma.tree import And, Leaf, Node, Not, Or
from siem.sigma.wording import names

SECTIONS = ("detection", "filter")
TRUTHS = frozenset(("true", "false"))
TAG = "tag:yaml.org,2002:"
TERMS = ("owner", "reason", "expires")
SOON = timedelta(days=14)
"""Before a filter expires it is time to think about it."""


class Doubting:
    """Doubts about the rules of a set: in their text, and about what datasets can answer.

    fields: what is known of datasets. answering: the log sources that they answer. lists: for `|expand`.
    """

    def __init__(
        self,
        rules: RuleSet,
        fields: Mapping[str, DatasetFields],
        answering: Mapping[str, Sequence[LogSource]],
        lists: Lists,
    ) -> None:
        self._rules, self._fields, self._answering, self._lists = rules, fields, answering, lists
        self._known = {rule.key: rule for rule in rules.rules}

    def all(self) -> list[ContentError]:
        """In order of the files."""
        found = [*self._rules.doubts]
        for document, one in self._rules.documents:
            told = [*written(document, one, self._lists), *self._meant(one)]
            found += [document.error(problem.message, problem.place) for problem in told]
        return sorted(found, key=lambda one: (one.file or "", one.line or 0))

    def _meant(self, one: Rule | Correlation | Filter) -> Iterator[Problem]:
        match one:
            case Rule():
                yield from self._rule(one)
            case Correlation():
                for key in dict.fromkeys(one.rules):
                    if (rule := self._known.get(key)) is not None:
                        asked = dict.fromkeys([one.field_of(name, key) for name in (*one.group_by, *one.fields)])
                        yield from self._unknown(rule, asked, ("correlation",))

    def _rule(self, rule: Rule) -> Iterator[Problem]:
        if not datasets_of(rule, self._answering):
            yield Problem("no dataset answers this log source: the rule never matches", ("logsource",))
        elif rule.level is None and rule.key not in self._rules.silent:
            yield Problem("no level: its alerts are medium")
        yield from self._unknown(rule, sorted(rule.fields), ("detection",))
        said = [*(rule.suppress.by or () if rule.suppress else ()), *(rule.new_terms.names if rule.new_terms else ())]
        said += [*(rule.group or ()), *(in_words(rule.custom) if rule.silence is None else ())]
        yield from self._unknown(rule, dict.fromkeys(said), (CUSTOM,))

    def _unknown(self, rule: Rule, asked: Iterable[str], place: Place) -> Iterator[Problem]:
        """Fields that none of the rule's datasets can have."""
        looked_at = [self._fields[dataset] for dataset in datasets_of(rule, self._answering)]
        for name in asked:
            if looked_at and not any(fields.may_have(name) for fields in looked_at):
                near = get_close_matches(name, sorted(set().union(*[fields.names for fields in looked_at])), 1)
                hint = f"; is {near[0]} meant?" if near else ""
                datasets = ", ".join([fields.dataset for fields in looked_at])
                yield Problem(f"{datasets} has no field {name}: no value passes{hint}", place)


def written(document: Document, one: Rule | Correlation | Filter, lists: Lists) -> Iterator[Problem]:
    """What the text of a rule says that nobody reads, or that is read otherwise than one thinks."""
    given = document.content.get("logsource")
    for key in sorted(set(given) - LOGSOURCE, key=str) if isinstance(given, dict) else ():
        yield Problem(
            f"logsource has `{key}`, which says nothing; there is: {', '.join(sorted(LOGSOURCE))}", ("logsource", key)
        )
    for section in SECTIONS:
        if section in document.content:
            yield from misread(document.below((section,)), (section,))
            yield from empty(document.content[section], lists, (section,))
    known = TERMS if isinstance(one, Filter) else sorted(KEYS - {GROUP} if isinstance(one, Correlation) else KEYS)
    for key in one.custom.keys() - set(known):
        told = f"custom has `{key}`, which says nothing here; there is: {', '.join(known)}"
        yield Problem(told, (CUSTOM, str(key)))
    if not isinstance(one, Correlation) and not (isinstance(one, Rule) and one.silence):
        yield from unused(one.detection, "filter" if isinstance(one, Filter) else "detection")


def misread(node: yaml.Node | None, place: Place) -> Iterator[Problem]:
    """Values without quotes that YAML 1.1 reads as others: 0123, 1_000, 12:30:00, yes."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from misread(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            yield from misread(value, (*place, position))
    elif isinstance(node, yaml.ScalarNode):
        text, tag = node.value, node.tag.removeprefix(TAG)
        number = text.lstrip("+-")
        odd = {
            "bool": text.lower() not in TRUTHS,
            "int": not number.isdecimal() or (number[0] == "0" and len(number) > 1),
            "float": "_" in text or ":" in text,
        }
        if odd.get(tag):
            kind = "true or false" if tag == "bool" else "another number"
            yield Problem(f"`{text}` is read as {kind}: put it into quotes if the text is meant", place)


def empty(value: Any, lists: Lists, place: Place) -> Iterator[Problem]:
    """Placeholders whose lists are empty."""
    if isinstance(value, dict):
        for key, below in value.items():
            if "expand" in str(key).split("|")[1:]:
                yield from _empty_lists(below, lists, (*place, key))
            else:
                yield from empty(below, lists, (*place, key))
    elif isinstance(value, list):
        for position, below in enumerate(value):
            yield from empty(below, lists, (*place, position))


def _empty_lists(value: Any, lists: Lists, place: Place) -> Iterator[Problem]:
    texts = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str)]
    for name in dict.fromkeys([name for text in texts for name, is_name in pieces(text) if is_name]):
        if name in lists and not lists[name]:
            yield Problem(f"the list {name} is empty: nothing passes", place)


def unused(detection: Detection, section: str) -> Iterator[Problem]:
    """Selections that the condition does not use, and parts of it that hold always or never."""
    used = {id(node) for node in nodes(detection.tree)}
    for name, node in detection.selections.items():
        if id(node) not in used:
            yield Problem(f"the condition does not use `{name}`", (section, name))
    known = names(detection.selections)
    for node in nodes(detection.tree):
        if isinstance(node, Not) and constant(node.item) is False:
            yield Problem(
                f"`not {known.get(node.item, '…')}` always holds: nothing passes there", (section, "condition")
            )
    if constant(detection.tree) is not None:
        yield Problem(
            "the condition always holds" if constant(detection.tree) else "the condition never holds",
            (section, "condition"),
        )


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for item in (node.item,) if isinstance(node, Not) else () if isinstance(node, Leaf) else node.items:
        yield from nodes(item)


def constant(node: Node) -> bool | None:
    """Whether a node holds for every record or for none; None where it depends."""
    match node:
        case Leaf():
            return None
        case Not(item):
            inner = constant(item)
            return None if inner is None else not inner
        case And(items) | Or(items):
            decisive = isinstance(node, Or)
            parts = {constant(item) for item in items}
            if decisive in parts:
                return decisive
            return None if None in parts else not decisive


def lapsing(rules: RuleSet, now: datetime, own: Callable[[Filter], bool]) -> list[ContentError]:
    """What is to be said of the terms of filters: those that are over or soon will be, and `own` that have none."""
    return [
        document.error(problem.message, problem.place)
        for document, one in rules.documents
        if isinstance(one, Filter)
        for problem in _lapsing(one, now, own(one))
    ]


def _lapsing(one: Filter, now: datetime, own: bool) -> Iterator[Problem]:
    place = (CUSTOM, "expires")
    missing = [name for name in TERMS if getattr(one, name) is None]
    if own and missing:
        yield Problem(f"the filter has no {', '.join(missing)}: say so under `custom`", (CUSTOM,))
    if one.expires is not None and one.expires <= now:
        yield Problem(f"the filter expired at {one.expires:%FT%TZ}: it is not applied", place)
    elif one.expires is not None and one.expires <= now + SOON:
        yield Problem(f"the filter expires at {one.expires:%FT%TZ}", place)
