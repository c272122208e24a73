"""Finds the way through JSON that is broken: from value to value, and past what is broken to the next record.

A value that is broken costs the bytes up to where the next record begins, and these are one reject. A record begins
with the source's first key, or with a key that sound records of this stream began with.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from siem.parsing.scanning import SPACE_AND_COMMAS, is_json, value_end

PATIENCE = 16
"""Broken values of a window for whose end all of it is read. After that the next record ends them: what opens and never
closes would be read to the end again and again (128 KB took 25 s)."""

MOST_KEYS = 8
"""Keys that records begin with, learned from sound ones."""

FIRST_KEY = re.compile(rb'\{\s*+("(?:[^"\\]++|\\.)*+")', re.DOTALL)
LIST_END = re.compile(rb'\]\s*+(?:(\}|,\s*+")|,?\s*+\Z)')


@dataclass(frozen=True, slots=True)
class Broken:
    """Bytes between two records that are no record, and why.

    raw: all of them, or where `sha256` is given the first of `size`.
    """

    raw: bytes
    reason: str
    size: int = 0
    sha256: str = ""


Frame = bytes | Broken


class Starts:
    """Where records begin. first: the expression for the source's own first key."""

    def __init__(self, first_key: bytes, *, bare: bool) -> None:
        self.first = rb'\{\s*+"' + re.escape(first_key) + rb'"\s*+:'
        self._bare = rb"|(?<=\n)\{" if bare else b""
        self._keys = {b'"' + first_key + b'"'}
        self._build()

    def _build(self) -> None:
        keys = rb"|".join(map(re.escape, sorted(self._keys)))
        self._pattern = re.compile(rb"\{\s*+(?:" + keys + rb")\s*+:" + self._bare)

    def learn(self, record: bytes) -> None:
        """A sound record: others may begin as it does."""
        found = FIRST_KEY.match(record)
        if found and found[1] not in self._keys and len(self._keys) < MOST_KEYS:
            self._keys.add(found[1])
            self._build()

    def after(self, text: bytes, at: int) -> int | None:
        """The first place behind `at` where a record begins."""
        found = self._pattern.search(text, at + 1)
        return found.start() if found else None


class Found(Enum):
    """Why the scanner stopped."""

    END = auto()  # the window ends, perhaps within a value
    LIST = auto()  # a document opens its list of records
    LIST_END = auto()
    TOO_LONG = auto()  # a record that is given up
    CUT = auto()  # the stream ends within a value


class Scanner:
    """One window of text. at: how far it came. inside: it begins inside the list of records. final: nothing follows."""

    def __init__(self, text: bytes, starts: Starts, longest: int, *, inside: bool, final: bool) -> None:
        self._text, self._starts, self._longest = text, starts, longest
        self._inside, self._final = inside, final
        self._next: int | None = -1  # where the next record begins, as far as it was looked for
        self._broken = 0
        self.at, self.found = 0, Found.END

    def frames(self, opens: re.Pattern[bytes] | None) -> Iterator[Frame]:
        """opens: the beginning of a document up to its records, at which to stop."""
        text = self._text
        junk: int | None = None  # where broken bytes begin that were not given out yet
        while (at := self._gap(self.at)) < len(text) and not self._stops(at, opens):
            end = self._value_end(at)
            if end is not None and self._is_sound(at, end):
                yield from self._junk(junk, at)
                junk, self.at = None, end
                self._starts.learn(text[at:end])
                yield text[at:end]
                continue
            start = self._start_after(at)
            if not self._is_over(at, end, start):
                break
            self._broken += 1
            if start is not None:
                yield from self._junk(at if junk is None else junk, start)
                junk, self.at = None, start
            elif not self._final:
                self.found = Found.TOO_LONG
                break
            elif end is None:
                self.found, self.at = Found.CUT, len(text)
                yield Broken(text[at if junk is None else junk :], "cut: ends inside the record")
                return
            else:
                junk, self.at = at if junk is None else junk, end
        self.at = at
        yield from self._junk(junk, at)

    def _gap(self, at: int) -> int:
        return SPACE_AND_COMMAS.match(self._text, at).end()  # type: ignore[union-attr]

    def _stops(self, at: int, opens: re.Pattern[bytes] | None) -> bool:
        """The list of records ends or begins here."""
        if self._inside and (end := LIST_END.match(self._text, at)):
            if end[1] or self._final:
                self.found = Found.LIST_END
            return True  # or what follows will tell
        if opens is not None and opens.match(self._text, at):
            self.found = Found.LIST
        return self.found is not Found.END

    def _value_end(self, at: int) -> int | None:
        stop = self._start_after(at) if self._broken > PATIENCE else None
        return value_end(self._text, at, len(self._text) if stop is None else stop)

    def _is_sound(self, at: int, end: int) -> bool:
        """A value by itself; not the text between a stray quotation mark and the first of the next record."""
        if self._text[at] not in b"{[" and (start := self._start_after(at)) is not None and start < end:
            return False
        return is_json(self._text[at:end])

    def _start_after(self, at: int) -> int | None:
        if self._next is not None and self._next <= at:
            self._next = self._starts.after(self._text, at)
        return self._next

    def _is_over(self, at: int, end: int | None, start: int | None) -> bool:
        """Nothing that follows can make the value sound, or tell better where it ends."""
        if self._final or len(self._text) - at > self._longest:
            return True
        return start is not None and (end is not None or self._broken > PATIENCE)

    def _junk(self, start: int | None, end: int) -> Iterator[Broken]:
        if start is not None:
            yield Broken(self._text[start:end].rstrip(b", \t\r\n"), "broken JSON")
