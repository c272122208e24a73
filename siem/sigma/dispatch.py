"""Many rules over one document or a batch: only those are evaluated that can match.

Of a batch first what columns tell, a value at a time and each distinct one once: which rules have their required text
there, and of those which may match by their sieve. The record of an event is decoded only if a rule is left that has to
look into it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from operator import itemgetter

from siem.parsing import Documents
from siem.schema import DatasetFields, fold, scalar_text
from siem.sigma.gates import cheapest_first, columns_that_are, needles, required
from siem.sigma.predicate import condition
from siem.sigma.record import Document, Reader, View
from siem.sigma.rule import Rule
from siem.sigma.sieve import Rows, Sieve
from siem.sigma.tree import Exists, Leaf

REMEMBERED = 65_536
"""Distinct values of a column whose rules are kept; then it begins anew: values are of attackers' choice."""


class Dispatch:
    """Rules of one dataset by the values that they require."""

    def __init__(self, rules: Iterable[Rule], fields: DatasetFields) -> None:
        self._rules = [(rule, condition(cheapest_first(rule.tree, fields))) for rule in rules]
        self._reader = Reader(fields)
        self._by_text: dict[str, _ByText] = {}
        self._everywhere: list[int] = []  # places of rules that require no text
        needed = [required(rule.tree) for rule, _ in self._rules]
        common = Counter((field, text) for item in needed for field, texts in item.items() for text in texts)
        for place, item in enumerate(needed):
            if not item:
                self._everywhere.append(place)
                continue
            named = min(sorted(item), key=lambda name: self._cost(name, item[name], common))
            for text in item[named]:
                self._by_text.setdefault(named, _ByText(named, fields)).add(text, place)

    def _cost(self, name: str, texts: Iterable[str], common: Counter[tuple[str, str]]) -> tuple[bool, int]:
        """Columns before paths; then the field whose texts the fewest rules name: a call, rather than its service."""
        into_records = columns_that_are(name, self._reader.fields) is None
        return into_records and bool(self._reader.fields.dataset), sum([common[name, text] for text in texts])

    @cached_property
    def _sieves(self) -> list[Sieve]:
        """By place; lines of any JSON need none."""
        return [Sieve.of(rule.tree, self._reader) for rule, _ in self._rules]

    def matching(self, document: Document) -> list[Rule]:
        """The rules that the document satisfies, in the order in which they were given."""
        view = View(self._reader, document)
        places = set(self._everywhere)
        for by_text in self._by_text.values():
            places.update([place for text in view.folded(by_text.field) for place in by_text.places(text)])
        return [self._rules[place][0] for place in sorted(places) if self._rules[place][1](view)]

    def matches(self, documents: Documents) -> Iterator[tuple[int, Rule]]:
        """Rows of a batch and the rules that they satisfy, row by row, rules in the order in which they were given."""
        rows, every = Rows(documents), range(len(documents))
        found = [
            (row, place)
            for place, among in [*((place, every) for place in self._everywhere), *self._with_text(documents, rows)]
            for row in self._sieves[place].passed(rows, among)
        ]
        for row, places in groupby(sorted(found), key=itemgetter(0)):
            view = View(self._reader, documents[row])
            for _, place in places:
                rule, holds = self._rules[place]
                if self._sieves[place].exact or holds(view):
                    yield row, rule

    def _with_text(self, documents: Documents, rows: Rows) -> Iterator[tuple[int, Sequence[int]]]:
        """Places of rules, and the rows that have a text which they require."""
        for by_text in self._by_text.values():
            among: dict[int, dict[int, None]] = defaultdict(dict)
            for row, places in by_text.rows(documents, rows, self._reader):
                for place in places:
                    among[place][row] = None
            yield from ((place, list(those)) for place, those in among.items())


class _ByText:
    """Rules that need one of a few texts in a field."""

    def __init__(self, field: str, fields: DatasetFields) -> None:
        self.field = field
        self._columns = columns_that_are(field, fields)
        self._key = None if self._columns is not None else needles(Leaf(field, Exists()), fields)
        self._places: dict[str, list[int]] = {}
        self._known: dict[Hashable, Sequence[int]] = {}

    def add(self, text: str, place: int) -> None:
        self._places.setdefault(text, []).append(place)

    def places(self, text: str) -> Sequence[int]:
        """Of a folded text."""
        return self._places.get(text, ())

    def rows(self, documents: Documents, rows: Rows, reader: Reader) -> Iterator[tuple[int, Sequence[int]]]:
        if self._columns is None:
            every = range(len(documents))
            for row in rows.holding(self._places, rows.with_one_of(self._key, every)):
                for text in map(fold, reader.texts(self.field, documents[row])):
                    if places := self.places(text):
                        yield row, places
            return
        for name in self._columns:
            column, known = rows.column(name, range(len(documents))), self._known
            if len(known) > REMEMBERED:
                known.clear()
            for value in set(column) - known.keys():
                known[value] = () if value is None else self.places(fold(scalar_text(value)))
            yield from ((row, places) for row, places in enumerate(map(known.__getitem__, column)) if places)
