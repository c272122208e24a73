"""A claim: what the product does per second against the floor of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One line of `make bench`.

    product, floor: do the work once and return how many units they did. goal: the least product rate over floor rate;
    with `at_most`, the most product time over floor time.
    """

    name: str
    unit: str
    product: Callable[[], int]
    floor: Callable[[], int]
    goal: float
    at_most: bool = False
