"""Runs that begin with the first: what follows it within a span belongs to it, what follows later begins the next.

So they are a function of the times alone. What comes late may begin a run, and then all that follow are cut anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T")


def runs(items: Iterable[T], time: Callable[[T], datetime], span: timedelta) -> Iterator[list[T]]:
    """items: in order of time. A run has those of its first item's time and up to `span` later, the end included."""
    run: list[T] = []
    for item in items:
        if run and time(item) - time(run[0]) > span:
            yield run
            run = []
        run.append(item)
    if run:
        yield run
