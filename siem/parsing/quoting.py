"""Lines whose columns stand in quotation marks where they may hold spaces: how many columns each line has.

A column that begins with a mark ends with the next, and a space or the line's end follows; other marks are text.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from siem.parsing.lines import Places

Octets = npt.NDArray[np.uint8]

COLUMN = re.compile(rb' (?:"[^"]*+"|(?!")[^ ]*+)(?= |\Z)')
SPACE, MARK = b' "'
UNSOUND = 0


def columns_in(line: bytes) -> int:
    """How many columns a line has; `UNSOUND`: a mark does not close, or more than a space follows."""
    spaced, place, count = b" " + line, 0, 0
    while place < len(spaced):
        column = COLUMN.match(spaced, place)
        if column is None:
            return UNSOUND
        place, count = column.end(), count + 1
    return count


def columns_of_each(block: bytes, starts: Places, ends: Places) -> Places:
    """`columns_in` of the lines of `block`, each of at least one byte."""
    return np.array(
        [columns_in(block[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)], np.int64
    )


def supposed_columns(block: bytes, starts: Places, ends: Places) -> Places:
    """The same, supposed of lines that have as many marks as another and end as it does.

    Where it says `UNSOUND` it is sure; a wrong number shows when the lines are read (a line in a hundred thousand), so
    a line must not be refused for it.
    """
    octets = np.frombuffer(block, np.uint8)
    marks = np.flatnonzero(octets == MARK)
    before, counts = within(marks, starts, ends)
    paired = counts.sum() == len(marks) and not (counts % 2).any() and are_pairs(octets, marks)
    kinds = 2 * counts + (octets[ends - 1] == MARK)
    found = np.zeros(len(starts), np.int64)
    for kind in np.unique(kinds).tolist():
        same = kinds == kind
        first, last, count = starts[same], ends[same], kind // 2
        mine = before[same][:, None] + np.arange(count) if not paired else None
        if mine is None or (count % 2 == 0 and are_pairs(octets, marks[mine.ravel()])):
            found[same] = columns_in(block[first[0] : last[0]])
        else:
            found[same] = columns_of_each(block, first, last)
    return found


def within(places: Places, starts: Places, ends: Places) -> tuple[Places, Places]:
    """How many of `places` stand before each line, and how many in it."""
    before = np.searchsorted(places, starts)
    return before, np.searchsorted(places, ends) - before


def are_pairs(octets: Octets, marks: Places) -> bool:
    """The marks, an even number in each line, open and close columns in turn."""
    opening, closing = marks[0::2], marks[1::2]
    opens = (octets[opening - 1] <= SPACE) | (opening == 0)
    closes = (octets[np.minimum(closing + 1, len(octets) - 1)] <= SPACE) | (closing == len(octets) - 1)
    return bool(opens.all() and closes.all())


def spaces_of_each(block: bytes, starts: Places, ends: Places) -> Places:
    """How many spaces each line has."""
    return within(np.flatnonzero(np.frombuffer(block, np.uint8) == SPACE), starts, ends)[1]
