"""What columns and bytes tell of the rows of a batch, before a record is decoded: which of them a rule may match."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from siem.parsing import Documents
from siem.sigma.gates import ESCAPE, columns_of, literals, names_of, needles, over_columns
from siem.sigma.predicate import Condition, condition
from siem.sigma.record import Reader, View
from siem.sigma.tree import And, Node, fields

REMEMBERED = 4096
"""Distinct values of the columns of a test whose answer is kept, then it begins anew: they are of attackers' choice."""

MOST_VALUES = 8
"""Values that records are searched for before they are decoded: 0.1 µs each, decoding takes 18 µs."""

AS_IT_IS = re.compile(r"[^\x00-\x1f\"\\/\x7f-\U0010ffff]*")
"""Folded text that JSON of ASCII letters has as it is, in any case."""


class Rows:
    """The rows of a batch: their columns and the JSON texts of their records, each at hand once."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._columns: dict[str, Sequence[Any]] = {}

    def column(self, name: str, among: Sequence[int]) -> Sequence[Any]:
        """The values of a column in some rows."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._documents.column(name)
        return column if len(among) == len(column) else [column[row] for row in among]

    def with_one_of(self, wanted: frozenset[bytes] | None, among: Sequence[int]) -> Sequence[int]:
        """The rows whose record has one of the bytes, or has letters written as `\\u`."""
        if wanted is None or not among:
            return among
        return having(wanted, self._texts, self._escaped, among)

    def holding(self, values: Collection[str] | None, among: Sequence[int]) -> Sequence[int]:
        """Those of the rows whose record can have one of the folded values; all where that is dear to find out."""
        if values is None or not among or len(values) > MOST_VALUES or not all(map(AS_IT_IS.fullmatch, values)):
            return among
        return having([value.encode() for value in values], self._folded, self._odd, among)

    @cached_property
    def _texts(self) -> list[bytes]:
        return [self._documents.raw(row) for row in range(len(self._documents))]

    @cached_property
    def _escaped(self) -> list[bool]:
        """Where letters may be written as `\\u`: a backslash is found in a tenth of the time, and few have one."""
        return [b"\\" in text and ESCAPE in text for text in self._texts]

    @cached_property
    def _folded(self) -> list[bytes]:
        return [text.lower() for text in self._texts]

    @cached_property
    def _odd(self) -> list[bool]:
        """Where letters may be written otherwise, or have a form without case that is not of ASCII."""
        return [escaped or not text.isascii() for text, escaped in zip(self._texts, self._escaped, strict=True)]


def having(wanted: Iterable[bytes], texts: Sequence[bytes], sure: Sequence[bool], among: Sequence[int]) -> list[int]:
    """The rows whose text has one of the bytes, and those that are `sure`."""
    without = [row for row in among if not sure[row]]
    for part in wanted:
        without = [row for row in without if part not in texts[row]]
    others = set(without)
    return [row for row in among if row not in others]


@dataclass(frozen=True)
class ColumnTest:
    """What has to hold of the values of a few columns."""

    columns: Sequence[str]
    test: Node
    reader: Reader
    known: dict[Hashable, bool] = field(default_factory=dict)

    @cached_property
    def holds(self) -> Condition:
        return condition(self.test)

    def passed(self, rows: Rows, among: Sequence[int]) -> Sequence[int]:
        """Those of the rows for which it does: each distinct value is asked once."""
        taken = [rows.column(name, among) for name in self.columns]
        if len(taken) == 1:
            (values,) = taken
            asked = {value: {self.columns[0]: value} for value in self.unknown(values)}
        else:
            values = list(zip(*taken, strict=True))
            asked = {several: dict(zip(self.columns, several, strict=True)) for several in self.unknown(values)}
        for value, document in asked.items():
            self.known[value] = self.holds(View(self.reader, document))
        return [row for row, holds in zip(among, map(self.known.__getitem__, values), strict=True) if holds]

    def unknown(self, values: Sequence[Any]) -> set[Any]:
        if len(self.known) > REMEMBERED:
            self.known.clear()
        return set(values) - self.known.keys()


@dataclass(frozen=True)
class Sieve:
    """What a rule's condition asks of columns and of bytes.

    exact: what passes the columns matches the rule.
    """

    tests: Sequence[ColumnTest]
    never: bool
    exact: bool
    needles: frozenset[bytes] | None
    literals: frozenset[str] | None

    @classmethod
    def of(cls, tree: Node, reader: Reader) -> Sieve:
        dataset = reader.fields
        bound = over_columns(tree, dataset)
        parts = [(part, columns_of_all(part, reader)) for part in conjuncts(bound)]
        names = dict.fromkeys(name for _, columns in parts for name in columns)
        alone = [([name], over_columns(bound, dataset, among=frozenset((name,)))) for name in names]
        together = [(columns, part) for part, columns in parts if len(columns) > 1]
        tests = [ColumnTest(*one, reader) for one in (*alone, *together) if one[1] != And(())]
        never = not condition(over_columns(bound, dataset, among=frozenset()))(View(reader, {}))
        exact = all(columns_of(name, dataset) is not None for name in names_of(tree))
        return cls(tests, never, exact, needles(tree, dataset), literals(tree, dataset))

    def passed(self, rows: Rows, among: Sequence[int]) -> Sequence[int]:
        """Those of the rows that the rule may match."""
        if self.never:
            return ()
        for test in self.tests:
            if not among:
                return among
            among = test.passed(rows, among)
        return rows.holding(self.literals, rows.with_one_of(self.needles, among))


def conjuncts(node: Node) -> Iterator[Node]:
    """Conditions all of which have to hold."""
    if isinstance(node, And):
        for item in node.items:
            yield from conjuncts(item)
    else:
        yield node


def columns_of_all(node: Node, reader: Reader) -> list[str]:
    """The columns that a condition over columns looks at."""
    found = [name for named in sorted(fields(node)) for name in columns_of(named, reader.fields) or ()]
    return list(dict.fromkeys(found))
