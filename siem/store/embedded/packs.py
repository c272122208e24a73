"""A pack of queries over a part of the files: what columns of short values tell first, JSON text only of what is left.

Queries that look at the same columns are answered together, once for every combination of values that occurs. So a
pass costs what the columns cost, and little more with every rule.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from siem.errors import ContentError
from siem.schema import Gate, Query, fold
from siem.store.embedded.coding import Combinations
from siem.store.embedded.engine import Engine
from siem.store.embedded.parts import Part

TOGETHER = 100
"""Conditions of one statement."""

SCANNED = 16
"""Queries that the files are read for together: each is asked of every row."""

FEW, MANY = 128, 8
"""One row in so many. Where JSON queries are left with fewer than few, all of these are hits, and the predicate judges
them (some 50 µs each). Where one is left with many, DuckDB reads the files for it: 0.2 to 1.2 µs for every row."""

ALL_ROWS = np.ones(1, bool)

Items = Sequence[tuple[int, Gate]]


@dataclass(frozen=True)
class Pairs:
    """Rows of a part, and the place of a query that finds each."""

    rows: np.ndarray
    queries: np.ndarray

    @classmethod
    def of(cls, pairs: Iterable[Pairs]) -> Pairs:
        given = [cls(np.empty(0, np.int32), np.empty(0, np.int32)), *pairs]
        return cls(np.concatenate([one.rows for one in given]), np.concatenate([one.queries for one in given]))

    def chosen(self, mask: np.ndarray) -> Pairs:
        return Pairs(self.rows[mask], self.queries[mask])


@dataclass(frozen=True)
class Group:
    """Queries whose first condition is over the same columns; `by`: a column in which they require texts, or none."""

    columns: tuple[str, ...]
    by: str | None
    places: Sequence[int]
    texts: frozenset[str]


class Pack:
    """Queries of one dataset. failed: those that cannot be run, and why; what they found before counts no more."""

    def __init__(self, queries: Sequence[Query], engine: Engine, most: int) -> None:
        """most: rows whose JSON text is in hand at a time."""
        self._queries, self._engine, self._most = queries, engine, most
        self.failed: dict[int, ContentError] = {}
        self._groups = list(_groups(queries))
        self.columns = frozenset[str]().union(*[query.first.columns | query.required.keys() for query in queries])

    def pairs(self, part: Part, within: np.ndarray | None) -> Pairs:
        """What the queries find among the rows of a part that the mask lets through."""
        narrowed = self._narrowed(part)
        found = Pairs.of([self._found(group, part, narrowed, within) for group in self._groups])
        some, many = self._divided(found, len(part))
        kept = found.chosen(np.isin(found.queries, [*some, *many], invert=True)) if some or many else found
        return Pairs.of([kept, *self._looked_into(some, found, part), *self._scanned(many, part, within)])

    def _divided(self, found: Pairs, rows: int) -> tuple[list[int], list[int]]:
        """Queries that JSON text has to be looked into for: in some rows, and in so many that all are read for them."""
        counts = np.bincount(found.queries, minlength=len(self._queries))
        some, many, left = [], [], rows / FEW
        for place in np.argsort(counts, kind="stable").tolist():
            query, count = self._queries[place], int(counts[place])
            if query.gate is None or not count:
                continue
            if count * MANY > rows:
                many.append(place)
            elif query.exact or count > left:
                some.append(place)
            else:
                left -= count
        return some, many

    def _candidates(
        self, group: Group, part: Part, narrowed: Mapping[int, np.ndarray], within: np.ndarray | None
    ) -> tuple[list[int], np.ndarray]:
        """Queries of a group that can find something, and rows that they may find, as far as single columns tell."""
        if group.by is not None:
            coded = part.coded(group.by)
            folded = [None if text is None else fold(text) for text in coded.values.to_pylist()]
            there = group.texts.intersection(folded)
            places = [place for place in group.places if not there.isdisjoint(self._queries[place].required[group.by])]
            mask = np.array([*[text in there for text in folded], False])[coded.codes]
        else:
            masks = {place: narrowed.get(place, ALL_ROWS) for place in group.places}
            places = [place for place, rows in masks.items() if rows.any()]
            mask = np.zeros(len(part), bool)
            for rows in masks.values():
                mask |= rows
        return places, np.flatnonzero(mask if within is None else mask & within)

    def _narrowed(self, part: Part) -> dict[int, np.ndarray]:
        """Queries that require no text, and the rows that each column by itself leaves them.

        Columns of few values first: a query that is left with no row does not ask for the others.
        """
        left: dict[int, np.ndarray] = {}
        asked = [
            place for group in self._groups if group.by is None and len(group.columns) > 1 for place in group.places
        ]
        columns = {name for place in asked for name in self._queries[place].apart}
        for name in sorted(columns, key=part.values):
            some = [place for place in asked if name in self._queries[place].apart]
            some = [place for place in some if place not in left or left[place].any()]
            if not some:
                continue
            coded = part.coded(name)
            values = pa.table({name: pa.concat_arrays([coded.values, pa.nulls(1, coded.values.type)])})
            items = [(place, self._queries[place].apart[name]) for place in some]
            for place, holds in self._answers(values, items):
                mask = holds[coded.codes]
                left[place] = left[place] & mask if place in left else mask
        return left

    def _found(self, group: Group, part: Part, narrowed: Mapping[int, np.ndarray], within: np.ndarray | None) -> Pairs:
        """What the first conditions of a group find: asked of combinations, told of rows."""
        asked, rows = self._candidates(group, part, narrowed, within)
        if not asked or not len(rows):
            return Pairs.of([])
        combinations = Combinations.of([part.coded(name) for name in group.columns], rows)
        table = part.table(group.columns, combinations.examples) if group.columns else NOTHING
        items = [(place, self._queries[place].first) for place in asked]
        answers = list(self._answers(table, items))
        if not answers:
            return Pairs.of([])
        matrix: np.ndarray = np.array([holds for _, holds in answers])
        places = np.array([place for place, _ in answers], np.int32)
        mine = np.any(matrix, axis=0)[combinations.which]
        rows, which = rows[mine], combinations.which[mine]
        found, queries = np.nonzero(matrix.T)  # by combination
        starts = np.searchsorted(found, np.arange(matrix.shape[1] + 1))
        counts = np.diff(starts)[which]
        ends = np.cumsum(counts)
        at = np.arange(counts.sum()) + np.repeat(starts[which] - (ends - counts), counts)
        return Pairs(np.repeat(rows, counts).astype(np.int32), places[queries[at]])

    def _looked_into(self, places: Sequence[int], found: Pairs, part: Part) -> Iterator[Pairs]:
        """What the whole conditions of these queries leave of what their gates let through."""
        inside: dict[frozenset[str], list[int]] = defaultdict(list)
        for place in places:
            inside[self._queries[place].columns - self.columns].append(place)
        for texts, alike in inside.items():
            rows = {place: found.rows[found.queries == place] for place in alike}
            distinct = np.unique(np.concatenate(list(rows.values())))
            for start in range(0, len(distinct), self._most):
                some = distinct[start : start + self._most]
                table = self._table(texts, alike, some, part)
                for place in alike:
                    table = table.append_column(f"|passed{place}", pa.array(np.isin(some, rows[place])))
                for place, holds in self._answers(table, [(place, self._of_passed(place)) for place in alike]):
                    yield Pairs(some[holds], np.full(int(holds.sum()), place, np.int32))

    def _of_passed(self, place: int) -> Gate:
        """The whole condition, asked only where the gate let something through."""
        query = self._queries[place]
        return Gate(f'CASE WHEN "|passed{place}" THEN ({query.where}) ELSE FALSE END', query.parameters)

    def _table(self, texts: frozenset[str], places: Sequence[int], rows: np.ndarray, part: Part) -> pa.Table:
        """JSON texts of rows, and what else the queries look at."""
        others = frozenset[str]().union(*[self._queries[place].columns for place in places]) - texts
        table = part.texts(sorted(texts), rows)
        for name in sorted(others):
            table = table.append_column(name, part.coded(name).taken(rows))
        return table

    def _scanned(self, places: Sequence[int], part: Part, within: np.ndarray | None) -> Iterator[Pairs]:
        """What these queries find when the files are read for them."""
        for start in range(0, len(places), SCANNED):
            some = [place for place in places[start : start + SCANNED] if place not in self.failed]
            try:
                answers = self._engine.found([self._queries[place] for place in some], part.extents) if some else []
            except ContentError as error:
                if len(some) == 1:
                    self.failed[some[0]] = error
                else:
                    for place in some:
                        yield from self._scanned([place], part, within)
                continue
            for place, (files, positions) in zip(some, answers, strict=False):
                rows = part.rows(files, positions)
                rows = rows if within is None else rows[within[rows]]
                yield Pairs(rows.astype(np.int32), np.full(len(rows), place, np.int32))

    def _answers(self, table: pa.Table, items: Items) -> Iterator[tuple[int, np.ndarray]]:
        """Where each condition holds; without those that cannot be run."""
        alive = [item for item in items if item[0] not in self.failed]
        for start in range(0, len(alive), TOGETHER):
            some = alive[start : start + TOGETHER]
            try:
                answers = self._engine.holds(table, [condition for _, condition in some])
            except ContentError as error:
                if len(some) == 1:
                    self.failed[some[0][0]] = error
                else:
                    for item in some:
                        yield from self._answers(table, [item])
                continue
            yield from zip([place for place, _ in some], answers, strict=True)


NOTHING = pa.table({"|": pa.nulls(1)})
"""A row without columns."""


def _groups(queries: Sequence[Query]) -> Iterator[Group]:
    common = Counter((name, text) for query in queries for name, texts in query.required.items() for text in texts)
    groups: dict[tuple[tuple[str, ...], str | None], list[int]] = defaultdict(list)
    for place, query in enumerate(queries):
        needed = query.required
        costs = [(sum([common[name, text] for text in needed[name]]), name) for name in needed]
        groups[tuple(sorted(query.first.columns)), min(costs)[1] if costs else None].append(place)
    for (columns, by), places in groups.items():
        texts = [queries[place].required[by] for place in places] if by else []
        yield Group(columns, by, places, frozenset[str]().union(*texts))
