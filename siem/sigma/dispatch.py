"""Many rules over one document or a batch: only those are evaluated that can match.

Of a batch first what columns tell, a value at a time and each distinct one once: which rules have their required text
there, for which a bound of their condition over columns holds, for which a key is written that it needs. The record of
an event is decoded only if a rule is left that has to look into it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from siem.parsing import Documents
from siem.schema import DatasetFields, fold, scalar_text
from siem.sigma.gates import ESCAPE, cheapest_first, columns_of, columns_that_are, needles, over_columns, required
from siem.sigma.predicate import Condition, condition
from siem.sigma.record import Document, Reader, View
from siem.sigma.rule import Rule
from siem.sigma.tree import And, Exists, Leaf, Node, fields

REMEMBERED = 65_536
"""Distinct values of a column, or of the columns of a gate, whose answer is kept; then it begins anew."""


class Dispatch:
    """Rules of one dataset by the values that they require."""

    def __init__(self, rules: Iterable[Rule], fields: DatasetFields) -> None:
        self._rules = [(rule, condition(cheapest_first(rule.tree, fields))) for rule in rules]
        self._reader = Reader(fields)
        self._by_text: dict[str, _ByText] = {}
        self._gated: list[_Gated] = []
        needed = [required(rule.tree) for rule, _ in self._rules]
        common = Counter((field, text) for item in needed for field, texts in item.items() for text in texts)
        for place, item in enumerate(needed):
            if not item:
                self._gated.append(_Gated.of(place, self._rules[place][0].tree, self._reader))
                continue
            named = min(sorted(item), key=lambda name: self._cost(name, item[name], common))
            for text in item[named]:
                self._by_text.setdefault(named, _ByText(named, fields)).add(text, place)

    def _cost(self, name: str, texts: Iterable[str], common: Counter[tuple[str, str]]) -> tuple[bool, int]:
        """Columns before paths; then the field whose texts the fewest rules name: a call, rather than its service."""
        into_records = columns_that_are(name, self._reader.fields) is None
        return into_records and bool(self._reader.fields.dataset), sum([common[name, text] for text in texts])

    def matching(self, document: Document) -> list[Rule]:
        """The rules that the document satisfies, in the order in which they were given."""
        view = View(self._reader, document)
        places = {gated.place for gated in self._gated}
        for by_text in self._by_text.values():
            places.update([place for text in view.folded(by_text.field) for place in by_text.places(text)])
        return [self._rules[place][0] for place in sorted(places) if self._rules[place][1](view)]

    def matches(self, documents: Documents) -> Iterator[tuple[int, Rule]]:
        """Rows of a batch and the rules that they satisfy, row by row, rules in the order in which they were given."""
        asked: dict[int, set[int]] = {}
        for by_text in self._by_text.values():
            for row, places in by_text.rows(documents, self._reader):
                asked.setdefault(row, set()).update(places)
        for gated in self._gated:
            for row in gated.rows(documents):
                asked.setdefault(row, set()).add(gated.place)
        rules: list[tuple[Rule, Condition]] = self._rules
        for row in sorted(asked):
            view = View(self._reader, documents[row])
            for place in sorted(asked[row]):
                if rules[place][1](view):
                    yield row, rules[place][0]


class _ByText:
    """Rules that need one of a few texts in a field."""

    def __init__(self, field: str, fields: DatasetFields) -> None:
        self.field = field
        self._columns = columns_that_are(field, fields)
        self._key = None if self._columns is not None else needles_of(field, fields)
        self._places: dict[str, list[int]] = {}
        self._known: dict[Hashable, Sequence[int]] = {}

    def add(self, text: str, place: int) -> None:
        self._places.setdefault(text, []).append(place)

    def places(self, text: str) -> Sequence[int]:
        """Of a folded text."""
        return self._places.get(text, ())

    def rows(self, documents: Documents, reader: Reader) -> Iterator[tuple[int, Sequence[int]]]:
        if self._columns is None:
            for row in written(documents, self._key):
                for text in map(fold, reader.texts(self.field, documents[row])):
                    if places := self.places(text):
                        yield row, places
            return
        for name in self._columns:
            column = documents.column(name)
            known = remembered(self._known)
            for value in set(column) - known.keys():
                known[value] = () if value is None else self.places(fold(scalar_text(value)))
            yield from ((row, places) for row, places in enumerate(map(known.__getitem__, column)) if places)


@dataclass(frozen=True)
class _Gated:
    """A rule that needs no text; what columns and bytes tell of it."""

    place: int
    columns: Sequence[str]
    gate: Condition | None
    needles: frozenset[bytes] | None
    reader: Reader
    known: dict[Hashable, bool]

    @classmethod
    def of(cls, place: int, tree: Node, reader: Reader) -> _Gated:
        bound = over_columns(tree, reader.fields)
        named = [columns_of(name, reader.fields) or [] for name in sorted(fields(bound))]
        columns = list(dict.fromkeys([name for names in named for name in names]))
        gate = None if bound == And(()) else condition(bound)
        return cls(place, columns, gate, needles(tree, reader.fields), reader, {})

    def rows(self, documents: Documents) -> Iterable[int]:
        if self.gate is None:
            return written(documents, self.needles)
        columns = [documents.column(name) for name in self.columns]
        rows: Sequence[tuple[Any, ...]] = list(zip(*columns, strict=True)) if columns else [()] * len(documents)
        known = remembered(self.known)
        for values in set(rows) - known.keys():
            document = dict(zip(self.columns, values, strict=True))
            known[values] = self.gate(View(self.reader, document))
        passing = [row for row, holds in enumerate(map(known.__getitem__, rows)) if holds]
        return passing if self.needles is None else written(documents, self.needles, passing)


def remembered(known: dict[Any, Any]) -> dict[Any, Any]:
    """What is known, forgotten where it has grown too large: values are of attackers' choice."""
    if len(known) > REMEMBERED:
        known.clear()
    return known


def needles_of(field: str, dataset: DatasetFields) -> frozenset[bytes] | None:
    """The bytes that a record has where the field has a value."""
    return needles(Leaf(field, Exists()), dataset)


def written(documents: Documents, wanted: frozenset[bytes] | None, rows: Iterable[int] | None = None) -> Iterable[int]:
    """The rows whose record has one of the bytes, or has letters written as `\\u`."""
    among = range(len(documents)) if rows is None else rows
    if wanted is None:
        return among
    return [row for row in among if any(part in raw for raw in (documents.raw(row),) for part in (ESCAPE, *wanted))]
