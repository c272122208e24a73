"""Many rules over one document: only those are evaluated whose required value the document has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from siem.schema import DatasetFields
from siem.sigma.predicate import Condition, condition, literal
from siem.sigma.record import Document, Reader, View
from siem.sigma.rule import Rule
from siem.sigma.tree import And, Leaf, Node, Or

Required = Mapping[str, frozenset[str]]
"""For each of these fields: folded texts, one of which it must have for the rule to match."""


def required(node: Node) -> Required:
    """What surely has to hold, as far as it is that a field has one of a few texts."""
    match node:
        case Leaf(str(field), test) if (text := literal(test)) is not None:
            return {field: frozenset((text,))}
        case And(items):
            return narrowest([required(item) for item in items])
        case Or(items) if items:
            return united([required(item) for item in items])
    return {}


def narrowest(needed: Iterable[Required]) -> Required:
    """All of these hold: of each field the fewest texts."""
    found: dict[str, frozenset[str]] = {}
    for item in needed:
        for field, texts in item.items():
            if field not in found or len(texts) < len(found[field]):
                found[field] = texts
    return found


def united(needed: list[Required]) -> Required:
    """One of these holds: the fields that all of them name."""
    shared = set(needed[0]).intersection(*needed[1:])
    return {field: frozenset().union(*[item[field] for item in needed]) for field in shared}


class Dispatch:
    """Rules of one dataset by the values that they require."""

    def __init__(self, rules: Iterable[Rule], fields: DatasetFields) -> None:
        self._rules = [(rule, condition(rule.tree)) for rule in rules]
        self._always: list[int] = []
        self._by_value: dict[str, dict[str, list[int]]] = {}
        self._reader = Reader(fields)
        needed = [required(rule.tree) for rule, _ in self._rules]
        common = Counter((field, text) for item in needed for field, texts in item.items() for text in texts)
        for place, item in enumerate(needed):
            self._file(place, item, common)

    def _file(self, place: int, needed: Required, common: Counter[tuple[str, str]]) -> None:
        """By the field whose texts the fewest rules name: an API call, rather than its service."""
        if not needed:
            self._always.append(place)
            return
        field = min(sorted(needed), key=lambda field: sum(common[field, text] for text in needed[field]))
        for text in needed[field]:
            self._by_value.setdefault(field, {}).setdefault(text, []).append(place)

    def matching(self, document: Document) -> list[Rule]:
        """The rules that the document satisfies, in the order in which they were given."""
        view = View(self._reader, document)
        places = set(self._always)
        for field, by_value in self._by_value.items():
            for text in view.folded(field):
                if text in by_value:
                    places.update(by_value[text])
        rules: list[tuple[Rule, Condition]] = self._rules
        return [rules[place][0] for place in sorted(places) if rules[place][1](view)]
