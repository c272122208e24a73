"""Cuts a stream of JSON into records, so that one bad record costs one record.

Forms that are met: one document `{"Records": [...]}` (also several behind each other), records one per line or right
behind each other without envelope, EventBridge envelopes whose `detail` is the record. The stream is read in windows:
msgspec frames one that is sound (0.8 µs a record); otherwise the scanner does, and finds its way back at the next
record's first key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from siem.parsing.scanning import SPACE, SPACE_AND_COMMAS, closing, is_json, value_end


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes between two records that are no record, and why."""

    raw: bytes
    reason: str


Frame = bytes | Broken


class State(Enum):
    """Where in the stream the window begins."""

    VALUE = auto()  # before a value, at the top
    ITEMS = auto()  # inside the list of records
    TAIL = auto()  # behind the list, inside its document
    LOST = auto()  # inside a record that was given up


class Wrapped(msgspec.Struct):
    """What a top-level value may wrap."""

    records: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="Records")
    detail: msgspec.Raw = msgspec.Raw(b"")
    detail_type: msgspec.Raw = msgspec.field(default=msgspec.Raw(b""), name="detail-type")


class Records(msgspec.Struct):
    """The usual document, of which only the records matter."""

    items: list[msgspec.Raw] = msgspec.field(name="Records")


_records = msgspec.json.Decoder(Records)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_wrapped = msgspec.json.Decoder(Wrapped)
_value = msgspec.json.Decoder(msgspec.Raw)

