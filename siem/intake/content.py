"""The bytes of one object, as delivered and decompressed, in memory that does not grow with the object.

What the first bytes say decides, never the name: gzip is decompressed, also twice; everything else passes as it is, and
the parser says whether it knows it. A byte order mark is dropped, UTF-16 becomes UTF-8.
"""

from __future__ import annotations

import codecs
import hashlib
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from isal import isal_zlib

from siem.config import MEBI, Limits
from siem.errors import Damaged, Unavailable
from siem.intake.gunzip import GZIP, MAGIC, IsalError, Source, gunzipped

HEAD_BYTES = 64 << 10
"""What `head` shows."""

PIECE = 64 << 10
"""What is read of a file at a time."""

LEVELS = 2
"""Times that gzip is looked for: AWS writes one level, copies through other tools have two."""

SMALL = 8 * MEBI
"""Objects whose delivered bytes and content stay below are held in memory and decompressed in one call."""

SPOOLED = 16 * MEBI
"""Bytes of content that `file` holds in memory before it takes a temporary file."""

UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Delivered:
    """One object as it was delivered: bytes, or a file that stays as it is meanwhile. A parser's `Content`.

    `sha256` (hex) and `size` are of the delivered bytes, before decompression.
    """

    delivered: bytes | Path
    limits: Limits

    @cached_property
    def _measured(self) -> tuple[str, int]:
        hashed, size = hashlib.sha256(), 0
        for piece in self._raw():
            hashed.update(piece)
            size += len(piece)
        return hashed.hexdigest(), size

    @property
    def sha256(self) -> str:
        return self._measured[0]

    @property
    def size(self) -> int:
        return self._measured[1]

    def head(self) -> bytes:
        """The first bytes of the content, at most 64 KiB. Damage further on does not show here."""
        return beginning(self._text, HEAD_BYTES)

    def blocks(self, least: int | None = None) -> Iterator[bytes]:
        """The content as UTF-8 text where it says that it is text, in blocks of at least so many bytes.

        least: if not given, `block_bytes`, and no block is longer than twice that.

        Raises:
            Damaged: after the last good block; the object is broken from there, or a limit is passed.
            Unavailable: the file cannot be read.
        """
        return gathered(self._text(), least or self.limits.block_bytes)

    def pieces(self) -> Iterator[bytes]:
        """The content, untouched, as it comes.

        Raises:
            Damaged, Unavailable: as `blocks`.
        """
        return self._content()

    def file(self) -> BinaryIO:
        """The content, untouched, as a seekable file; the caller closes it.

        Raises:
            Damaged, Unavailable: as `blocks`.
        """
        if not self._compressed:
            return BytesIO(self.delivered) if isinstance(self.delivered, bytes) else opened(self.delivered)
        spooled = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115  (the caller closes it)
        try:
            for piece in self._content():
                spooled.write(piece)
        except BaseException:
            spooled.close()
            raise
        spooled.seek(0)
        return cast("BinaryIO", spooled)  # it has every method

    def _text(self) -> Iterator[bytes]:
        return as_utf8(self._content())

    def _raw(self) -> Iterator[bytes]:
        if isinstance(self.delivered, bytes):
            yield self.delivered
            return
        with opened(self.delivered) as file:
            try:
                while piece := file.read(PIECE):
                    yield piece
            except OSError as error:
                raise Unavailable(f"{self.delivered}: {error.strerror}") from error

    @cached_property
    def _compressed(self) -> bool:
        return beginning(self._raw, len(MAGIC)) == MAGIC

    @cached_property
    def _content(self) -> Source:
        """The decompressed bytes. The limits hold on every level, and the ratio is always to the delivered bytes."""
        if self._compressed and (whole := self._at_once()) is not None:
            source, levels = partial(iter, (whole,)), LEVELS - 1
        else:
            source, levels = partial(limited, self._raw, self.size, self.limits), LEVELS
        for _ in range(levels):
            if beginning(source, len(MAGIC)) != MAGIC:
                break
            member = partial(gunzipped, source, self.limits.block_bytes)
            source = partial(limited, member, self.size, self.limits)
        return source

    def _at_once(self) -> bytes | None:
        """The content of a small object that is one sound gzip member; None: it has to be read with care.

        The last four bytes of a member are the size of its content, and bound what is decompressed here.
        """
        if not isinstance(self.delivered, bytes) or len(self.delivered) > SMALL:
            return None
        size = int.from_bytes(self.delivered[-4:], "little")
        if not 0 < size <= min(SMALL, self.limits.object_bytes):
            return None
        engine = isal_zlib.decompressobj(GZIP)
        try:
            content: bytes = engine.decompress(self.delivered, size)
        except IsalError:
            return None
        return content if engine.eof and not engine.unused_data and len(content) == size else None


def opened(path: Path) -> BinaryIO:
    """The file, for reading.

    Raises:
        Unavailable: it cannot be opened.
    """
    try:
        return path.open("rb")
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error


def beginning(source: Source, size: int) -> bytes:
    """The first `size` bytes of a source, or what it has before it ends or breaks."""
    with closing(gathered(source(), size)) as blocks:
        try:
            return next(blocks, b"")[:size]
        except Damaged:
            return b""


def limited(source: Source, size: int, limits: Limits) -> Iterator[bytes]:
    """The pieces of a source until they are too many for one object, or for an object of `size` delivered bytes.

    Raises:
        Damaged: behind the last byte that the limit allows.
    """
    allowed, why = limits.allowed(size)
    for piece in source():
        if len(piece) > allowed:
            yield piece[:allowed]
            raise Damaged(why)
        yield piece
        allowed -= len(piece)


def gathered(pieces: Iterable[bytes], size: int) -> Generator[bytes]:
    """The pieces joined to blocks of at least `size` bytes; the last one, or the last before damage, may be shorter."""
    held: list[bytes] = []
    length = 0
    try:
        for piece in pieces:
            held.append(piece)
            length += len(piece)
            if length >= size:
                block, held, length = b"".join(held), [], 0
                yield block
    except Damaged:
        if length:
            yield b"".join(held)
        raise
    if length:
        yield b"".join(held)


def as_utf8(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Text without its byte order mark; UTF-16 that has one is transcoded.

    Raises:
        Damaged: behind the last good character of UTF-16 that breaks.
    """
    stream = gathered(pieces, len(codecs.BOM_UTF8))
    first = next(stream, b"")
    for mark, encoding in UTF16.items():
        if first.startswith(mark):
            yield from transcoded(chain((first.removeprefix(mark),), stream), encoding)
            return
    yield first.removeprefix(codecs.BOM_UTF8)
    yield from stream


def transcoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode()
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        yield error.object[: error.start].decode(encoding).encode()
        raise Damaged("text that begins as UTF-16 and is not") from error
