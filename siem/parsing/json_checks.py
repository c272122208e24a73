"""JSON records, many at a time: decoded, and known to be what every later reader accepts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pyarrow as pa

from siem.parsing.guards import Seen, Unacceptable, keys_in_window, keys_of_all
from siem.parsing.json_keys import Column, Columns, Keys

HARMLESS = 4
"""Bytes of JSON in which no key fits, nor a number or nesting that some reader refuses: `null`, `[]`, `[[]]`."""

joined = b"".join


class Checks:
    """What is checked of records with these keys. depth: levels that may be in a record."""

    def __init__(self, keys: Keys, depth: int) -> None:
        self._keys, self._depth = keys, depth
        self._harmless = HARMLESS if depth >= HARMLESS else 0
        self._seen = Seen(depth)

    def columns(self, texts: Sequence[bytes], window: bytes) -> Columns:
        """The columns of sound texts; what repeats is bytes, other nested values msgspec.Raw.

        window: the texts and at most a byte between them, which is UTF-8.

        Counting proves that no key stands twice: as many are written in the window as the decoded records have. What
        repeats is known by its bytes; everything else nested is decoded and encoded once, and is the same again.

        Raises:
            Unacceptable: a text is not sound, or only care can tell.
        """
        keys = self._keys
        try:
            columns, count = keys.decoded(texts)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unacceptable(f"broken JSON: {error}") from error
        for path in keys.repeating:
            if any(columns[path]):
                columns[path] = column = written(columns[path])
                count += sum(map(self._seen.__getitem__, column))
        count += keys_of_all(longer(columns, keys.single, self._harmless), self._depth)
        if count != keys_in_window(window):
            raise Unacceptable("a key that stands twice or is not known")
        return columns


def written(column: Column) -> Column:
    """Nested values as bytes, by which they can be remembered."""
    return [raw if raw is None else joined((raw,)) for raw in column]


def longer(columns: Columns, paths: Iterable[str], harmless: int) -> list[msgspec.Raw]:
    """The nested values of more than so many bytes."""
    some = [columns[path] for path in paths if any(columns[path])]
    return [raw for column in some for raw in column if raw is not None and len(raw) > harmless]


def is_utf8(text: bytes) -> bool:
    """Valid UTF-8; Arrow checks at memory speed."""
    if text.isascii():
        return True
    try:
        pa.array([text], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
