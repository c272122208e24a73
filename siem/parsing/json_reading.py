"""One object of JSON records on its way: frames to events and rejects, guarded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Any, Protocol

import msgspec

from siem.config import Limits
from siem.parsing.batch import Parsed, Reject, text_of
from siem.parsing.framing import Broken, Frame
from siem.parsing.guards import Unacceptable, checked, compact, keys_written, refuse_deep, refuse_duplicates
from siem.parsing.json_checks import Checks, is_utf8, written
from siem.parsing.json_heads import Heads
from siem.parsing.json_keys import Columns, Keys
from siem.parsing.json_table import Execution
from siem.parsing.payloads import Views
from siem.parsing.rows import RowBatch
from siem.schema import Origin

BESIDES = 512
"""Bytes that a reject takes besides its own."""

joined = b"".join

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Source(Protocol):
    """What a reading needs of its parser (`JsonRecords`)."""

    @property
    def dataset(self) -> str: ...
    @property
    def payloads(self) -> tuple[str, ...]: ...
    @property
    def event(self) -> type[Any]: ...
    @property
    def execution(self) -> Execution: ...
    @property
    def keys(self) -> Keys: ...
    def checks(self, depth: int) -> Checks: ...
    def heads(self, depth: int) -> Heads | None: ...
    def learn(self, parts: Mapping[str, msgspec.Raw]) -> None: ...


class Reading:
    """One object on its way: carries the ordinal from block to block."""

    def __init__(self, parser: Source, origin: Origin, limits: Limits, ordinal: int = 0) -> None:
        self._parser, self._origin, self._limits = parser, origin, limits
        self._ordinal = ordinal
        self._depth = limits.depth - 1  # of what is in a record
        self._checks, self._heads = parser.checks(self._depth), parser.heads(self._depth)
        self._constant: dict[str, Any] = {
            "event_dataset": parser.dataset,
            "event_ingested": text_of(origin.ingested),
            "cloud_provider": "aws",
            "siem_object": origin.object,
        }
        self._clear()

    def _clear(self) -> None:
        self.bytes = 0  # of the frames that were read since
        self._events: list[Any] = []
        payloads, copied = self._parser.payloads, self._parser.keys.repeating
        self._views: Views | None = {key: [] for key in payloads} if set(copied).isdisjoint(payloads) else None
        self._rejects: list[Reject] = []

    def parsed(self, damaged: str | None = None) -> Parsed:
        """What was read since the last call."""
        dataset = self._parser.dataset
        batch = RowBatch(dataset, self._events, self._parser.payloads, self._views) if self._events else None
        parsed = Parsed(dataset, batch, self._rejects, damaged=damaged)
        self._clear()
        return parsed

    def read(self, frames: list[Frame]) -> None:
        """Frames to events and rejects."""
        run: list[bytes] = []
        for frame in frames:
            if isinstance(frame, bytes):
                run.append(frame)
                continue
            if run:
                self._run(run)
                run = []
            self._reject(frame)
        if run:
            self._run(run)

    def _run(self, texts: list[bytes]) -> None:
        """Records together; where that fails, in halves: what is not sound costs itself and a few neighbours."""
        window = joined(texts)
        if b"\n" not in window and self.take(texts, window):
            return
        if len(texts) == 1:
            self._alone(texts[0])
            return
        half = len(texts) // 2
        self._run(texts[:half])
        self._run(texts[half:])

    def take(self, texts: list[bytes], window: bytes) -> bool:
        """Read what are records if all of them are sound. False, and nothing done, where only care can tell.

        window: the texts and at most a byte between them.
        """
        if b"\r" in window or max(map(len, texts)) > self._limits.record_bytes or not is_utf8(window):
            return False
        for events_of in (self._by_heads, self._whole) if self._heads is not None else (self._whole,):
            with suppress(Unacceptable):
                self._add(*events_of(texts, window, self._ids(len(texts))), texts)
                return True
        return False

    def _ids(self, count: int) -> list[str]:
        return self._origin.event_ids(self._ordinal, count)

    def _whole(self, texts: Sequence[bytes], window: bytes, ids: Sequence[str]) -> tuple[list[Any], Columns]:
        """Events of records, and the columns that they are made of. Raises Unacceptable as `Checks.columns`."""
        columns = self._checks.columns(texts, window)
        return self._events_of(self._parser.execution.fields(columns), texts, ids), columns

    def _by_heads(self, texts: Sequence[bytes], window: bytes, ids: Sequence[str]) -> tuple[list[Any], Columns | None]:
        """The same where beginnings repeat: those that are known are not looked at again, and give no columns."""
        assert self._heads is not None  # noqa: S101
        places, heads, rests = self._heads.cut(texts)
        if not places:
            return self._whole(texts, window, ids)
        fields = self._heads.fields(heads, rests)
        if len(places) == len(texts):
            return self._events_of(fields, texts, ids), None
        of, id_of = texts.__getitem__, ids.__getitem__
        events: list[Any] = [None] * len(texts)
        for place, event in zip(places, self._events_of(fields, map(of, places), map(id_of, places)), strict=True):
            events[place] = event
        others = [place for place, event in enumerate(events) if event is None]
        whole = list(map(of, others))
        made, _ = self._whole(whole, joined(whole), list(map(id_of, others)))
        for place, event in zip(others, made, strict=True):
            events[place] = event
        return events, None

    def _events_of(self, fields: dict[str, Iterable[Any]], texts: Iterable[bytes], ids: Iterable[str]) -> list[Any]:
        if own := fields.get("event_id"):
            ids = [one or other for one, other in zip(own, ids, strict=True)]
        fields |= {name: repeat(value) for name, value in self._constant.items()}
        fields |= {"event_id": ids, "record": map(msgspec.Raw, texts)}
        nothing, kind = repeat(None), self._parser.event
        return list(map(kind, *[fields.get(name, nothing) for name in kind.__struct_fields__]))

    def _alone(self, text: bytes) -> None:
        """A record without haste."""
        try:
            sound = self._sound(text)
        except UnicodeDecodeError:
            self._reject(Broken(text, "bytes that are not UTF-8"))
            return
        except Unacceptable as error:
            self._reject(Broken(text, str(error)))
            return
        parts, keys = _parts.decode(sound), self._parser.keys
        columns = keys.lenient(parts)
        columns |= {name: written(columns[name]) for name in keys.repeating}
        self._add(self._events_of(self._parser.execution.fields(columns), [sound], self._ids(1)), None, [text])
        self._parser.learn(parts)

    def _sound(self, text: bytes) -> bytes:
        """The record without white space.

        Raises:
            Unacceptable, UnicodeDecodeError: some later reader would stumble over it.
        """
        if len(text) > self._limits.record_bytes:
            raise Unacceptable(f"longer than {self._limits.record_bytes:,} bytes (limits.record_bytes)")
        text.decode()
        if not text.startswith(b"{"):
            raise Unacceptable("not an object")
        refuse_deep([text], self._depth + 1)
        text = compact(text)
        try:
            parts = _parts.decode(text)
        except msgspec.DecodeError as error:
            raise Unacceptable(f"broken JSON: {error}") from error
        if len(parts) + sum(checked(bytes(raw), self._depth) for raw in parts.values()) != keys_written(text):
            refuse_duplicates(text)
        return text

    def _add(self, events: list[Any], columns: Columns | None, texts: list[bytes]) -> None:
        """The events of texts; a reject where one has no time. columns: views of the texts, where all are such."""
        timeless = [at for at, event in enumerate(events) if event.timestamp is None]
        if timeless:
            first = self._ordinal
            self._rejects += [Reject.of(first + at, "no time that can be read", texts[at]) for at in timeless]
            events = [event for event in events if event.timestamp is not None]
            columns = None
        self._events += events
        if columns is None:
            self._views = None
        elif self._views is not None:
            for key, values in self._views.items():
                values += columns[key]
        self._ordinal += len(texts)
        self.bytes += sum(map(len, texts))

    def _reject(self, broken: Broken) -> None:
        kept = Reject(self._ordinal, broken.reason, broken.raw, broken.size, broken.sha256)
        self._rejects.append(kept if broken.sha256 else Reject.of(self._ordinal, broken.reason, broken.raw))
        self._ordinal += 1
        self.bytes += len(broken.raw) + BESIDES
