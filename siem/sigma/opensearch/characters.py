"""Sets of characters: what a class of the predicate's expressions takes, and what is left of it without case."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias

from siem.schema import fold

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""First and last code point of each run, in order, with gaps between."""

LAST = 0x10FFFF
EVERYTHING: Ranges = ((0, LAST),)


@lru_cache(maxsize=1)
def every() -> str:
    """All characters that a text can hold."""
    return "".join(map(chr, [*range(0xD800), *range(0xE000, LAST + 1)]))


@lru_cache(maxsize=1)
def uppers() -> tuple[tuple[int, int], ...]:
    """Code points that fold to another one, and which."""
    both = zip(every(), fold(every()), strict=True)
    return tuple([(ord(letter), ord(folded)) for letter, folded in both if letter != folded])


@lru_cache(maxsize=4096)
def taken(pattern: str) -> Ranges:
    """The characters that an expression for one character takes."""
    if len(pattern) == 1 and pattern.isalnum():
        return ((ord(pattern), ord(pattern)),)
    runs = re.compile(f"(?:{pattern})+").finditer(every())
    return tuple([(ord(run[0][0]), ord(run[0][-1])) for run in runs])


def holds(ranges: Ranges, code: int) -> bool:
    at = bisect_right(ranges, (code, LAST + 1))
    return at > 0 and ranges[at - 1][1] >= code


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def outside(ranges: Ranges) -> Ranges:
    edges = [-1, *[edge for low, high in ranges for edge in (low, high)], LAST + 1]
    gaps = [(end + 1, start - 1) for end, start in zip(edges[::2], edges[1::2], strict=True)]
    return tuple([(low, high) for low, high in gaps if low <= high])


@lru_cache(maxsize=4096)
def without_case(ranges: Ranges) -> tuple[Ranges, bool]:
    """What the characters fold to, and whether every character that folds to one of these was among them."""
    folded, closed = list(ranges), True
    for upper, lower in uppers():
        if holds(ranges, upper):
            folded.append((lower, lower))
        if closed and holds(ranges, upper) != holds(ranges, lower):
            closed = False
    return merged(folded), closed


def trimmed(ranges: Ranges) -> Ranges:
    """The same for folded texts, no run beginning or ending in a character that they do not have."""
    absent = dict(uppers())
    found = []
    for low, high in ranges:
        while low <= high and low in absent:
            low += 1
        while low <= high and high in absent:
            high -= 1
        found += [(low, high)] if low <= high else []
    return tuple(found)
