"""Lengths of time as people write them: a number and a unit, as 15m."""

from __future__ import annotations

import re
from datetime import timedelta

SECONDS = {
    "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400, "M": 30 * 86_400, "y": 365 * 86_400,
}  # fmt: skip
WRITTEN = re.compile(r"([0-9]{1,9})([smhdwMy])")


def length(text: str, units: str, digits: int = 9) -> timedelta | None:
    """The length that is written in one of these units, with so many digits at most; None where none is, or one that is
    too long for any."""
    found = WRITTEN.fullmatch(text)
    if found is None or found[2] not in units or len(found[1]) > digits:
        return None
    try:
        return timedelta(seconds=int(found[1]) * SECONDS[found[2]])
    except OverflowError:
        return None


def written(span: timedelta, units: str = "hms") -> str:
    """A length of whole seconds, in the first of these units that says it exactly: `24h`."""
    seconds = int(span.total_seconds())
    unit = next(unit for unit in units if seconds % SECONDS[unit] == 0)
    return f"{seconds // SECONDS[unit]}{unit}"
