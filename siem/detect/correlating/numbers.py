"""Sums, averages and percentiles of windows, exact: what they are as numbers without end, rounded once to a double.

So they depend on no order, and a huge number that has left a window leaves nothing behind. A threshold needs no more
than whether the rounded number reaches a limit, and that is asked of whole numbers and of counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np

from siem.detect.correlating.parts import Parts

MANTISSA = 53
FITS = 62
"""Bits that sums of 64-bit integers may take."""

SURE = 1e-14
"""Of the sum of two numbers: more than what is lost between them in three operations of doubles."""


def reaches_sum(parts: Parts, average: bool) -> Callable[[float], np.ndarray]:
    """Whether the sum, or the average, of each window is at least a limit."""
    whole, exponent = scaled(parts.values("number"))
    running = np.concatenate((np.zeros(1, whole.dtype), np.cumsum(whole)))
    sums = running[parts.stop] - running[parts.start]
    sizes, size = np.unique(parts.size, return_inverse=True) if average else (np.ones(1, int), 0)

    def reaches(limit: float) -> np.ndarray:
        border, included = rounding_up(limit)
        least = _least(border / Fraction(2) ** exponent, included, sizes.tolist())
        return np.asarray(sums >= _integers(least, whole.dtype)[size], bool)

    return reaches


def scaled(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Integers and an exponent of two that say the same. Of 64 bits where their sums fit, else of any length."""
    fraction, exponent = np.frexp(numbers)
    whole = (fraction * 2.0**MANTISSA).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1  # at the end, in binary: 96 is 3 and 5 of them
    whole, exponent = whole >> np.maximum(zeros, 0), exponent - MANTISSA + zeros
    least = int(exponent[whole != 0].min()) if whole.any() else 0
    shift = np.where(whole != 0, exponent - least, 0).astype(np.int64)
    longest = int((np.frexp(whole.astype(np.float64))[1] + shift).max(initial=0))
    if longest + len(numbers).bit_length() <= FITS:
        return whole << shift, least
    return np.array([one << by for one, by in zip(whole.tolist(), shift.tolist(), strict=True)], object), least


def rounding_up(limit: float) -> tuple[Fraction, bool]:
    """The least number that rounds to `limit` or more, and whether it does itself: a tie goes to the even double."""
    even = int(np.float64(limit).view(np.int64)) % 2 == 0
    below = math.nextafter(limit, -math.inf)
    if math.isinf(limit) or math.isinf(below):
        last = Fraction(below if math.isinf(limit) else limit)
        return last + (last - Fraction(math.nextafter(float(last), 0))) / 2, even
    return (Fraction(below) + Fraction(limit)) / 2, even


def _least(border: Fraction, included: bool, sizes: Iterable[int]) -> list[int]:
    """For each size, the least integer from border times size on."""
    over, under = border.as_integer_ratio()
    return [-(-over * size // under) if included else over * size // under + 1 for size in sizes]


def _integers(numbers: Iterable[int], kind: np.dtype) -> np.ndarray:
    if kind.hasobject:
        return np.array(list(numbers), object)
    return np.array([max(-(2**FITS), min(2**FITS, number)) for number in numbers], np.int64)


def reaches_percentile(parts: Parts, percentile: Fraction) -> Callable[[float], np.ndarray]:
    """Whether the percentile of each window is at least a limit.

    It lies between two neighbours of the sorted window. How many numbers reach the limit says whether both do, or
    none; only where the limit is between the two, they are looked up: the largest below it, the least from it on.
    """
    numbers = parts.values("number")
    sizes, size = np.unique(parts.size, return_inverse=True)
    over, under = (percentile / 100).as_integer_ratio()
    ranks, rests = zip(*[divmod((count - 1) * over, under) for count in sizes.tolist()], strict=True)
    above = (sizes - np.array(ranks, np.int64))[size]  # numbers from the lower neighbour on
    parted = np.array([rest > 0 for rest in rests])[size]

    def reaches(limit: float) -> np.ndarray:
        running = np.concatenate(([0], np.cumsum(numbers >= limit)))
        reaching = running[parts.stop] - running[parts.start]
        found = np.asarray(reaching >= above)
        between = np.flatnonzero((reaching == above - 1) & parted)
        start, stop = parts.start[between], parts.stop[between]
        low = greatest(np.where(numbers < limit, numbers, -np.inf), start, stop)
        high = -greatest(np.where(numbers >= limit, -numbers, -np.inf), start, stop)
        found[between] = _between_reaches(low, high, [Fraction(rest, under) for rest in rests], size[between], limit)
        return found

    return reaches


def _between_reaches(
    low: np.ndarray, high: np.ndarray, parted: list[Fraction], size: np.ndarray, limit: float
) -> np.ndarray:
    """Whether the number that is so far between low and high reaches the limit: by doubles where these are sure."""
    far = np.array([float(part) for part in parted])[size]
    with np.errstate(over="ignore"):
        roughly = low * (1 - far) + high * far
        sure = np.abs(roughly - limit) > SURE * (np.abs(low) + np.abs(high)) + SURE * np.finfo(float).tiny
    found: np.ndarray = roughly >= limit
    border, included = rounding_up(limit)
    known: dict[tuple[float, float, int], bool] = {}
    for place in np.flatnonzero(~sure).tolist():
        key = (float(low[place]), float(high[place]), int(size[place]))
        if key not in known:
            exact = Fraction(key[0]) + parted[key[2]] * (Fraction(key[1]) - Fraction(key[0]))
            known[key] = exact >= border if included else exact > border
        found[place] = known[key]
    return found


def greatest(numbers: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """The greatest of each range, none of them empty: of two that overlap and are as long as a power of two."""
    level = np.frexp((stop - start).astype(np.float64))[1] - 1
    found = np.empty(len(start))
    for power in range(int(level.max(initial=-1)) + 1):
        if power:
            numbers = np.maximum(numbers[: -(2 ** (power - 1))], numbers[2 ** (power - 1) :])
        mine = np.flatnonzero(level == power)
        found[mine] = np.maximum(numbers[start[mine]], numbers[stop[mine] - 2**power])
    return found
