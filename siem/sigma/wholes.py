"""Whole numbers of 64 bits, as stores keep them: what a comparison asks of them, and where doubles can stand in."""

from __future__ import annotations

import math

DOUBLES = 1 << 53
"""Doubles tell all whole numbers below this apart."""

LONGS = range(-(1 << 63), 1 << 63)


def whole_limit(op: str, value: float) -> int | bool:
    """The whole number to compare with: fractions move to the neighbour that decides the same.

    op: eq lt lte gt gte. True, False: every 64-bit number passes, none does.
    """
    if op == "eq":
        whole = int(value)
        return whole if whole == value and whole in LONGS else False
    whole = math.ceil(value) if op in ("lt", "gte") else math.floor(value)
    return whole if whole in LONGS else (whole > 0) == (op in ("lt", "lte"))
