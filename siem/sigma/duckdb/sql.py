"""Pieces of DuckDB SQL that carry their parameters: text from rules never becomes SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from siem.sigma.bounds import Bounds, Logic


@dataclass(frozen=True)
class Sql:
    """An expression, the values of its `$` parameters, and the columns that it names."""

    text: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.text


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


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


LOGIC = Logic(TRUE, FALSE, all_of, any_of, negated)
NEVER = Bounds.exact(FALSE)


def at_most(condition: Sql) -> Bounds[Sql]:
    """Only too much is known."""
    return LOGIC.at_most(condition)
