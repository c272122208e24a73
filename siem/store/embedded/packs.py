"""A pack of queries over a part of the files: what columns of short values tell first, JSON text only of what is left.

Queries that look at the same columns are answered together, once for every combination of values that occurs. So a
pass costs what the columns cost, and little more with every rule.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from siem.errors import ContentError
from siem.schema import Gate, Query, fold
from siem.store.embedded.coding import Combinations
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import rows_at
from siem.store.embedded.parts import Part

TOGETHER = 100
"""Conditions of one statement."""

FEW = 8
"""One in so many: where JSON queries are left with fewer rows than that, all of them are hits that the predicate will
judge. Looking into the text here would read it twice."""

Items = Sequence[tuple[int, Gate]]


@dataclass(frozen=True)
class Pairs:
    """Rows of a part, and the place of a query that finds each."""

    rows: np.ndarray
    queries: np.ndarray

    @classmethod
    def of(cls, pairs: Iterable[Pairs]) -> Pairs:
        given = [cls(np.empty(0, np.int64), np.empty(0, np.int64)), *pairs]
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

    def rows(self, part: Part, within: np.ndarray | None) -> np.ndarray:
        """Rows that have one of the texts."""
        if self.by is None:
            return np.arange(len(part)) if within is None else np.flatnonzero(within)
        coded = part.coded(self.by)
        named = [text is not None and fold(text) in self.texts for text in coded.values.to_pylist()]
        there = np.array([*named, False])[coded.codes]
        return np.flatnonzero(there if within is None else there & within)


class Pack:
    """Queries of one dataset. failed: those that cannot be run, and why; what they found before counts no more."""

    def __init__(self, queries: Sequence[Query], engine: Engine, most: int) -> None:
        """most: rows whose JSON text is in hand at a time."""
        self._queries, self._engine, self._most = queries, engine, most
        self.failed: dict[int, ContentError] = {}
        self._groups = list(_groups(queries))
        self.columns = frozenset[str]().union(*[query.first.columns | query.required.keys() for query in queries])

    def pairs(self, part: Part, within: np.ndarray | None, paths: Sequence[Path]) -> Pairs:
        """What the queries find among the rows of a part that the mask lets through."""
        found = Pairs.of([self._found(group, part, group.rows(part, within)) for group in self._groups])
        gated = np.array([query.gate is not None for query in self._queries])[found.queries]
        inside: dict[frozenset[str], list[int]] = defaultdict(list)
        for place in np.unique(found.queries[gated]).tolist():
            inside[self._queries[place].columns - self.columns].append(place)
        kept = [found.chosen(~gated)]
        for columns, places in inside.items():
            mine = found.chosen(np.isin(found.queries, places))
            exact = any(self._queries[place].exact for place in places)
            few = len(mine.rows) * FEW <= len(part) and not exact
            kept.append(mine if few else Pairs.of(self._looked_into(columns, places, mine, part, paths)))
        return Pairs.of(kept)

    def _found(self, group: Group, part: Part, rows: np.ndarray) -> Pairs:
        """What the first conditions of a group find: asked of combinations, told of rows."""
        if not len(rows):
            return Pairs.of([])
        combinations = Combinations.of([part.coded(name) for name in group.columns], rows)
        table = part.table(group.columns, combinations.examples) if group.columns else NOTHING
        items = [(place, self._queries[place].first) for place in group.places]
        answers = list(self._answers(table, items))
        if not answers:
            return Pairs.of([])
        matrix: np.ndarray = np.array([holds for _, holds in answers])
        places = np.array([place for place, _ in answers])
        mine = np.any(matrix, axis=0)[combinations.which]
        rows, which = rows[mine], combinations.which[mine]
        found, queries = np.nonzero(matrix.T)  # by combination
        starts = np.searchsorted(found, np.arange(matrix.shape[1] + 1))
        counts = np.diff(starts)[which]
        ends = np.cumsum(counts)
        at = np.arange(counts.sum()) + np.repeat(starts[which] - (ends - counts), counts)
        return Pairs(np.repeat(rows, counts), places[queries[at]])

    def _looked_into(
        self, columns: frozenset[str], places: Sequence[int], pairs: Pairs, part: Part, paths: Sequence[Path]
    ) -> Iterator[Pairs]:
        """Of these pairs those for which the whole condition holds, JSON text included."""
        order = np.argsort(pairs.rows, kind="stable")
        rows, queries = pairs.rows[order], pairs.queries[order]
        distinct = np.unique(rows)
        for start in range(0, len(distinct), self._most):
            some = distinct[start : start + self._most]
            first, last = np.searchsorted(rows, (some[0], some[-1] + 1))
            table = self._texts(columns, places, some, part, paths)
            items: list[tuple[int, Gate]] = []
            for place in places:
                mine = rows[first:last][queries[first:last] == place]
                query, passed = self._queries[place], f"|passed{place}"
                table = table.append_column(passed, pa.array(np.isin(some, mine)))
                where = f'CASE WHEN "{passed}" THEN ({query.where}) ELSE FALSE END'
                items.append((place, Gate(where, query.parameters, query.columns)))
            for place, holds in self._answers(table, items):
                yield Pairs(some[holds], np.full(int(holds.sum()), place))

    def _texts(
        self, columns: frozenset[str], places: Sequence[int], rows: np.ndarray, part: Part, paths: Sequence[Path]
    ) -> pa.Table:
        """JSON texts of rows, and what else the queries look at."""
        files = part.files[rows]
        read = []
        for file in np.unique(files).tolist():
            places_in = part.places[rows[files == file]]
            read.append(_with(rows_at(paths[file], places_in, columns), columns, len(places_in)))
        table = pa.concat_tables(read)
        others = frozenset[str]().union(*[self._queries[place].columns for place in places]) - columns
        for name in sorted(others):
            table = table.append_column(name, part.coded(name).taken(rows))
        return table

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


def _with(table: pa.Table, columns: frozenset[str], count: int) -> pa.Table:
    """All of the columns, null where there is none."""
    made = {name: table[name] if name in table.column_names else pa.nulls(count, pa.string()) for name in columns}
    return pa.table(made)
