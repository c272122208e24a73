"""From the index's order, which knows milliseconds, to that of time and id: in memory, or with a file where one
millisecond has more than fits (of logs that know seconds every event has one of a thousand)."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby, islice
from operator import attrgetter
from tempfile import TemporaryFile
from typing import IO

from siem.store.opensearch.search.pages import Found

HELD = 50_000
"""Hits of one millisecond in memory, of all the searches that are merged; about 1 KB each."""

CHUNK = 500
"""Hits of a run in memory while runs are merged."""

key = attrgetter("key")


def ordered(found: Iterable[Found], searches: int = 1) -> Iterator[Found]:
    """In order of key. found: in order of milliseconds. searches: how many are merged."""
    for _, together in groupby(found, lambda one: one.key[0] // 1000):
        yield from sorted_within(together, max(CHUNK, HELD // searches))


def sorted_within(found: Iterable[Found], most: int) -> Iterator[Found]:
    """In order of key, with so many in memory."""
    held = list(islice(found, most))
    if len(held) < most:
        yield from sorted(held, key=key)
        return
    with TemporaryFile() as file:
        runs = []
        while held:
            runs.append(written(file, sorted(held, key=key)))
            held = list(islice(found, most))
        yield from merge(*[read(file, run) for run in runs], key=key)


def written(file: IO[bytes], run: Sequence[Found]) -> list[int]:
    """Where the run's chunks begin."""
    starts = []
    for at in range(0, len(run), CHUNK):
        starts.append(file.tell())
        pickle.dump(run[at : at + CHUNK], file, pickle.HIGHEST_PROTOCOL)
    return starts


def read(file: IO[bytes], starts: Sequence[int]) -> Iterator[Found]:
    for start in starts:
        file.seek(start)
        yield from pickle.load(file)  # noqa: S301 (a file without a name, which nobody else writes)
