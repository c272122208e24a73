"""Decompression of gzip streams, piece by piece: all that can be had of a stream, and then why there is no more.

RFC 1952 (https://www.rfc-editor.org/rfc/rfc1952). A source is a function, as a broken stream is read a second time.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import cast

from isal import isal_zlib

from siem.errors import Damaged

Source = Callable[[], Iterator[bytes]]
"""Bytes from their beginning, in pieces, each time it is called."""

IsalError = cast("type[Exception]", isal_zlib.error)  # its stub calls it an instance

MAGIC = b"\x1f\x8b"
GZIP = 31
"""`wbits` of a gzip stream: header and checksum are read and checked by the library."""

CAREFUL = 256
"""Bytes of input that are handed over at a time on the second way through a broken stream."""

CUT = "the gzip stream ends too early"
TRAILING = "bytes that are no gzip follow the gzip stream"
CHECKSUM = "the gzip stream does not fit its checksum"
BROKEN = "the gzip stream is broken"


def gunzipped(source: Source, step: int) -> Iterator[bytes]:
    """The content of a gzip stream of any number of members, in pieces of at most `step` bytes.

    Zeros behind the last member are padding, as for gzip(1).

    Raises:
        Damaged: after the last good byte; the stream is cut, broken, or followed by something else.
    """
    produced = 0
    try:
        for piece in _members(source(), step):
            yield piece
            produced += len(piece)
    except (IsalError, EOFError):  # a call that fails gives nothing of what it had decompressed
        yield from _remainder(source, produced, step)


def _members(pieces: Iterator[bytes], step: int) -> Iterator[bytes]:
    engine, out = None, b""
    for given in pieces:
        piece = given
        while piece or len(out) == step:  # a full answer: more may be waiting inside
            if engine is None:
                piece = _member(piece, pieces)
                if not piece:
                    break
                engine = isal_zlib.decompressobj(GZIP)
            out = engine.decompress(piece, step)
            if out:
                yield out
            piece = engine.unconsumed_tail
            if engine.eof:
                piece, engine, out = engine.unused_data, None, b""
    if engine is not None:
        raise EOFError  # and isal keeps up to one symbol back


def _member(piece: bytes, pieces: Iterator[bytes]) -> bytes:
    """`piece` from where the next member begins, at least two bytes of it; empty: none begins here.

    Raises:
        Damaged: something else than a member begins here.
    """
    piece = piece.lstrip(b"\0")
    if len(piece) == 1:
        piece += next(pieces, b"")
    if piece and not piece.startswith(MAGIC):
        raise Damaged(TRAILING)
    return piece


def _remainder(source: Source, skip: int, step: int) -> Iterator[bytes]:
    """What a broken stream holds after its first `skip` bytes of content, to the byte, and then its damage.

    zlib too gives nothing of a call that fails: from `skip` on every call takes one byte and asks for one.
    """
    held, reason = bytearray(), None
    try:
        for out in _bytewise(source(), skip):
            held += out
            if len(held) >= step:
                yield bytes(held)
                held.clear()
    except zlib.error as error:
        reason = CHECKSUM if str(error).endswith(("data check", "length check")) else BROKEN
    except EOFError:
        reason = CUT
    if held:
        yield bytes(held)
    if reason:
        raise Damaged(reason)


def _bytewise(pieces: Iterable[bytes], skip: int) -> Iterator[bytes]:
    """Content after its first `skip` bytes. Raises zlib.error where it breaks, EOFError where it is cut."""
    engine, begun = zlib.decompressobj(GZIP), False
    for given in _cut(pieces):
        piece = given
        while piece:
            taken = piece if skip else piece[:1]
            out = engine.decompress(taken, skip or 1)
            piece, begun = engine.unconsumed_tail + piece[len(taken) :], True
            if skip:
                skip -= len(out)
            elif out:
                yield out
            if engine.eof:
                piece, begun = (engine.unused_data + piece).lstrip(b"\0"), False
                engine = zlib.decompressobj(GZIP)
    while out := engine.decompress(b"", skip or 1):
        if not skip:
            yield out
        skip = max(0, skip - len(out))
    if begun:
        raise EOFError


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for start in range(0, len(piece), CAREFUL):
            yield piece[start : start + CAREFUL]
