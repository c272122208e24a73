"""A condition as DuckDB SQL: exact on columns, on JSON text as close as is cheap, and never too little.

Where JSON text holds the values, SQL only looks whether it can be: the text has to contain the path's last key and the
literals of the test. Unknown columns, expressions that RE2 reads differently and the like are bounded in the same way.
The predicate then judges each hit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from string import ascii_lowercase

from siem.schema import Column, DatasetFields, Entry, Extension, Gate, Joined, Kind, Path, Query, Source, fold
from siem.sigma.bounds import Bounds
from siem.sigma.duckdb import checks
from siem.sigma.duckdb.checks import Operand
from siem.sigma.duckdb.sql import FALSE, LOGIC, TRUE, Parameters, Sql, all_of, any_of, at_most, column, sql
from siem.sigma.gates import columns_read, over_columns, required_columns
from siem.sigma.record import KEYWORDS, column_of
from siem.sigma.tree import And, Exists, FieldRef, Node, Test, Text, Wild

RUNS = re.compile(r'[^\x00-\x1f"\\/{}\[\]:,]+')
"""What stands in JSON text as it is, unless as `\\uXXXX`: no escapes, and nothing that two values can share."""

MOST_RUNS = 3

CASES = {letter: f"[{letter}{letter.upper()}]" for letter in ascii_lowercase} | {"i": "[iIİ]", "k": "[kK\u212a]"}
"""All that `fold` makes an ASCII letter of; RE2's own way without case does not know İ."""


def query(tree: Node, fields: DatasetFields) -> Query:
    """The condition over the columns that `Batch.arrow()` describes.

    For `ANY_JSON` the columns are lists of text, VARCHAR[], as `record.projected` makes them.
    """
    bounds = _Emitter(fields).bounds(tree)
    where = bounds.most
    asked = Query(fields.dataset, where.text, dict(where.parameters), where.columns, bounds.is_exact)
    if not fields.dataset:
        return asked
    texts = {fields.dataset, *[f"{fields.dataset}.{payload}" for payload in fields.payloads]} if fields.nested else ()
    return replace(
        asked,
        gate=None if where.columns.isdisjoint(texts) else gate(over_columns(tree, fields), fields),
        required=required_columns(tree, fields),
        apart=apart(tree, fields),
        reads=columns_read(tree, fields),
    )


def gate(bound: Node, fields: DatasetFields) -> Gate:
    where = _Emitter(fields).bounds(bound).most
    return Gate(where.text, dict(where.parameters), where.columns)


def apart(tree: Node, fields: DatasetFields) -> dict[str, Gate]:
    """What has to hold of each column by itself, where there is something to be told."""
    columns = gate(over_columns(tree, fields), fields).columns
    bounds = {name: over_columns(tree, fields, among=frozenset((name,))) for name in sorted(columns)}
    return {name: gate(bound, fields) for name, bound in bounds.items() if bound != And(())}


