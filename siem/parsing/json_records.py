"""The shape of parsers whose source sends JSON records.

A parser declares a TypedDict that names only what it reads, and one pure function that fills an event from it. The
record itself travels as raw bytes and is spliced into the document once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict, get_type_hints

import msgspec
import orjson
import pyarrow as pa

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing.batch import Parsed, Reject, text_of
from siem.parsing.event import event_type
from siem.parsing.framing import Broken, Frame, Framer
from siem.parsing.guards import (
    Seen,
    Unacceptable,
    checked,
    compact,
    keys_in_window,
    keys_of_all,
    keys_written,
    nesting,
    refuse_duplicates,
)
from siem.parsing.parser import Content
from siem.parsing.rows import Fill, RowBatch
from siem.schema import DatasetFields, LogSource, Origin

if TYPE_CHECKING:
    Nested = bytes
else:
    Nested = msgspec.Raw
"""A nested part of a record: its JSON text, once the record is checked."""

WINDOW = 256 << 10
"""Bytes that are framed and decoded at a time: what is touched stays in the cache (1 MiB: 1.2 × the time)."""

KNOWN_KEYS = 96
"""Top-level keys that AWS added since are learned while reading, up to so many; the rest stay slow (3 ×)."""

joined = b"".join

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Keys:
    """Which top-level keys records have. A record whose keys are all known is checked 3 × as fast.

    decode: record -> dictionary of its known keys; nested values are Raw. repeating: keys of nested values that come
    again and again (identities); single: of the others.
    """

    def __init__(
        self, record: type[Any], scalars: Sequence[str], nested: Sequence[str], payloads: Sequence[str]
    ) -> None:
        self._types: dict[str, Any] = {
            **get_type_hints(record),
            **dict.fromkeys(scalars, str | bool | None),
            **dict.fromkeys(nested, msgspec.Raw),
        }
        self._own = get_type_hints(record)
        self.repeating = [name for name, kind in self._own.items() if kind is msgspec.Raw and name not in payloads]
        self._build()

    def _build(self) -> None:
        made: Any = TypedDict  # at run time, which mypy does not follow
        known = made("Known", self._types, total=False)
        self.decode: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(known).decode
        nested = [name for name, kind in self._types.items() if kind is msgspec.Raw]
        self.single = [name for name in nested if name not in self.repeating]

    def learn(self, names: Iterable[str]) -> None:
        """Add keys that were met, up to a limit; beyond it they are left to the slow way."""
        new = [name for name in names if name not in self._types]
        if new and len(self._types) + len(new) <= KNOWN_KEYS:
            self._types |= dict.fromkeys(new, msgspec.Raw)
            self._build()

    def lenient(self, parts: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
        """The parser's record where a value is not of the type it should be: text is made of whatever is there."""
        return {
            name: bytes(parts[name]) if kind is msgspec.Raw else as_text(bytes(parts[name]))
            for name, kind in self._own.items()
            if name in parts
        }


def as_text(value: bytes) -> str | None:
    """JSON as text: a string's content, otherwise as it is written; null is None."""
    if value == b"null":
        return None
    return orjson.loads(value) if value.startswith(b'"') else value.decode()


