"""Forms of lines that no header names: which form a line has, and what its columns are called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from siem.parsing.headers import Plan, Table, plan_of
from siem.parsing.web import Parts

MOST_COLUMNS = 100
FORM = "log"
"""The column that we add to every line: the name of its form."""


@dataclass(frozen=True, repr=False)
class Form:
    """One form of lines.

    key, opening: find it in an object's key, and at the beginning of a line.
    columns: their names, in order. oldest: the last column that the oldest lines have; later ones may be missing.
    quoted: columns that stand in quotation marks; where there are none, such marks are text.
    table: schema field, source column or part of one (`request.method`), cast. parts: columns that are taken apart.
    """

    name: str
    key: re.Pattern[str]
    opening: re.Pattern[bytes]
    columns: tuple[str, ...]
    oldest: str
    table: Table
    quoted: frozenset[str] = frozenset()
    parts: Mapping[str, Parts] = field(default_factory=dict)

    @cached_property
    def least(self) -> int:
        return self.columns.index(self.oldest) + 1

    def names(self, count: int) -> tuple[str, ...]:
        """The names of so many columns; those that nobody has documented yet are called by their number from 1."""
        return *self.columns[:count], *(f"column_{number + 1}" for number in range(len(self.columns), count))

    def plan(self, count: int) -> Plan:
        """What is made of so many columns."""
        parts = [f"{column}.{part}" for column, parts in self.parts.items() for part in parts.names]
        return plan_of((FORM, *self.names(count)), self.table, frozenset(self.columns), parts)

    @cached_property
    def native(self) -> dict[str, str]:
        """Column -> the field that holds its text."""
        holding = [(source, name) for name, (source, cast) in self.table.items() if cast.exact or cast.normal]
        return {
            source: name for source, name in reversed(holding) if isinstance(source, str) and source in self.columns
        }

    def fault(self, count: int) -> str | None:
        """Why a line of so many columns is none of this form; None: it may be."""
        if not count:
            return "a quotation mark that does not close, or text behind one that does"
        if count < self.least:
            return f"{count:,} columns, a line of {self.name} has at least {self.least}"
        return f"more than {MOST_COLUMNS} columns" if count > MOST_COLUMNS else None


def form_by_key(forms: Sequence[Form], key: str) -> Form | None:
    return next((form for form in forms if form.key.search(key)), None)


def form_by_line(forms: Sequence[Form], line: bytes) -> Form | None:
    return next((form for form in forms if form.opening.match(line)), None)
