"""Bulk lines of a commit in the making: in memory, and where they are many in a temporary file."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import TypeAlias

IN_MEMORY = 32 << 20
BODY = 5 << 20
"""Bytes of a bulk request: 1 MB and 10 MB took the node 15 to 30 % longer per document."""

Plan: TypeAlias = Sequence[tuple[int, int]]
"""Where the parts of a body stand: offset and length."""


@dataclass(frozen=True)
class _Piece:
    object: str
    offset: int
    size: int


class Spool:
    """Pieces in the order in which they came, each of one object."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (closed with the commit)
        self._pieces: list[_Piece] = []
        self._end = 0
        self._lock = threading.Lock()

    def put(self, object_: str, lines: bytes) -> None:
        """Pairs of lines, an action and a document each."""
        for piece in pieces(lines, BODY):
            self._file.seek(self._end)
            self._file.write(piece)
            self._pieces.append(_Piece(object_, self._end, len(piece)))
            self._end += len(piece)

    def plans(self, objects: Collection[str]) -> list[Plan]:
        """Bodies that hold all of these objects and nothing else, in their order."""
        found: list[list[tuple[int, int]]] = []
        size = BODY
        places = {id_: place for place, id_ in enumerate(objects)}
        wanted = [piece for piece in self._pieces if piece.object in places]
        for piece in sorted(wanted, key=lambda piece: places[piece.object]):
            if size + piece.size > BODY:
                found.append([])
                size = 0
            found[-1].append((piece.offset, piece.size))
            size += piece.size
        return [*found]

    def read(self, plan: Plan) -> bytes:
        with self._lock:
            return b"".join([self._read(*part) for part in plan])

    def close(self) -> None:
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)


def pieces(lines: bytes, most: int) -> list[bytes]:
    """Cut between pairs of lines, so that no piece is longer than `most` unless it is a single pair."""
    if len(lines) <= most:
        return [lines] if lines else []
    each = lines.split(b"\n")
    found: list[bytes] = []
    start = size = 0
    for at in range(0, len(each) - 1, 2):
        pair = len(each[at]) + len(each[at + 1]) + 2
        if size and size + pair > most:
            found.append(b"\n".join([*each[start:at], b""]))
            start, size = at, 0
        size += pair
    return [*found, b"\n".join(each[start:])]
