"""The shape of parsers whose source sends JSON records.

A parser declares a TypedDict that names only what it reads, and one pure function that fills an event from it. The
record itself travels as raw bytes and is spliced into the document once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing.batch import EVERY, Parsed
from siem.parsing.event import event_type
from siem.parsing.framing import Framer
from siem.parsing.guards import Seen
from siem.parsing.json_keys import Keys
from siem.parsing.json_reading import Reading
from siem.parsing.parser import Content, Example
from siem.parsing.rows import Fill
from siem.schema import Alias, DatasetFields, LogSource, Origin

WINDOW = 256 << 10
"""Bytes that are framed and decoded at a time: what is touched stays in the cache (1 MiB: 1.2 × the time)."""

TOGETHER = 1 << 20
"""Bytes of records in a batch: enough for columns, and the memory of events stays bounded."""


def nothing(record: Any, event: Any) -> None:
    """Nothing repeats."""


@dataclass(frozen=True)
class JsonRecords:
    """A log type of JSON records. See `Parser` for the attributes that all parsers share.

    record: TypedDict of what is read, `total=False`: `str | None` for texts, `Nested` for nested values.
    fill: sets the event's attributes; leaves `timestamp` None where the record has no time (a reject).
    begin: sets those before that depend on `repeating` alone: done once for equal ones.
    first_key: with which the source begins every record. bare: records come without envelope.
    written: every top-level key that the source is known to write, in its order; nested: those of them that hold
    objects or lists and are not in `record`.
    payloads: keys of open content (attributes of `record`, each Nested). native, aliases: as in `DatasetFields`.
    repeating: keys of values that are the same from record to record (attributes of `record`, texts or Nested).
    filled: schema fields that `fill` can set, besides those that every event has.
    skipped: keys of objects of this place that are no logs (digests): each counts as one skipped record.
    """

    dataset: str
    key: re.Pattern[str]
    logsources: tuple[LogSource, ...]
    record: type[Any]
    fill: Fill
    first_key: str
    filled: frozenset[str]
    written: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()
    repeating: tuple[str, ...] = ()
    native: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    begin: Fill = nothing
    bare: bool = False
    skipped: re.Pattern[str] | None = None
    unique_ids: bool = True
    version: str = "1"
    example: Example | None = None

    @cached_property
    def fields(self) -> DatasetFields:
        filled = self.filled | EVERY | {"cloud.provider"}
        return DatasetFields(self.dataset, filled, self.native, self.aliases, frozenset(self.payloads), nested=True)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.record, self.written, self.nested, self.repeating)

    @cached_property
    def seen(self) -> Seen:
        return Seen({b"null": 0})

    @cached_property
    def event(self) -> type[Any]:
        return event_type(self.dataset, self.fields.filled)

    def claims(self, key: str) -> bool:
        return self.key.search(key) is not None

    def recognises(self, head: bytes) -> bool:
        text = head.lstrip(b" \t\r\n")
        return not text or (text.startswith(b"{") and not text.startswith(b"{\0"))  # which is UTF-16

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        if self.skipped is not None and self.skipped.search(origin.key):
            yield Parsed(self.dataset, None, skipped=1)
            return
        framer = Framer(self.first_key, min(WINDOW, limits.block_bytes), limits.record_bytes, bare=self.bare)
        reading = Reading(self, origin, limits)
        damaged = None
        try:
            for block in content.blocks():
                for start in range(0, len(block), WINDOW):
                    reading.read(framer.feed(block[start : start + WINDOW]))
                    if reading.bytes >= TOGETHER:
                        yield reading.parsed()
        except Damaged as damage:
            damaged = str(damage)
        reading.read(framer.close())
        yield reading.parsed(damaged or framer.damage)

    def replay(self, raw: bytes, ordinal: int, origin: Origin, limits: Limits) -> Parsed | None:
        reading = Reading(self, origin, limits, ordinal)
        reading.read([raw])
        return reading.parsed()
