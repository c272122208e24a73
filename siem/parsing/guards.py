"""What is checked before a JSON record may be stored, so that every later reader accepts it.

Readers disagree: msgspec lets integers of 400 digits and 1e999 pass, DuckDB takes the first of duplicate keys, Python
the last, and 3,000 levels end some of them. A record that passes here means the same to all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson

SEEN_BYTES, SEEN_VALUES = 2048, 16_384
"""Longer values are not remembered, and no more than so many: 32 MiB at most."""

FEW = 16
"""Values whose brackets are counted together: as many as have fewer than the levels that a record may have (64)."""

STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


class Unacceptable(ValueError):
    """The record cannot be stored; the text is the reject's reason."""


def keys_written(text: bytes) -> int | None:
    """How many keys compact JSON `text` writes, counted in its bytes; None where bytes alone cannot tell."""
    count = text.count(b'":')
    if b"\\" in text:
        if b'\\\\":' in text:
            return None
        count -= text.count(b'\\":')
    return count


def keys_in_window(text: bytes) -> int | None:
    """`keys_written` for much text, compact or not: by NumPy, 0.15 ns a byte (0.3 by the places of all colons)."""
    octets = np.frombuffer(text, np.uint8)
    colons, before = octets[3:] == ord(":"), octets[2:-1]  # {"": is the least
    spaces = colons & (before <= ord(" "))
    if np.any(spaces):
        spaced = np.flatnonzero(spaces) + 3
        if np.any((octets[spaced - 2] <= ord(" ")) | is_unescaped_quote(octets, spaced - 2)):
            return None  # white space, perhaps between a key and its colon
    quoted = colons & (before == ord('"'))
    count = int(np.count_nonzero(quoted))
    if b"\\" not in text:
        return count
    escaped = np.flatnonzero(quoted & (octets[1:-2] == ord("\\"))) + 3
    return None if np.any(octets[escaped - 3] == ord("\\")) else count - len(escaped)


def is_unescaped_quote(octets: npt.NDArray[np.uint8], places: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Quotation marks, those behind two backslashes included, that may be escaped or not."""
    escaped = (octets[places - 1] == ord("\\")) & (octets[places - 2] != ord("\\"))
    marks: npt.NDArray[np.bool_] = (octets[places] == ord('"')) & ~escaped
    return marks


class Seen(dict[bytes | None, int]):
    """Values that passed `checked`, and their keys: identities and rule groups repeat from record to record."""

    def __init__(self, depth: int) -> None:
        super().__init__({None: 0})
        self._depth = depth

    def __missing__(self, value: bytes | None) -> int:
        if value is None:
            return 0
        count = checked(value, self._depth)
        if len(value) <= SEEN_BYTES:
            if len(self) >= SEEN_VALUES:
                self.clear()
            self[value] = count
        return count


def checked(value: bytes, depth: int) -> int:
    """Check one JSON value and count its keys at all levels.

    Raises:
        Unacceptable: too deep, a number or string that some reader refuses, or a key that stands twice.
    """
    refuse_deep([value], depth)
    try:
        loaded = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise Unacceptable(f"not JSON that every reader accepts: {error.msg}") from error
    count = keys_written(value)
    if count is None or orjson.dumps(loaded) != value:  # the same bytes again: no key was lost, and half the time of
        found = _keys(loaded)  # counting what was decoded
        if found != count:
            refuse_duplicates(value)
        return found
    return count


def keys_of_all(values: Sequence[bytes | msgspec.Raw], depth: int) -> int:
    """`checked` for many values: the sum of their keys. At half the time, if they are written as we would write them.

    Raises:
        Unacceptable: one of them is not sound.
    """
    if not values:
        return 0
    pieces: list[bytes] = []
    for start in range(0, len(values), FEW):
        few = values[start : start + FEW]
        pieces.append(b",".join(few))
        if brackets(pieces[-1]) > depth:
            refuse_deep(few, depth)
    text = b"".join((b"[", b",".join(pieces), b"]"))
    try:
        same = orjson.dumps(orjson.loads(text)) == text
    except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
        raise Unacceptable("not JSON that every reader accepts") from error
    count = keys_in_window(text)
    if not same or count is None:
        return sum([checked(bytes(value), depth) for value in values])
    return count


def brackets(text: bytes) -> int:
    """How many open in it: no value in it is nested deeper."""
    return text.count(b"{") + text.count(b"[")


def is_deeper(text: bytes, depth: int) -> bool:
    """Nested deeper than so many levels."""
    return brackets(text) > depth and nesting(text) > depth


def refuse_deep(values: Iterable[bytes | msgspec.Raw], depth: int) -> None:
    """Nothing but what it raises.

    Raises:
        Unacceptable: a value is nested deeper.
    """
    for text in map(bytes, values):
        if is_deeper(text, depth):
            raise Unacceptable(f"nested deeper than {depth} levels")


def _keys(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum([_keys(item) for item in value.values() if type(item) in (dict, list)])
    if type(value) is list:
        return sum([_keys(item) for item in value if type(item) in (dict, list)])
    return 0


def nesting(text: bytes) -> int:
    """Levels of objects and arrays in JSON text, without decoding it."""
    deepest = level = 0
    for bracket in re.findall(rb"[{}\[\]]", STRING.sub(b"", text)):
        level += 1 if bracket in b"{[" else -1
        deepest = max(deepest, level)
    return deepest


def refuse_duplicates(text: bytes) -> None:
    """The exact check, slow.

    Raises:
        Unacceptable: a key stands twice in one object.
    """
    json.loads(text, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise Unacceptable(f"key {key[:80]!r} stands twice in one object")
        seen.add(key)


def compact(text: bytes) -> bytes:
    """Valid JSON without white space outside strings; everything else byte for byte."""
    pieces, end = [], 0
    for match in STRING.finditer(text):
        pieces += [text[end : match.start()].translate(None, b" \t\r\n"), match[0]]
        end = match.end()
    pieces.append(text[end:].translate(None, b" \t\r\n"))
    return b"".join(pieces)
