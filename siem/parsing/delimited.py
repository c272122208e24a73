"""The shape of parsers whose source writes delimited lines under a header, or the same columns as Parquet.

A parser declares a table: schema field, source column, cast. Arrow executes it over whole blocks of lines; a block that
holds anything unusual is looked at line by line first, and what is sound of it read as a block again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from siem.config import Limits
from siem.parsing.batch import EVERY, Parsed
from siem.parsing.casts import epoch
from siem.parsing.execution import Skip
from siem.parsing.headers import Table, sources
from siem.parsing.lines import BOM
from siem.parsing.parquet import MAGIC
from siem.parsing.parser import Content, Example
from siem.parsing.reading import Reading
from siem.schema import Alias, DatasetFields, LogSource, Origin

LOOKED_AT = 4096
BINARY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\xc0\xc1\xf5-\xff]|^[\x80-\xbf]")
"""Bytes that no text has, in UTF-8, or does not begin with."""


@dataclass(frozen=True)
class Delimited:
    """A log type of delimited lines. See `Parser` for the attributes that all parsers share.

    columns: the table. constants: fields that are the same in every event.
    others: columns that the source is known to write besides; they, and columns nobody knows, are kept as text below
    the dataset's name, as is every text that no field holds as it stands.
    separator, null: one character between columns; what stands for no value.
    skip: lines that say that there was no event. aliases: as in `DatasetFields`.
    time_in_key: finds `YYYYMMDDTHHMM` in the key, the time of events that have none of their own.
    """

    dataset: str
    key: re.Pattern[str]
    logsources: tuple[LogSource, ...]
    columns: Table
    others: frozenset[str] = frozenset()
    constants: Mapping[str, str] = field(default_factory=dict)
    separator: str = " "
    null: str = "-"
    skip: Skip | None = None
    time_in_key: re.Pattern[str] | None = None
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    unique_ids: bool = False
    version: str = "1"
    example: Example | None = None

    @cached_property
    def known(self) -> frozenset[str]:
        """Every column that the source is known to write."""
        return self.others.union(*(sources(source) for source, _ in self.columns.values())) - self.columns.keys()

    @cached_property
    def times(self) -> frozenset[str]:
        """The columns that hold seconds since 1970."""
        return frozenset().union(*(sources(source) for source, cast in self.columns.values() if cast is epoch))

    @cached_property
    def fields(self) -> DatasetFields:
        filled = EVERY | self.columns.keys() | self.constants.keys()
        return DatasetFields(self.dataset, filled, self.native, self.aliases, nested=False)

    @cached_property
    def native(self) -> dict[str, str]:
        """Column -> the field that holds its text where the cast succeeds."""
        exact = [(source, name) for name, (source, cast) in self.columns.items() if cast.exact]
        return {source: name for source, name in reversed(exact) if isinstance(source, str)}

    def claims(self, key: str) -> bool:
        return self.key.search(key) is not None

    def recognises(self, head: bytes) -> bool:
        """Parquet, or a first line of text that does not begin a document of another kind."""
        return head.startswith(MAGIC) or is_text(head)

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        return Reading(self, origin, limits).parsed(content)

    def replay(self, raw: bytes, ordinal: int, origin: Origin, limits: Limits) -> Parsed | None:
        """A line means nothing without the header that it stood under: its object has to be read again."""
        return None

    def line(self, document: Mapping[str, Any], header: str) -> str:
        """The line that an event was made from, given the header that it stood under."""
        return self.separator.join(self._text(document, name) for name in header.split(self.separator))

    def _text(self, document: Mapping[str, Any], name: str) -> str:
        kept = document.get(f"{self.dataset}.{name}")
        held = document.get(self.native[name]) if kept is None and name in self.native else kept
        return self.null if held is None else str(held)


def is_text(head: bytes) -> bool:
    """The first line is text that does not begin a document of another kind."""
    line = head[:LOOKED_AT].removeprefix(BOM).lstrip().partition(b"\n")[0]
    return not (line.startswith((b"{", b"[", b"<")) or BINARY.search(line))
