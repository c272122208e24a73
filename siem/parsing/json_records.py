"""The shape of parsers whose source sends JSON records.

A parser declares a TypedDict that names only what it reads, and a table of what each schema field is of that. The
record itself travels as raw bytes and is spliced into the document once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_type_hints

import msgspec

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing.batch import EVERY, Parsed
from siem.parsing.event import event_type
from siem.parsing.framing import Framer
from siem.parsing.json_checks import Checks
from siem.parsing.json_heads import Heads
from siem.parsing.json_keys import Keys, Scalar
from siem.parsing.json_reading import Reading
from siem.parsing.json_table import Execution, Parts, Table
from siem.parsing.parser import Content, Example
from siem.schema import Alias, DatasetFields, LogSource, Origin

WINDOW = 256 << 10
"""Bytes that are framed and decoded at a time: what is touched stays in the cache (1 MiB: 1.2 × the time)."""

TOGETHER = 448 << 10
"""Bytes of records in a batch: enough for columns, and little enough to be in the cache when they are encoded. Two
windows, each of which leaves a piece of a record; at 512 KiB it would be three (1.04 × the time; 1 MiB: 1.07)."""


@dataclass(frozen=True)
class JsonRecords:
    """A log type of JSON records. See `Parser` for the attributes that all parsers share.

    record: TypedDict of what is read, `total=False`: `str | None` for texts, `Nested` for nested values.
    columns: what each schema field is, of keys (`httpRequest.uri`) or `parts`; a record whose `@timestamp` is None is a
    reject. parts: values that are taken apart, by the names under which `columns` reads their parts.
    first_key: with which the source begins every record. bare: records come without envelope.
    written: every top-level key that the source is known to write, in its order; nested: those of them that hold
    objects or lists and are not in `record`.
    payloads: keys of open content (attributes of `record`, each Nested).
    native, aliases, stretches: as in `DatasetFields`.
    varied: the key behind which records vary, where what is written between the first key and this one repeats.
    repeating: keys of nested values that are the same from record to record; functions get them as bytes, the other
    Nested ones as msgspec.Raw.
    skipped: keys of objects of this place that are no logs (digests): each counts as one skipped record.
    """

    dataset: str
    key: re.Pattern[str]
    logsources: tuple[LogSource, ...]
    record: type[Any]
    columns: Table
    first_key: str
    parts: Mapping[str, Parts] = field(default_factory=dict)
    written: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()
    varied: str | None = None
    repeating: tuple[str, ...] = ()
    stretches: Mapping[str, bool] = field(default_factory=dict)
    native: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    bare: bool = False
    skipped: re.Pattern[str] | None = None
    unique_ids: bool = True
    version: str = "1"
    example: Example | None = None

    @cached_property
    def fields(self) -> DatasetFields:
        filled = EVERY | self.columns.keys() | {"cloud.provider"}
        return DatasetFields(
            self.dataset,
            filled,
            self.native,
            self.aliases,
            frozenset(self.payloads),
            nested=True,
            known=frozenset(self.written) or None,
            stretches=self.stretches,
        )

    @cached_property
    def keys(self) -> Keys:
        return Keys(*self._kinds, self.repeating)

    @cached_property
    def _kinds(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of the keys that are read, in the order in which they are written, and of the others."""
        others = {name: msgspec.Raw if name in self.nested else Scalar for name in self.written}
        own = get_type_hints(self.record, include_extras=True)
        return own, {name: own.get(name, kind) for name, kind in others.items()}

    @cached_property
    def _head_names(self) -> frozenset[str]:
        return frozenset(self.written[: self.written.index(self.varied or "")])

    @cached_property
    def _rest(self) -> Keys:
        """Keys of what a head leaves of a record."""
        heads = self._head_names - {self.first_key}
        own, others = ({name: kind for name, kind in kinds.items() if name not in heads} for kinds in self._kinds)
        return Keys(own, others, self.repeating)

    @cached_property
    def event(self) -> type[Any]:
        return event_type(self.dataset, self.fields.filled)

    @cached_property
    def execution(self) -> Execution:
        return Execution(self.columns, self.parts)

    @cached_property
    def _checks(self) -> dict[int, Checks]:
        return {}

    def checks(self, depth: int) -> Checks:
        if depth not in self._checks:
            self._checks[depth] = Checks(self.keys, depth)
        return self._checks[depth]

    @cached_property
    def _heads(self) -> dict[int, Heads]:
        return {}

    def heads(self, depth: int) -> Heads | None:
        """What is known of beginnings; None where they do not repeat."""
        if self.varied is not None and depth not in self._heads:
            self._heads[depth] = Heads(self.varied, self.keys, self._rest, self.execution, depth)
        return self._heads.get(depth)

    def learn(self, parts: Mapping[str, msgspec.Raw]) -> None:
        """A sound record, which may have keys that nobody knows yet."""
        self.keys.learn(parts)
        if self.varied is not None and self.varied in parts:
            names = list(parts)
            behind = names[names.index(self.varied) :]
            self._rest.learn({name: parts[name] for name in behind if name not in self._head_names})

    def claims(self, key: str) -> bool:
        return self.key.search(key) is not None

    def recognises(self, head: bytes) -> bool:
        text = head.lstrip(b" \t\r\n")
        return not text or (text.startswith(b"{") and not text.startswith(b"{\0"))  # which is UTF-16

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        if self.skipped is not None and self.skipped.search(origin.key):
            yield Parsed(self.dataset, None, skipped=1)
            return
        reading = Reading(self, origin, limits)
        window = min(WINDOW, limits.block_bytes)
        framer = Framer(self.first_key, window, limits.record_bytes, bare=self.bare, take=reading.take)
        damaged = None
        try:
            for block in content.blocks(window):  # joining 4 MB costs more than all framing
                view = memoryview(block)
                for start in range(0, len(block), WINDOW):
                    reading.read(framer.feed(view[start : start + WINDOW]))
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
