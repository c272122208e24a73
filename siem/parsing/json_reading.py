"""One object of JSON records on its way: frames to events and rejects, guarded."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import msgspec
import pyarrow as pa

from siem.config import Limits
from siem.parsing.batch import Parsed, Reject, text_of
from siem.parsing.framing import Broken, Frame
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
from siem.parsing.json_keys import Keys
from siem.parsing.rows import Fill, RowBatch
from siem.schema import Origin

Checked: TypeAlias = tuple[dict[str, Any], Any, bytes]
"""A record, its event as far as what repeats in it tells, and its bytes on one line."""

Key: TypeAlias = bytes | tuple[bytes | str | None, ...]
"""What repeats in a record, as it is written."""

BEGUN_BYTES, BEGUN_EVENTS = 4096, 4096
"""Longer repeating parts are not remembered, and no more than so many per object: 16 MiB at most."""

BESIDES = 512
"""Bytes that a reject takes besides its own."""

joined, spaced = b"".join, b"\n".join

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Source(Protocol):
    """What a reading needs of its parser (`JsonRecords`)."""

    @property
    def dataset(self) -> str: ...
    @property
    def payloads(self) -> tuple[str, ...]: ...
    @property
    def begin(self) -> Fill: ...
    @property
    def fill(self) -> Fill: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def seen(self) -> Seen: ...
    @property
    def event(self) -> type[Any]: ...


class Reading:
    """One object on its way: carries the ordinal from block to block."""

    def __init__(self, parser: Source, origin: Origin, limits: Limits, ordinal: int = 0) -> None:
        self._parser, self._origin, self._limits = parser, origin, limits
        self._ordinal = ordinal
        self._blank = parser.event()
        self._blank.event_dataset = parser.dataset
        self._blank.event_ingested = text_of(origin.ingested)
        self._blank.cloud_provider = "aws"
        self._blank.siem_object = origin.object
        self._begun: dict[Key, tuple[int, Any]] = {}
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
        fill, raw = self._parser.fill, msgspec.Raw
        for ordinal, (frame, found) in enumerate(zip(frames, fast, strict=True), self._ordinal):
            try:
                record, begun, text = found if found is not None else self._careful(frame)
                event = begun.__copy__()  # copy.copy takes three times as long
                fill(record, event)
                if event.timestamp is None:
                    raise Unacceptable("no time that can be read")
            except (Unacceptable, UnicodeDecodeError) as error:
                self._reject(ordinal, frame, error)
                continue
            if event.event_id is None:
                event.event_id = self._origin.event_id(ordinal)
            event.record = raw(text)
            self._events.append(event)
            self._records.append(record)
        self._ordinal += len(frames)
        self.bytes += sum(map(len, texts))
        if len(texts) < len(frames):
            self.bytes += sum([len(frame.raw) + BESIDES for frame in frames if isinstance(frame, Broken)])

    def _reject(self, ordinal: int, frame: Frame, error: Exception) -> None:
        reason = "bytes that are not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        if isinstance(frame, Broken) and frame.sha256:
            self._rejects.append(Reject(ordinal, reason, frame.raw, frame.size, frame.sha256))
        else:
            self._rejects.append(Reject.of(ordinal, reason, frame.raw if isinstance(frame, Broken) else frame))

    def _checked(self, texts: list[bytes]) -> list[Checked | None]:
        """Sound texts; None where only the careful way can tell."""
        window = joined(texts)
        longest = max(map(len, texts), default=0)
        if longest > self._limits.record_bytes or b"\n" in window or b"\r" in window or not is_utf8(window):
            return [None] * len(texts)
        found = self._together(texts, window)
        return found if found is not None else [self._alone(text) for text in texts]

    def _together(self, texts: list[bytes], window: bytes) -> list[Checked | None] | None:
        """A window whose checks pass for all texts at once; None where they do not.

        Counting proves that no key stands twice: as many keys are written in the texts as the decoded records have.
        What repeats is known by its bytes; everything else nested is decoded and encoded once, and is the same again.
        """
        keys, begun, depth = self._parser.keys, self._begun, self._limits.depth - 1
        decode, repeating, single, alike = keys.decode, keys.repeating, keys.single, keys.texts
        found: list[Checked] = []
        parts: list[msgspec.Raw] = []
        count = 0
        try:
            for text in texts:
                record = decode(text)
                nested = spaced([record.get(name, b"") for name in repeating])
                key: Key = (nested, *[record.get(name) for name in alike]) if alike else nested
                known = begun.get(key) or self._begin(key, record)
                count += len(record) + known[0]
                parts += [raw for name in single if (raw := record.get(name)) is not None]
                found.append((record, known[1], text))
            for name, keys_of in keys.typed:
                count += sum([keys_of(record[name]) for record, _, _ in found if name in record])
            count += keys_of_all(parts, depth)
        except (Unacceptable, msgspec.DecodeError, RecursionError):
            return None
        return [*found] if count == keys_in_window(window) else None

    def _begin(self, key: Key | None, record: dict[str, Any]) -> tuple[int, Any]:
        """What repeats in a record: its keys, and the event as far as it tells. Remembered by its bytes.

        Raises:
            Unacceptable: some later reader would stumble over it.
        """
        count, seen, depth = 0, self._parser.seen, self._limits.depth - 1
        parts = {name: joined((raw,)) for name in self._parser.keys.repeating if (raw := record.get(name)) is not None}
        for part in parts.values():
            count += known if (known := seen.get(part)) is not None else seen.add(part, depth)
        event = self._blank.__copy__()
        self._parser.begin(record | parts, event)  # payloads among them stay views of the record
        if key is not None and extent(key) <= BEGUN_BYTES:
            if len(self._begun) >= BEGUN_EVENTS:
                self._begun.clear()
            self._begun[key] = count, event
        return count, event

    def _alone(self, text: bytes) -> Checked | None:
        """One text; None where only the careful way can tell."""
        keys, depth = self._parser.keys, self._limits.depth - 1
        try:
            record = keys.decode(text)
            repeated, event = self._begin(None, record)
            count = len(record) + repeated
            count += sum([checked(joined((record[name],)), depth) for name in keys.single if name in record])
            count += sum([keys_of(record[name]) for name, keys_of in keys.typed if name in record])
        except (Unacceptable, msgspec.DecodeError, RecursionError):
            return None  # a type that is new, or a record that is no good
        return (record, event, text) if count == keys_written(text) else None

    def _careful(self, frame: Frame) -> Checked:
        """A record without haste.

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
        return record, self._begin(None, record)[1], text


def extent(key: Key) -> int:
    """How long a key is in all."""
    return len(key) if isinstance(key, bytes) else sum([len(part) for part in key if part is not None])


def is_utf8(text: bytes) -> bool:
    """Valid UTF-8; Arrow checks at memory speed."""
    if text.isascii():
        return True
    try:
        pa.array([text], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
