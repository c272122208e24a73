"""A claim: what the product does per second against the floor of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """One line of `make bench`.

    product, floor: do the work once and return how many units they did. goal: the least product rate over floor rate.
    """

    name: str
    unit: str
    product: Callable[[], int]
    floor: Callable[[], int]
    goal: float
