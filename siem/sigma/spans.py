"""Lengths of time in rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from siem.problem import Problem
from siem.spans import length

UNITS = "smhdwMy"
LONGEST = timedelta(days=100 * 365)


def span(value: Any, name: str, least: timedelta = timedelta(seconds=1)) -> timedelta:
    """The length that is written as the value of `name`.

    Raises:
        Problem: it is none, or shorter than `least`.
    """
    found = length(str(value), UNITS)
    if found is None or not least <= found <= LONGEST:
        told = "is needed" if value is None else f"cannot be {value}"
        above = " above 0" if least else ""
        raise Problem(f"`{name}` {told}: write a number{above} and s, m, h, d, w, M or y, as 15m; at most 100 years")
    return found
