"""Lengths of time as rules write them: a number and a unit, as 15m."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from siem.problem import Problem

UNITS = {
    "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "M": 30 * 86_400, "y": 365 * 86_400,
}  # fmt: skip
TIMESPAN = re.compile(r"([0-9]{1,9})([smhdwMy])")
LONGEST = timedelta(days=100 * 365)


def span(value: Any, name: str, least: timedelta = timedelta(seconds=1)) -> timedelta:
    """The length that is written as the value of `name`.

    Raises:
        Problem: it is none, or shorter than `least`.
    """
    found = TIMESPAN.fullmatch(str(value))
    length = timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else timedelta(-1)
    if not least <= length <= LONGEST:
        told = "is needed" if value is None else f"cannot be {value}"
        above = " above 0" if least else ""
        raise Problem(f"`{name}` {told}: write a number{above} and s, m, h, d, w, M or y, as 15m; at most 100 years")
    return length
