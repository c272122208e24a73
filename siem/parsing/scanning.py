"""Finding the end of a JSON value in bytes that may be broken: the slow, careful way (about 30 MB/s)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+("|\\?\Z)|[{}\[\]]', re.DOTALL)
SCALAR = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[^\s,\]}]+', re.DOTALL)
SPACE = re.compile(rb"[ \t\r\n]*+")
SPACE_AND_COMMAS = re.compile(rb"(?:[ \t\r\n,]++|\xef\xbb\xbf)*+")
COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")

_any = msgspec.json.Decoder(msgspec.Raw)


def value_end(text: bytes, start: int, stop: int | None = None) -> int | None:
    """Where the value that begins at `start` ends, by its brackets alone; None: not before `stop`."""
    stop = len(text) if stop is None else stop
    if text[start] not in b"{[":
        scalar = SCALAR.match(text, start, stop)
        return scalar.end() if scalar else start + 1
    depth = 0
    for token in TOKEN.finditer(text, start, stop):
        first = token[0][0]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
            if depth <= 0:
                return token.end()
        elif not token[1]:
            return None
    return None


def is_json(text: bytes) -> bool:
    """`text` is one JSON value by its syntax (huge numbers, duplicate keys and bytes that are not UTF-8 pass)."""
    try:
        _any.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def members(document: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys (with their quotation marks) and values of a JSON object as they are written, also those that repeat."""
    at = SPACE_AND_COMMAS.match(document, 1).end()  # type: ignore[union-attr]
    while key := SCALAR.match(document, at):
        start = COLON.match(document, key.end()).end()  # type: ignore[union-attr]
        end = value_end(document, start)
        if end is None:
            return
        yield key[0], document[start:end]
        at = SPACE_AND_COMMAS.match(document, end).end()  # type: ignore[union-attr]
