"""Parts in order of group and time, on one axis where a single search finds the windows of all groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

FARTHEST = 2.0**60
"""Where the axis of a piece ends, so that it and a span more stay far inside of 64 bits."""


@dataclass(frozen=True, eq=False)
class Parts:
    """All parts of some groups, in order of group and time.

    table, row: the parts as they came, and where in it each of these is. names: of the groups, in order; group: place
    in it. time: microseconds since 1970. axis: time with the gaps that no window reaches over, between groups too, cut
    down to span + 1. span: microseconds.
    """

    table: pa.Table
    names: pa.Array
    span: int
    row: np.ndarray
    group: np.ndarray
    time: np.ndarray
    axis: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def start(self) -> np.ndarray:
        """Where the window of each part begins."""
        return np.searchsorted(self.axis, self.axis - self.span, "left")

    @cached_property
    def stop(self) -> np.ndarray:
        """Where it ends: behind the last part of the same time."""
        return np.searchsorted(self.axis, self.axis, "right")

    @cached_property
    def size(self) -> np.ndarray:
        """How many parts it has."""
        sizes: np.ndarray = self.stop - self.start
        return sizes

    @cached_property
    def moment(self) -> np.ndarray:
        """The number of the group and time of each part, from 0."""
        moments: np.ndarray = np.cumsum(changed(self.axis)) - 1
        return moments

    def kept(self, chosen: np.ndarray) -> Parts:
        """Those parts alone (a mask, or places in order)."""
        columns = ("row", "group", "time", "axis")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    def values(self, column: str) -> np.ndarray:
        """A column of numbers."""
        numbers: np.ndarray = self.table[column].to_numpy()[self.row]
        return numbers

    def texts(self, column: str, places: np.ndarray | slice = slice(None)) -> pa.Array:
        return joined(self.table[column].take(pa.array(self.row[places])))

    def codes(self, column: str, places: np.ndarray | slice = slice(None)) -> tuple[np.ndarray, int]:
        """A number from 0 for each text, the same for equal ones, and how many there are."""
        encoded = self.texts(column, places).dictionary_encode()
        return encoded.indices.to_numpy(), len(encoded.dictionary)


def pieces(table: pa.Table, span: timedelta, least: int, rows: int) -> Iterator[Parts]:
    """Whole groups, about so many rows at a time. A group of fewer rows than `least` is left out."""
    code, names = _groups(table["group"])
    enough = np.bincount(code, minlength=len(names)) >= least
    row = np.flatnonzero(enough[code])
    if not len(row):
        return
    place, names = _places(names, enough)
    group, time = place[code[row]], table["time"].cast(pa.int64()).to_numpy()[row]
    length = min(span // timedelta(microseconds=1), int(time.max() - time.min()) + 1)  # longer ones reach no more
    order = _order(group, time)
    row, group, time = row[order], group[order], time[order]
    first = changed(group)
    steps = np.where(first, length + 1, np.minimum(np.diff(time, prepend=time[0]), length + 1))
    for low, high in pairwise(_cuts(np.flatnonzero(first), steps, rows)):
        here = slice(low, high)
        yield Parts(table, names, length, row[here], group[here], time[here], np.cumsum(steps[here]))


def changed(ordered: np.ndarray) -> np.ndarray:
    """Where a value differs from the one before it; true at the beginning."""
    return np.concatenate((np.ones(min(1, len(ordered)), bool), ordered[1:] != ordered[:-1]))


def joined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _groups(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    encoded = joined(column).dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def _places(names: pa.Array, enough: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """The place of each group among those that are wanted, in order of their names, and these names."""
    wanted = np.flatnonzero(enough)
    wanted = wanted[pc.sort_indices(names.take(pa.array(wanted))).to_numpy()]
    place = np.zeros(len(names), np.int64)
    place[wanted] = np.arange(len(wanted))
    return place, names.take(pa.array(wanted))


def _order(group: np.ndarray, time: np.ndarray) -> np.ndarray:
    """By group and time. As one number where both fit in, which sorts 3.5 times as fast as two."""
    earliest = int(time.min())
    width = int(time.max()) - earliest + 1
    if width * (int(group.max()) + 1) < 2**63:
        return np.argsort(group * width + (time - earliest))
    return np.lexsort((time, group))


def _cuts(firsts: np.ndarray, steps: np.ndarray, rows: int) -> list[int]:
    """Where pieces begin: at firsts of groups, each time that so many rows, or the length of an axis, are full."""
    farthest = np.cumsum(steps, dtype=np.float64)[firsts]
    full = firsts // rows + (farthest // FARTHEST).astype(np.int64)
    return [*firsts[changed(full)].tolist(), len(steps)]
