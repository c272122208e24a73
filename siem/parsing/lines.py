"""Frames a stream of blocks, cut anywhere, into blocks of whole lines."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from siem.errors import Damaged
from siem.parsing.batch import KEPT_BYTES, Reject

BOM = b"\xef\xbb\xbf"
"""The byte order mark in UTF-8."""


@dataclass(frozen=True, slots=True)
class Oversized:
    """A line too long to be held: its first bytes, its length and its SHA-256 (hex)."""

    prefix: bytes
    size: int
    sha256: str

    def reject(self, ordinal: int, longest: int) -> Reject:
        return Reject(ordinal, too_long(longest), self.prefix, self.size, self.sha256)


@dataclass(frozen=True, slots=True)
class Cut:
    """The beginning of the line in which a damaged object breaks."""

    raw: bytes

    def reject(self, ordinal: int, longest: int) -> Reject:
        return Reject.of(ordinal, "cut: the object breaks inside the line", self.raw)


Places = npt.NDArray[np.int64]
Frame = bytes | Oversized | Cut


def framed(blocks: Iterable[bytes], longest: int) -> Iterator[Frame]:
    """Whole lines, many at a time, each ended by a newline but for the object's last.

    A line that goes on beyond its block, longer than `longest` bytes and than is kept of a reject, is `Oversized`;
    other lines that are too long come as they are.

    Raises:
        Damaged: as `blocks` does, after the `Cut` line.
    """
    held = Held(max(longest, KEPT_BYTES))
    try:
        for block in blocks:
            end = block.rfind(b"\n") + 1
            if not end:
                held.add(block)
                continue
            start = block.find(b"\n") + 1 if held.overflown else 0
            if start:
                held.add(block[: start - 1])
            if isinstance(before := held.taken(), Oversized):
                yield before
                before = b""
            if before or end > start:
                yield b"".join((before, memoryview(block)[start:end]))
            held.add(block[end:])
    except Damaged:
        rest = held.taken()
        if rest:
            yield rest if isinstance(rest, Oversized) else Cut(rest)
        raise
    if rest := held.taken():
        yield rest


def gathered(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of at least `size`, but for the last.

    Raises:
        Damaged: as `blocks` does, after what came before.
    """
    pieces: list[bytes] = []
    held = 0
    try:
        for block in blocks:
            pieces.append(block)
            held += len(block)
            if held >= size:
                yield b"".join(pieces)
                pieces, held = [], 0
    except Damaged:
        if pieces:
            yield b"".join(pieces)
        raise
    if pieces:
        yield b"".join(pieces)


def with_newlines(block: bytes) -> bytes:
    """The lines of `block` ended by newlines alone."""
    return block.replace(b"\r\n", b"\n").removesuffix(b"\r") if b"\r" in block else block


def windows(block: bytes, size: int) -> Iterator[bytes]:
    """The lines of `block` in pieces of about `size` bytes; what is hardly longer is not cut."""
    start = 0
    while len(block) - start > size * 5 // 4:
        end = block.rfind(b"\n", start, start + size) + 1 or block.find(b"\n", start + size) + 1
        if not end:
            break
        yield block[start:end]
        start = end
    yield block[start:] if start else block


class Held:
    """What has not ended yet, `size` bytes so far; beyond `longest` bytes only what `Oversized` needs."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._clear()

    def _clear(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0
        self._hash = hashlib.sha256()
        self.overflown = False

    def add(self, piece: bytes) -> None:
        if not piece:
            return
        self.size += len(piece)
        if self.overflown:
            self._hash.update(piece)
        else:
            self._pieces.append(piece)
        if not self.overflown and self.size > self._longest:
            line = b"".join(self._pieces)
            self.overflown, self._pieces = True, [line[:KEPT_BYTES]]
            self._hash.update(line)

    def taken(self) -> bytes | Oversized:
        """What is held, which is forgotten."""
        held = b"".join(self._pieces)
        frame = Oversized(held, self.size, self._hash.hexdigest()) if self.overflown else held
        self._clear()
        return frame


def newlines_in(block: bytes) -> Places:
    """Where the newlines of `block` stand."""
    return np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))


def is_clean(block: bytes, longest: int) -> bool:
    """No line of `block` has a control character or more than `longest` bytes (120 µs a megabyte)."""
    octets = np.frombuffer(block, np.uint8)
    newlines = np.count_nonzero(octets == ord("\n"))
    if np.count_nonzero(octets < ord(" ")) != newlines or b"\x7f" in block:
        return False
    return are_short(block, longest) or longest_line(block) <= longest


def are_short(block: bytes, longest: int) -> bool:
    """No line is longer, as there is a newline in each half of that many bytes; False where this is not known."""
    half = longest // 2
    if len(block) <= longest:
        return True
    return half > 0 and all(block.find(b"\n", start, start + half) >= 0 for start in range(0, len(block) - half, half))


def longest_line(block: bytes) -> int:
    """Bytes of the longest line; to find where all lines end takes three times as long as to count them."""
    ends = np.concatenate((newlines_in(block), [len(block)]))
    return int(np.diff(ends, prepend=-1).max()) - 1


def fault(line: bytes, longest: int) -> str | None:
    """Why a line cannot be read, whatever its columns; None: it can."""
    if len(line) > longest:
        return too_long(longest)
    if min(line, default=32) < ord(" ") or b"\x7f" in line:
        return "a control character in the line"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "bytes that are not UTF-8"
    return None


def too_long(longest: int) -> str:
    return f"longer than {longest:,} bytes (limits.record_bytes)"