@dataclass(frozen=True)
class JsonRecords:
    """A log type of JSON records. See `Parser` for the attributes that all parsers share.

    record: TypedDict of what is read, `total=False`: `str | None` for texts, `Nested` for nested values.
    fill: sets the event's attributes; leaves `timestamp` None where the record has no time (a reject).
    first_key: with which the source begins every record.
    scalars, nested: the other top-level keys that the source is known to send.
    payloads: keys of open content (attributes of `record`, each Nested). native, aliases: as in `DatasetFields`.
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
    scalars: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    payloads: tuple[str, ...] = ()
    native: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    skipped: re.Pattern[str] | None = None
    unique_ids: bool = True
    version: str = "1"

    @cached_property
    def fields(self) -> DatasetFields:
        constant = {"event.id", "event.dataset", "event.ingested", "cloud.provider", "siem.object", "@timestamp"}
        return DatasetFields(
            self.dataset, self.filled | constant, self.native, self.aliases, frozenset(self.payloads), nested=True
        )

    @cached_property
    def keys(self) -> Keys:
        return Keys(self.record, self.scalars, self.nested, self.payloads)

    @cached_property
    def seen(self) -> Seen:
        return Seen({b"null": 0})

    @cached_property
    def event(self) -> type[Any]:
        return event_type(self.dataset)

    def claims(self, key: str) -> bool:
        return self.key.search(key) is not None

    def recognises(self, head: bytes) -> bool:
        text = head.lstrip(b" \t\r\n")
        return not text or text.startswith(b"{")

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        if self.skipped is not None and self.skipped.search(origin.key):
            yield Parsed(self.dataset, None, skipped=1)
            return
        framer = Framer(self.first_key, min(WINDOW, limits.block_bytes), limits.record_bytes)
        reading = Reading(self, origin, limits)
        damaged = None
        try:
            for block in content.blocks():
                for start in range(0, len(block), WINDOW):
                    reading.read(framer.feed(block[start : start + WINDOW]))
                if reading.bytes >= 1 << 20:
                    yield reading.parsed()
        except Damaged as damage:
            damaged = str(damage)
        reading.read(framer.close())
        yield reading.parsed(damaged or framer.damage)

    def replay(self, raw: bytes, ordinal: int, origin: Origin, limits: Limits) -> Parsed | None:
        reading = Reading(self, origin, limits, ordinal)
        reading.read([raw])
        return reading.parsed()


class Reading:
    """One object on its way: carries the ordinal from block to block."""

    def __init__(self, parser: JsonRecords, origin: Origin, limits: Limits, ordinal: int = 0) -> None:
        self._parser, self._origin, self._limits = parser, origin, limits
        self._ordinal = ordinal
        self._blank = parser.event()
        self._blank.event_dataset = parser.dataset
        self._blank.event_ingested = text_of(origin.ingested)
        self._blank.cloud_provider = "aws"
        self._blank.siem_object = origin.object
        self._clear()

    def _clear(self) -> None:
        self.bytes = 0  # of the frames that were read since
        self._events: list[Any] = []
        self._records: list[dict[str, Any]] = []
        self._rejects: list[Reject] = []

    def parsed(self, damaged: str | None = None) -> Parsed:
        """What was read since the last call."""
        dataset, payloads = self._parser.dataset, self._parser.payloads
        batch = RowBatch(dataset, self._events, self._records, payloads) if self._events else None
        parsed = Parsed(dataset, batch, self._rejects, damaged=damaged)
        self._clear()
        return parsed

    def read(self, frames: list[Frame]) -> None:
        """Frames to events and rejects."""
        texts = [frame for frame in frames if type(frame) is bytes]
        fast = self._checked(texts) if len(texts) == len(frames) else [None] * len(frames)
        for ordinal, (frame, found) in enumerate(zip(frames, fast, strict=True), self._ordinal):
            try:
                record, text = (found, frame) if found is not None else self._careful(frame)
                event = self._event(ordinal, record, text)
            except (Unacceptable, UnicodeDecodeError) as error:
                raw = frame.raw if isinstance(frame, Broken) else frame
                self._rejects.append(Reject.of(ordinal, reason(error), raw))
            else:
                self._events.append(event)
                self._records.append(record)
        self._ordinal += len(frames)
        self.bytes += sum(map(len, texts))

    def _event(self, ordinal: int, record: Any, text: Any) -> Any:
        event = self._blank.__copy__()  # copy.copy takes three times as long
        self._parser.fill(record, event)
        if event.timestamp is None:
            raise Unacceptable("no time that can be read")
        if event.event_id is None:
            event.event_id = self._origin.event_id(ordinal)
        event.record = msgspec.Raw(text)
        return event

    def _checked(self, texts: list[bytes]) -> list[Any]:
        """The records of sound texts; None where only the careful way can tell."""
        window = joined(texts)
        longest = max(map(len, texts), default=0)
        if longest > self._limits.record_bytes or b"\n" in window or b"\r" in window or not is_utf8(window):
            return [None] * len(texts)
        found = self._together(texts, window)
        return found if found is not None else [self._alone(text) for text in texts]

    def _together(self, texts: list[bytes], window: bytes) -> list[Any] | None:
        """The records of a window whose checks pass for all of them at once; None where they do not.

        Counting proves that no key stands twice: as many keys are written in the texts as the decoded records have.
        What repeats is known by its bytes; everything else nested is decoded and encoded once, and is the same again.
        """
        keys, seen, depth = self._parser.keys, self._parser.seen, self._limits.depth - 1
        decode, repeating, single = keys.decode, keys.repeating, keys.single
        records: list[Any] = []
        parts: list[bytes] = []
        count = 0
        try:
            for text in texts:
                record = decode(text)
                count += len(record)
                for name in repeating:
                    if (raw := record.get(name)) is not None:
                        record[name] = part = joined((raw,))  # half the time of bytes(raw)
                        count += known if (known := seen.get(part)) is not None else seen.add(part, depth)
                for name in single:
                    if (raw := record.get(name)) is not None:
                        record[name] = part = joined((raw,))
                        if part != b"null":
                            parts.append(part)
                records.append(record)
            count += keys_of_all(parts, depth)
        except (Unacceptable, msgspec.DecodeError, RecursionError):
            return None
        return records if count == keys_in_window(window) else None

    def _alone(self, text: bytes) -> Any:
        """The record of one text; None where only the careful way can tell."""
        keys, depth = self._parser.keys, self._limits.depth - 1
        try:
            record = keys.decode(text)
            count = len(record)
            for name in (*keys.repeating, *keys.single):
                if (raw := record.get(name)) is not None:
                    record[name] = part = joined((raw,))
                    count += checked(part, depth)
        except (Unacceptable, msgspec.DecodeError, RecursionError):
            return None  # a type that is new, or a record that is no good
        return record if count == keys_written(text) else None

    def _careful(self, frame: Frame) -> tuple[Any, bytes]:
        """A record decoded and guarded, and its bytes on one line, without haste.

        Raises:
            Unacceptable, UnicodeDecodeError: some later reader would stumble over it.
        """
        if isinstance(frame, Broken):
            raise Unacceptable(frame.reason)
        text, depth = frame, self._limits.depth - 1
        if len(text) > self._limits.record_bytes:
            raise Unacceptable(f"longer than {self._limits.record_bytes:,} bytes (limits.record_bytes)")
        text.decode()
        if not text.startswith(b"{"):
            raise Unacceptable("not an object")
        if text.count(b"{") + text.count(b"[") > depth and nesting(text) > depth + 1:
            raise Unacceptable(f"nested deeper than {depth + 1} levels")
        text = compact(text)
        try:
            parts = _parts.decode(text)
            count = len(parts) + sum(checked(bytes(raw), depth) for raw in parts.values())
            if count != keys_written(text):
                refuse_duplicates(text)
            record = self._parser.keys.lenient(parts)
        except msgspec.DecodeError as error:
            raise Unacceptable(f"broken JSON: {error}") from error
        self._parser.keys.learn(parts)
        return record, text


def is_utf8(text: bytes) -> bool:
    """Valid UTF-8; Arrow checks at memory speed."""
    if text.isascii():
        return True
    try:
        pa.array([text], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def reason(error: Exception) -> str:
    return "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
