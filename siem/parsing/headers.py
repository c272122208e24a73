"""Header lines of delimited logs: which line is one, and what a declared table makes of its columns."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from siem.parsing.casts import Cast
from siem.schema import BY_NAME, Kind

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
"""What a column's name looks like; values of flow logs begin with digits or capitals where it matters."""

LONGEST = 64
NEVER = re.compile(r"[^a-z0-9-]")
"""What no name holds, `_` written as `-`."""

MOST_COLUMNS = 1_000

DOCUMENTS_BYTES = 48 << 20
"""About what the documents of one block may have together: a line of two bytes becomes a document of 400."""


class Unusable(ValueError):
    """A header that cannot be used; the text is the reason of its lines' rejection."""


@dataclass(frozen=True)
class First:
    """The first of these columns that has such a value."""

    names: tuple[str, ...]


def first(*names: str) -> First:
    return First(names)


Table = Mapping[str, tuple[str | First, Cast]]
"""schema field -> source column (or other field), or the first of several, and cast."""


@dataclass(frozen=True)
class Plan:
    """What is made of the columns of one header.

    names: the columns. fields: schema field, its columns in order, its cast. holders: column -> casts whose fields
    hold its very text, or do where it is in normal form. marks: columns whose sound values never look like a name.
    """

    names: tuple[str, ...]
    fields: tuple[tuple[str, tuple[str, ...], Cast], ...]
    holders: Mapping[str, tuple[Cast, ...]]
    marks: tuple[str, ...]

    @property
    def most_rows(self) -> int:
        """Rows that may become documents at a time."""
        return DOCUMENTS_BYTES // (500 + sum(len(name) + 24 for name in self.names))


def names_in(line: bytes, separator: str) -> tuple[str, ...] | None:
    """The columns that `line` names; None: it is no header line."""
    names = tuple(line.decode(errors="replace").split(separator))
    return names if all(map(NAME.fullmatch, names)) else None


def column_name(written: str) -> str:
    """The name that a header line has for a Parquet column: `_` is `-`.

    A name that no header could have is kept as one that no other column gets: `_2e_` is a full stop, and a hash ends
    what is too long.
    """
    name = written.replace("_", "-")
    if NAME.fullmatch(name):
        return name
    escaped = NEVER.sub(lambda found: f"_{ord(found[0]):x}_", name) or "_"
    digest = hashlib.sha256(written.encode()).hexdigest()[:16]
    return escaped if len(escaped) <= LONGEST else f"{escaped[: LONGEST - len(digest) - 1]}_{digest}"


def plan_of(names: Sequence[str], table: Table, known: frozenset[str], parts: Sequence[str] = ()) -> Plan:
    """What `table` makes of these columns, and of the parts that some of them have.

    Raises:
        Unusable: a column stands twice, none is known, or there are too many.
    """
    if len(names) > MOST_COLUMNS:
        raise Unusable(f"the header has more than {MOST_COLUMNS:,} columns")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Unusable(f"the column {twice} stands twice in the header")
    if not known.intersection(names):
        raise Unusable("the header has no column of this log")
    there = (*names, *parts)
    fields = [(field, present(source, there, table), cast) for field, (source, cast) in table.items()]
    filled = tuple((field, columns, cast) for field, columns, cast in fields if columns)
    holding = [(source, cast) for source, cast in table.values() if cast.exact or cast.normal]
    holders = {name: tuple(cast for source, cast in holding if source == name) for name in names}
    marks = [columns[0] for field, columns, _ in filled if BY_NAME[field].kind is not Kind.TEXT and columns[0] in names]
    return Plan(tuple(names), filled, holders, tuple(marks))


def sources(source: str | First) -> tuple[str, ...]:
    """The columns, or other fields, that a field may come from."""
    return source.names if isinstance(source, First) else (source,)


def present(source: str | First, names: Sequence[str], table: Table) -> tuple[str, ...]:
    """The sources that there are under this header; a source may be another field."""
    return tuple(
        name for name in sources(source) if name in names or (name in table and present(table[name][0], names, table))
    )
