"""Many rules over one document or a batch: only those are evaluated that can match.

Of a batch first what columns tell, a value at a time and each distinct one once: which rules have their required text
there, for which a bound of their condition over columns holds, for which a key is written that it needs. The record of
an event is decoded only if a rule is left that has to look into it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from siem.parsing import Documents
from siem.schema import DatasetFields, fold, scalar_text
from siem.sigma.gates import (
    ESCAPE,
    cheapest_first,
    columns_of,
    columns_that_are,
    literals,
    needles,
    over_columns,
    required,
)
from siem.sigma.predicate import Condition, condition
from siem.sigma.record import Document, Reader, View
from siem.sigma.rule import Rule
from siem.sigma.tree import And, Exists, Leaf, Node, fields

REMEMBERED = 65_536
"""Distinct values of a column, or of the columns of a gate, whose answer is kept; then it begins anew."""


MOST_VALUES = 8
"""Values that records are searched for before they are decoded: 0.1 µs each, decoding takes 18 µs."""

AS_IT_IS = re.compile(r"[^\x00-\x1f\"\\/\x7f-\U0010ffff]*")
"""Folded text that JSON of ASCII letters has as it is, in any case."""


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
        records = _Records(documents)
        for by_text in self._by_text.values():
            for row, places in by_text.rows(documents, records, self._reader):
                asked.setdefault(row, set()).update(places)
        for gated in self._gated:
            for row in gated.rows(documents, records):
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

    def rows(self, documents: Documents, records: _Records, reader: Reader) -> Iterator[tuple[int, Sequence[int]]]:
        if self._columns is None:
            for row in records.holding(self._places, records.with_one_of(self._key)):
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
    apart: Sequence[_Apart]
    needles: frozenset[bytes] | None
    literals: frozenset[str] | None
    reader: Reader
    known: dict[Hashable, bool]

    @classmethod
    def of(cls, place: int, tree: Node, reader: Reader) -> _Gated:
        bound = over_columns(tree, reader.fields)
        named = [columns_of(name, reader.fields) or [] for name in sorted(fields(bound))]
        columns = list(dict.fromkeys([name for names in named for name in names]))
        gate = None if bound == And(()) else condition(bound)
        apart = [_Apart.of(tree, name, reader) for name in columns] if len(columns) > 1 else []
        known = [one for one in apart if one is not None]
        return cls(place, columns, gate, known, needles(tree, reader.fields), literals(tree, reader.fields), reader, {})

    def rows(self, documents: Documents, records: _Records) -> Iterable[int]:
        passing: Sequence[int] = range(len(documents))
        for apart in self.apart:
            passing = apart.rows(documents, passing)
        if self.gate is not None and passing:
            columns = [documents.column(name) for name in self.columns]
            taken = columns if len(passing) == len(documents) else [[of[row] for row in passing] for of in columns]
            rows: Sequence[tuple[Any, ...]] = list(zip(*taken, strict=True)) if taken else [()] * len(passing)
            known = remembered(self.known)
            for values in set(rows) - known.keys():
                document = dict(zip(self.columns, values, strict=True))
                known[values] = self.gate(View(self.reader, document))
            passing = [row for row, holds in zip(passing, map(known.__getitem__, rows), strict=True) if holds]
        return records.holding(self.literals, records.with_one_of(self.needles, passing))


@dataclass(frozen=True)
class _Apart:
    """What has to hold of one column by itself."""

    column: str
    gate: Condition
    reader: Reader
    known: dict[Hashable, bool]

    @classmethod
    def of(cls, tree: Node, column: str, reader: Reader) -> _Apart | None:
        """None: the column by itself tells nothing."""
        bound = over_columns(tree, reader.fields, among=frozenset((column,)))
        return None if bound == And(()) else cls(column, condition(bound), reader, {})

    def rows(self, documents: Documents, among: Sequence[int]) -> Sequence[int]:
        if not among:
            return among
        column, known = documents.column(self.column), remembered(self.known)
        for value in set(column) - known.keys():
            known[value] = self.gate(View(self.reader, {self.column: value}))
        return [row for row in among if known[column[row]]]


def remembered(known: dict[Any, Any]) -> dict[Any, Any]:
    """What is known, forgotten where it has grown too large: values are of attackers' choice."""
    if len(known) > REMEMBERED:
        known.clear()
    return known


def needles_of(field: str, dataset: DatasetFields) -> frozenset[bytes] | None:
    """The bytes that a record has where the field has a value."""
    return needles(Leaf(field, Exists()), dataset)


class _Records:
    """The JSON texts of a batch's records, each at hand once."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def with_one_of(self, wanted: frozenset[bytes] | None, rows: Sequence[int] | None = None) -> Sequence[int]:
        """The rows (None: all) whose record has one of the bytes, or has letters written as `\\u`."""
        among = range(len(self._documents)) if rows is None else rows
        if wanted is None or not among:
            return among
        texts = self._texts
        if len(wanted) == 1:
            (one,) = wanted
            return [row for row in among if one in texts[row] or ESCAPE in texts[row]]
        return [row for row in among if any(part in texts[row] for part in (ESCAPE, *wanted))]

    def holding(self, values: Collection[str] | None, rows: Sequence[int]) -> Sequence[int]:
        """Those of the rows whose record can have one of the folded values; all where that is dear to find out."""
        if values is None or len(values) > MOST_VALUES or not all(map(AS_IT_IS.fullmatch, values)):
            return rows
        wanted, folded, odd = [value.encode() for value in values], self._folded, self._odd
        if len(wanted) == 1:
            (one,) = wanted
            return [row for row in rows if one in folded[row] or odd[row]]
        return [row for row in rows if odd[row] or any(value in folded[row] for value in wanted)]

    @cached_property
    def _texts(self) -> list[bytes]:
        return [self._documents.raw(row) for row in range(len(self._documents))]

    @cached_property
    def _folded(self) -> list[bytes]:
        return [text.lower() for text in self._texts]

    @cached_property
    def _odd(self) -> list[bool]:
        """Where letters may be written otherwise, or have a form without case that is not of ASCII."""
        return [not text.isascii() or ESCAPE in text for text in self._texts]
