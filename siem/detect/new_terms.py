"""What rules of new terms look for: values that a group of events has not had before.

The first event of each value counts, whenever it comes: the earliest by time, then id. A group learns for a while from
its own first event on; values that came first within that time, its end included, are nothing new. So what is new is a
function of the events alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from siem.detect.correlated import Group, combinations
from siem.sigma import NewTerms

T = TypeVar("T")


class Firsts(Generic[T]):
    """The first of everything that is added: of each value inside of each group."""

    def __init__(self) -> None:
        self._firsts: dict[tuple[Hashable, Hashable], tuple[datetime, str, T]] = {}

    def add(self, within: Hashable, value: Hashable, time: datetime, event: str, item: T) -> None:
        standing = self._firsts.get((within, value))
        if standing is None or (time, event) < standing[:2]:
            self._firsts[within, value] = (time, event, item)

    def new(self, learning: timedelta) -> list[T]:
        """Those of values that came when their group had learnt, in order of time."""
        begins: dict[Hashable, datetime] = {}
        for (within, _), (time, *_) in self._firsts.items():
            begins[within] = min(time, begins.get(within, time))
        found = [one for (within, _), one in self._firsts.items() if one[0] - begins[within] > learning]
        return [item for *_, item in sorted(found, key=lambda one: one[:2])]


def terms_of(terms: NewTerms, values: Mapping[str, Sequence[str]]) -> dict[Group, Group]:
    """The terms of an event, each behind its group: folded -> as they are written. None where a value is missing."""
    return combinations([values.get(name, ()) for name in terms.names])
