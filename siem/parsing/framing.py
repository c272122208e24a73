"""Cuts a stream of JSON into records, so that one bad record costs one record.

Forms that are met: one document `{"Records": [...]}` (also several behind each other), records one per line or right
behind each other without envelope, EventBridge envelopes whose `detail` is the record. The stream is read in windows:
msgspec frames one that is sound (0.8 µs a record); otherwise the scanner does (`siem.parsing.resync`), and finds its
way back where the next record begins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from operator import itemgetter

import msgspec

from siem.parsing.batch import KEPT_BYTES
from siem.parsing.lines import BOM, Held, Oversized
from siem.parsing.resync import Broken, Found, Frame, Scanner, Starts
from siem.parsing.scanning import is_json, members, value_end

__all__ = ["Broken", "Frame", "Framer"]


class State(Enum):
    """Where in the stream the window begins."""

    VALUE = auto()  # before a value, at the top
    ITEMS = auto()  # inside the list of records
    TAIL = auto()  # behind the list, inside its document
    LOST = auto()  # where nothing tells where we are: forward to the next record


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
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_value = msgspec.json.Decoder(msgspec.Raw)

STRING = rb'"(?:[^"\\]++|\\.)*+"'
SCALARS = rb"(?:\s*+" + STRING + rb"\s*+:\s*+(?:" + STRING + rb"|[-+.\w]++)\s*+,)*+\s*+"
MEMBER = re.compile(rb"\s*+,\s*+(" + STRING + rb")\s*+:\s*+(?=\S)", re.DOTALL)
CLOSE = re.compile(rb"\s*+\}")
RECORDS = b'"Records"'
WHITE = b" \t\r\n"
ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
HELD_BACK = 256
"""Bytes that are kept while the next record is looked for: its beginning may be cut."""

joined = b"".join

first_byte, last_byte = itemgetter(0), itemgetter(-1)
OPENING, CLOSING = {ord("{")}, {ord("}")}

Take = Callable[[list[bytes], bytes], bool]


def none_taken(texts: list[bytes], window: bytes) -> bool:
    return False


def lines(window: bytes) -> list[bytes]:
    """`window.split(b"\n")` in a third of the time (2.5 KB a line), as it goes from newline to newline."""
    found, start, find = [], 0, window.find
    while (end := find(b"\n", start)) >= 0:
        found.append(window[start:end])
        start = end + 1
    found.append(window[start:])
    return found


class Framer:
    """One stream. `feed` and `close` give the frames that are whole so far, in order.

    first_key: the key with which the source begins every record; windows are cut and the way is found back there.
    bare: records come without envelope: every object at the top is one, and a line that opens one begins it.
    window: bytes that are gathered before framing. record_bytes: a record that grows beyond is given up.
    take: is offered what records are if all are sound, cut where they seem to begin, and the window of them: a quarter
    of the time of framing. What it takes is not given out; True only if each is a JSON object by itself.
    damage: why the stream is not what it should be, if it is not.
    """

    def __init__(
        self, first_key: str, window: int, record_bytes: int, *, bare: bool = False, take: Take = none_taken
    ) -> None:
        self._first_key, self._bare, self._take = first_key, bare, take
        self._starts = Starts(first_key.encode(), bare=bare)
        opens = rb"(" + STRING + rb")\s*+:\s*+\[(?=\s*+" + self._starts.first + rb")|(" + RECORDS + rb")\s*+:\s*+\["
        self._open = re.compile(rb"\{" + SCALARS + rb"(?:" + opens + rb")", re.DOTALL)
        self._opening = b'{"' + first_key.encode() + b'"'
        self._seam = b"}," + self._opening
        self._window, self._record_bytes = window, record_bytes
        self._text, self._state = b"", State.VALUE
        self._resume = State.VALUE  # where we were when the way was lost
        self._held: Held | None = None  # the record that was given up, if it is one
        self.damage: str | None = None

    def feed(self, block: bytes | memoryview) -> list[Frame]:
        self._text = joined((self._text, block))
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
                items = None
            if items is None or RECORDS in self._text:  # msgspec would give the last of two lists
                self._scan(out, final)
                return
            self._text, self._state = b"", State.VALUE
        else:
            cut = self._text.rfind(self._seam)
            if cut < 0 and len(self._text) < self._window:
                return  # the rest of the last window: its record goes on in the next
            if cut >= 0 and not out and self._take_items(self._text[: cut + 1]):
                self._text = self._text[cut + 2 :]
                return
            try:
                items = _list.decode(joined((b"[", memoryview(self._text)[: cut + 1], b"]"))) if cut >= 0 else None
            except ERRORS:
                items = None
            if items is None:
                self._scan(out, final)
                return
            self._text = self._text[cut + 2 :]
        out += [joined((item,)) for item in items]  # half the time of bytes(item)

    def _values(self, out: list[Frame], final: bool) -> None:
        """Values at the top: documents, or records one per line."""
        self._text = self._text.lstrip(WHITE).removeprefix(BOM)
        if opened := self._open.match(self._text):
            self._enter(opened)
            return
        if self._bare and not out and self._take_lines(final):
            return
        if self._bare and not final and len(self._text) < self._window:
            return  # the rest of the last window
        cut = len(self._text) if final else self._text.rfind(b"\n") + 1 or max(self._text.rfind(self._opening), 0)
        try:
            values = _value.decode_lines(self._text[:cut])
        except ERRORS:
            values = []
        if not values:
            self._scan(out, final)
            return
        self._text = self._text[cut:]
        texts = [joined((value,)) for value in values]
        if self._bare:
            out += [text if text.startswith(b"{") else Broken(text, "not an object") for text in texts]
        else:
            for text in texts:
                self._unwrap(out, text)

    def _take_items(self, window: bytes) -> bool:
        """Records of the list, if they are such between every two seams."""
        if b"\n" in window or not window.startswith(self._opening):
            return False
        texts = window.split(self._seam)
        last = len(texts) - 1
        for at, text in enumerate(texts):
            texts[at] = joined((self._opening if at else b"", text, b"}" if at < last else b""))
        return self._take(texts, window)

    def _take_lines(self, final: bool) -> bool:
        """Records that are lines of their own, from their first to their last byte."""
        text = self._text
        cut = len(text) if final and not text.endswith(b"\n") else text.rfind(b"\n")
        window = text[: max(cut, 0)]
        texts = lines(window)
        if not all(texts) or set(map(first_byte, texts)) != OPENING or set(map(last_byte, texts)) != CLOSING:
            return False
        if not self._take(texts, window):
            return False
        self._text = text[cut + 1 :]
        return True

    def _enter(self, opened: re.Match[bytes]) -> None:
        """Into the list of records. One of another name counts where records begin in it as ours do."""
        if opened[2] is None and opened[1] != RECORDS:
            self._hurt("a document without Records")
        self._text, self._state = self._text[opened.end() :], State.ITEMS

    def _tail(self, out: list[Frame], final: bool) -> None:
        """From the end of the list to the end of its document, which may hold another list of records."""
        text, at = self._text, 0
        while member := MEMBER.match(text, at):
            if member[1] == RECORDS and text[member.end()] == ord("["):
                self._text, self._state = text[member.end() + 1 :], State.ITEMS
                return
            end = value_end(text, member.end())
            if end is None or not is_json(text[member.end() : end]):
                break
            at = end
        if close := CLOSE.match(text, at):
            self._text, self._state = text[close.end() :], State.VALUE
        elif final or len(text) - at > self._record_bytes:
            self._hurt("the document does not close")
            self._text, self._state, self._resume, self._held = text[at:], State.LOST, State.VALUE, None
        else:
            self._text = text[at:]

    def _lost(self, out: list[Frame], final: bool) -> None:
        """Forward to where the next record begins; what was given up is a reject of all bytes up to there."""
        held, text = self._held, self._text
        fresh = held is not None and not held.size
        start = self._starts.after(text, 0 if fresh else -1)
        over = final or start is not None
        end = start if start is not None else len(text) if final else max(0, len(text) - HELD_BACK)
        piece = text[:end]
        if over:
            piece = piece.rstrip(b", \t\r\n")
            if final and start is None and self._resume is State.ITEMS and piece.endswith(b"]}"):
                piece, self._resume = piece[:-2].rstrip(WHITE), State.VALUE
        if held is not None:
            held.add(piece)
        self._text = text[end:]
        if over:
            if held is not None:
                out.append(self._given_up(held))
            self._state, self._held = self._resume, None

    def _given_up(self, held: Held) -> Broken:
        reason = f"longer than {self._record_bytes:,} bytes (limits.record_bytes)"
        match held.taken():
            case Oversized(prefix, size, digest):
                return Broken(prefix, reason, size, digest)
            case bytes() as raw:
                return Broken(raw, reason)

    def _scan(self, out: list[Frame], final: bool) -> None:
        """The careful way through a window: value by value."""
        scanner = Scanner(self._text, self._starts, self._record_bytes, inside=self._state is State.ITEMS, final=final)
        opens = None if self._state is State.ITEMS or self._bare else self._open
        for frame in scanner.frames(opens):
            if isinstance(frame, bytes) and self._state is State.VALUE:
                self._unwrap(out, frame)
            else:
                out.append(frame)
        text = self._text
        self._text = text[scanner.at :]
        match scanner.found:
            case Found.LIST:
                opened = self._open.match(text, scanner.at)
                assert opened is not None  # noqa: S101  (the scanner found it)
                self._text = text
                self._enter(opened)
            case Found.LIST_END:
                self._text, self._state = self._text[1:], State.TAIL
            case Found.TOO_LONG:
                self._state, self._resume, self._held = State.LOST, self._state, Held(KEPT_BYTES)
            case Found.CUT:
                self._hurt("the document ends too early")
            case Found.END:
                pass

    def _unwrap(self, out: list[Frame], value: bytes) -> None:
        """The records of a value at the top."""
        if not value.startswith(b"{"):
            out.append(Broken(value, "not an object"))
            return
        if self._bare:
            out.append(value)
            return
        try:
            wrapped = _wrapped.decode(value)
            lists = [bytes(wrapped.records)] if bytes(wrapped.records) else []
        except ERRORS:
            out.append(value)
            return
        if value.count(RECORDS) > 1:
            lists = [text for key, text in members(value) if key == RECORDS]
        if lists:
            for text in lists:
                self._listed(out, text)
        elif bytes(wrapped.detail_type) and bytes(wrapped.detail).startswith(b"{"):
            out.append(bytes(wrapped.detail))
        elif self._first_key in _parts.decode(value):
            self._starts.learn(value)
            out.append(value)
        else:
            self._hurt("a document without Records")
            out.append(Broken(value, "a document without Records"))

    def _listed(self, out: list[Frame], text: bytes) -> None:
        if text.startswith(b"["):
            out += map(bytes, _list.decode(text))
        else:
            self._hurt("Records is not a list")