class _Emitter:
    def __init__(self, fields: DatasetFields) -> None:
        self._fields = fields
        self._parameter = Parameters()

    def bounds(self, tree: Node) -> Bounds[Sql]:
        return LOGIC.bounds(tree, self.leaf, self.listed)

    def listed(self, field: str | None, texts: list[str]) -> Bounds[Sql]:
        """One of many texts. Where they are inside JSON, only whether there is a value."""
        held = self._parameter(sorted(set(texts)))
        if not self._fields.dataset:
            values = column(KEYWORDS if field is None else column_of(field))
            return Bounds.exact(one_of(values, checks.listed(Sql(checks.ELEMENT), held)))
        if field is None:
            return self.keyword(Exists())
        return LOGIC.some([self.listed_of(source, held) for source in self._fields.sources(field)])

    def listed_of(self, source: Source, held: Sql) -> Bounds[Sql]:
        if isinstance(source, Path | Entry):
            return at_most(self.inside(source, Exists()))
        operand = self.operand(source)
        return at_most(operand.present) if operand.text is None else Bounds.exact(checks.listed(operand.text, held))

    def leaf(self, field: str | None, test: Test) -> Bounds[Sql]:
        if field is None:
            return self.keyword(test)
        if isinstance(test, FieldRef):
            return self.reference(field, test)
        if not self._fields.dataset:
            return self.element(column_of(field), test)
        return LOGIC.some([self.source(source, test) for source in self._fields.sources(field)])

    def keyword(self, test: Test) -> Bounds[Sql]:
        """Any leaf of the record. Delimited logs can have columns that nobody knows, so nothing can be ruled out."""
        fields = self._fields
        if not fields.dataset:
            return self.element(KEYWORDS, test)
        if not fields.nested:
            return at_most(TRUE)
        held = [fields.dataset, *[f"{fields.dataset}.{payload}" for payload in sorted(fields.payloads)]]
        return at_most(any_of([self.json(name, "", test) for name in held]))

    def source(self, source: Source, test: Test) -> Bounds[Sql]:
        if isinstance(source, Path | Entry):
            return at_most(self.inside(source, test))
        return checks.holds(self.operand(source), test, self._parameter)

    def inside(self, source: Path | Entry, test: Test) -> Sql:
        """The record can have such a value there."""
        if isinstance(source, Path):
            return self.json(source.column, source.within, test)
        return self.json(source.list.column, f"{source.list.within}.{source.value}", test)

    def operand(self, source: Column | Joined | Extension) -> Operand:
        match source:
            case Column(name, kind):
                return Operand(column(name), kind)
            case Joined(parts):
                return Operand(self.joined(parts), Kind.TEXT)
            case Extension(name):
                return Operand(sql("nullif(regexp_extract({}, '[.]([^./]+)$', 1), '')", column(name)), Kind.TEXT)

    def joined(self, parts: Iterable[tuple[str, str]]) -> Sql:
        """`||` with a null is null: the whole where the first column is, a part where its own is."""
        first, *others = [sql("({} || {})", self._parameter(before), column(name)) for before, name in parts]
        for other in others:
            first = sql("({} || coalesce({}, ''))", first, other)
        return first

    def element(self, name: str, test: Test) -> Bounds[Sql]:
        """One of a list of texts passes."""
        values = column(name)
        if isinstance(test, Exists):
            return Bounds.exact(sql("coalesce(len({}) > 0, FALSE)", values))
        bounds = checks.holds(Operand(Sql(checks.ELEMENT), Kind.TEXT), test, self._parameter)
        return Bounds(one_of(values, bounds.least), one_of(values, bounds.most))

    def reference(self, field: str, test: FieldRef) -> Bounds[Sql]:
        if not self._fields.dataset:
            mine, theirs = column(column_of(field)), column(column_of(test.field))
            return Bounds.exact(checks.related_lists(mine, theirs, test))
        pairs = [(a, b) for a in self._fields.sources(field) for b in self._fields.sources(test.field)]
        return LOGIC.some([self.pair(mine, theirs, test) for mine, theirs in pairs])

    def pair(self, mine: Source, theirs: Source, test: FieldRef) -> Bounds[Sql]:
        if not isinstance(mine, Path | Entry) and not isinstance(theirs, Path | Entry):
            return checks.related(self.operand(mine), self.operand(theirs), test)
        return at_most(all_of([self.there(source) for source in (mine, theirs)]))

    def there(self, source: Source) -> Sql:
        if isinstance(source, Path | Entry):
            return self.inside(source, Exists())
        return self.operand(source).present

    def json(self, name: str, within: str, test: Test) -> Sql:
        """The JSON text of a column can hold such a value at a path."""
        text = column(name)
        needed = [self.contained(text, run) for run in longest(RUNS.findall(within.rpartition(".")[2]), 1)]
        if isinstance(test, Text):
            needed += self.literals(text, test)
        if not needed:
            return sql("({} IS NOT NULL)", text)
        escaped = sql("contains({}, {})", text, self._parameter("\\u"))
        return sql("coalesce({} OR {}, FALSE)", all_of(needed), escaped)

    def literals(self, text: Sql, test: Text) -> list[Sql]:
        """The longest runs of the literals, which JSON has no other way to write than as they are or by `\\u`."""
        whole = [part for part in test.parts if not isinstance(part, Wild)]
        runs = longest([run for part in whole for run in RUNS.findall(part)], MOST_RUNS)
        if test.cased:
            return [self.contained(text, run) for run in runs]
        return [self.contained_without_case(text, fold(run)) for run in runs]

    def contained(self, text: Sql, run: str) -> Sql:
        return sql("contains({}, {})", text, self._parameter(run))

    def contained_without_case(self, text: Sql, run: str) -> Sql:
        """`lower` of a record takes 3.3 s for a million, such an expression 1.2 s."""
        if not run.isascii():
            return self.contained(sql("lower({})", text), run)
        pattern = "".join([CASES.get(letter) or re.escape(letter) for letter in run])
        return sql("regexp_matches({}, {})", text, self._parameter(pattern))


def longest(runs: Iterable[str], most: int) -> list[str]:
    return sorted(dict.fromkeys(runs), key=len, reverse=True)[:most]


def one_of(values: Sql, test: Sql) -> Sql:
    """One element of the list passes `test`, which speaks of `checks.ELEMENT`."""
    if test == FALSE:
        return FALSE
    if test == TRUE:
        return sql("coalesce(len({}) > 0, FALSE)", values)
    return sql(f"coalesce(len(list_filter({{}}, lambda {checks.ELEMENT}: {{}})) > 0, FALSE)", values, test)
