"""Pieces of DuckDB SQL that carry their parameters: text from rules never becomes SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count


@dataclass(frozen=True)
class Sql:
    """An expression, the values of its `$` parameters, and the columns that it names."""

    text: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.text


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


@dataclass(frozen=True)
class Bounds:
    """A condition between two: wherever `least` holds it holds, and it holds nowhere but where `most` does."""

    least: Sql
    most: Sql

    @classmethod
    def exact(cls, sql: Sql) -> Bounds:
        return cls(sql, sql)

    @classmethod
    def at_most(cls, sql: Sql) -> Bounds:
        """Only too much is known: the predicate has to decide."""
        return cls(FALSE, sql)

    @property
    def is_exact(self) -> bool:
        return self.least == self.most


NEVER = Bounds.exact(FALSE)


class Parameters:
    """Names parameters: `$p0`, `$p1`, …"""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self, value: object) -> Sql:
        name = f"p{next(self._numbers)}"
        return Sql(f"${name}", {name: value})


def column(name: str) -> Sql:
    """A column by its quoted name."""
    quoted = name.replace('"', '""')
    return Sql(f'"{quoted}"', {}, frozenset((name,)))


def sql(template: str, *parts: Sql) -> Sql:
    """The template with each `{}` replaced by a part."""
    parameters = {name: value for part in parts for name, value in part.parameters.items()}
    columns = frozenset().union(*[part.columns for part in parts])
    return Sql(template.format(*parts), parameters, columns)


def all_of(parts: Iterable[Sql]) -> Sql:
    """A conjunction; what is always true is left out."""
    return _linked(parts, " AND ", TRUE, FALSE)


def any_of(parts: Iterable[Sql]) -> Sql:
    """A disjunction; what is never true is left out."""
    return _linked(parts, " OR ", FALSE, TRUE)


def _linked(parts: Iterable[Sql], word: str, neutral: Sql, decisive: Sql) -> Sql:
    kept = list({part.text: part for part in parts if part != neutral}.values())
    if decisive in kept:
        return decisive
    if len(kept) <= 1:
        return kept[0] if kept else neutral
    return sql(f"({word.join(['{}'] * len(kept))})", *kept)


def negated(part: Sql) -> Sql:
    return FALSE if part == TRUE else TRUE if part == FALSE else sql("NOT {}", part)


def both(items: Iterable[Bounds], link: Callable[[Iterable[Sql]], Sql]) -> Bounds:
    """Bounds linked on either side."""
    given = list(items)
    return Bounds(link([item.least for item in given]), link([item.most for item in given]))