OPEN = re.compile(rb'\{\s*"Records"\s*:\s*\[')
AGAIN = re.compile(rb'\s*,\s*"Records"\s*:\s*\[')
WHITE = b" \t\r\n"
ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Framer:
    """One stream. `feed` and `close` give the frames that are whole so far, in order.

    first_key: the key with which the source begins every record; windows are cut and the way is found back there.
    window: bytes that are gathered before framing. record_bytes: a record that grows beyond is given up.
    damage: why the stream is not what it should be, if it is not.
    """

    def __init__(self, first_key: str, window: int, record_bytes: int) -> None:
        key = re.escape(first_key.encode())
        self._start = re.compile(rb'\{\s*"' + key + rb'"\s*:')
        self._seam = b'},{"' + first_key.encode() + b'"'
        self._window, self._record_bytes = window, record_bytes
        self._text, self._state = b"", State.VALUE
        self._resume = State.VALUE  # where a record that was given up began
        self.damage: str | None = None

    def feed(self, block: bytes) -> list[Frame]:
        self._text = self._text + block if self._text else block
        return [] if len(self._text) < self._window else self._drain(final=False)

    def close(self) -> list[Frame]:
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> list[Frame]:
        steps = {State.VALUE: self._values, State.ITEMS: self._items, State.TAIL: self._tail, State.LOST: self._lost}
        out: list[Frame] = []
        before: tuple[State, int] | None = None
        while self._text and before != (self._state, len(self._text)):
            before = self._state, len(self._text)
            steps[self._state](out, final)
        if final:
            if self._state is not State.VALUE:
                self._hurt("the document ends too early")
            self._text, self._state = b"", State.VALUE
        return out

    def _hurt(self, reason: str) -> None:
        self.damage = self.damage or reason

    def _items(self, out: list[Frame], final: bool) -> None:
        """Frames of the list of records, a window at a time."""
        if final:
            try:
                items = _records.decode(b'{"Records":[' + self._text).items
            except ERRORS:
                self._scan(out, final)
                return
            self._text, self._state = b"", State.VALUE
        else:
            cut = self._text.rfind(self._seam)
            if cut < 0 and len(self._text) < self._window:
                return  # the rest of the last window: its record goes on in the next
            if cut < 0:
                self._scan(out, final)
                return
            try:
                items = _list.decode(b"".join((b"[", memoryview(self._text)[: cut + 1], b"]")))
            except ERRORS:
                self._scan(out, final)
                return
            self._text = self._text[cut + 2 :]
        out += map(bytes, items)

    def _values(self, out: list[Frame], final: bool) -> None:
        """Values at the top: documents, or records one per line."""
        self._text = self._text.lstrip(WHITE)
        if opened := OPEN.match(self._text):
            self._text, self._state = self._text[opened.end() :], State.ITEMS
            return
        cut = len(self._text) if final else self._text.rfind(b"\n") + 1
        try:
            values = _value.decode_lines(self._text[:cut])
        except ERRORS:
            values = []
        if not values:
            self._scan(out, final)
            return
        self._text = self._text[cut:]
        for value in values:
            self._unwrap(out, bytes(value))

    def _tail(self, out: list[Frame], final: bool) -> None:
        """From the end of the list to the end of its document."""
        if again := AGAIN.match(self._text):
            self._text, self._state = self._text[again.end() :], State.ITEMS
            return
        end = closing(self._text, 0, 1)
        if end is not None:
            self._text, self._state = self._text[end:], State.VALUE
        elif final or len(self._text) > self._record_bytes:
            self._hurt("the document does not close")
            self._text, self._state = b"", State.VALUE
        else:
            self._text = self._text.lstrip(WHITE)

    def _lost(self, out: list[Frame], final: bool) -> None:
        """Forward to where the next record begins."""
        found = self._start.search(self._text)
        if found:
            self._text, self._state = self._text[found.start() :], self._resume
        elif final:
            self._text = b""
        else:
            self._text = self._text[-256:]

    def _scan(self, out: list[Frame], final: bool) -> None:
        """The careful way through a window: value by value."""
        text, at, inside = self._text, 0, self._state is State.ITEMS
        gap = SPACE_AND_COMMAS if inside else SPACE
        while (at := gap.match(text, at).end()) < len(text):  # type: ignore[union-attr]
            if inside and text[at] == ord("]"):
                at, self._state = at + 1, State.TAIL
                break
            if not inside and (opened := OPEN.match(text, at)):
                at, self._state = opened.end(), State.ITEMS
                break
            frame, end = self._next(text, at, final)
            if frame is None:
                break
            at = end
            if inside or isinstance(frame, Broken):
                out.append(frame)
            else:
                self._unwrap(out, frame)
            if self._state is State.LOST:
                break
        self._text = text[at:]

    def _next(self, text: bytes, at: int, final: bool) -> tuple[Frame | None, int]:
        """The frame that begins at `at`, and where it ends; None: the window ends first."""
        end = value_end(text, at)
        if end is not None and is_json(text[at:end]):
            return text[at:end], end
        found = self._start.search(text, at + 1)
        if found and (end is None or found.start() < end):
            return Broken(text[at : found.start()].rstrip(b", \t\r\n"), "broken JSON"), found.start()
        if end is not None:
            return Broken(text[at:end], "broken JSON"), end
        if final:
            return Broken(text[at:], "cut: ends inside the record"), len(text)
        if len(text) - at > self._record_bytes:
            self._resume, self._state = self._state, State.LOST
            return Broken(text[at:], f"longer than {self._record_bytes:,} bytes (limits.record_bytes)"), len(text)
        return None, at

    def _unwrap(self, out: list[Frame], value: bytes) -> None:
        """The records of a value at the top."""
        if not value.startswith(b"{"):
            out.append(Broken(value, "not an object"))
            return
        try:
            wrapped = _wrapped.decode(value)
        except ERRORS:
            out.append(value)
            return
        if records := bytes(wrapped.records):
            if records.startswith(b"["):
                out += map(bytes, _list.decode(records))
            else:
                self._hurt("Records is not a list")
        elif bytes(wrapped.detail_type) and bytes(wrapped.detail).startswith(b"{"):
            out.append(bytes(wrapped.detail))
        elif self._start.match(value):
            out.append(value)
        else:
            self._hurt("a document without Records")
