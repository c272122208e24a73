"""From the index's order, which knows milliseconds, to that of time and id: in memory, or with a file where one
millisecond has more than fits (of logs that know seconds every event has one of a thousand)."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import groupby
from operator import attrgetter
from tempfile import TemporaryFile
from typing import IO

from siem.store.opensearch.pages import Found

HELD_BYTES = 32 << 20
"""Of one millisecond's events in memory, about, summed over the searches that are merged."""

CHUNK_BYTES = 256 << 10
"""Of a run in memory while runs are merged."""

key = attrgetter("key")


def ordered(found: Iterable[Found], share: float = 1) -> Iterator[Found]:
    """In order of key. share: the part of `HELD_BYTES` that it may take."""
    most = int(HELD_BYTES * share)
    for _, together in groupby(found, lambda one: one.key[0] // 1000):
        yield from sorted_within(together, most)


def sorted_within(found: Iterable[Found], most: int) -> Iterator[Found]:
    """In order of key, with so many bytes in memory."""
    held: list[Found] = []
    size = 0
    runs: list[list[int]] = []
    with TemporaryFile() as file:
        for one in found:
            held.append(one)
            size += one.bytes
            if size > most:
                runs.append(written(file, sorted(held, key=key)))
                held, size = [], 0
        held.sort(key=key)
        yield from merge(*[read(file, run) for run in runs], held, key=key)


def written(file: IO[bytes], run: Sequence[Found]) -> list[int]:
    """Where the run's chunks begin."""
    each = max(1, CHUNK_BYTES // max(1, run[0].bytes))
    starts = []
    file.seek(0, 2)
    for at in range(0, len(run), each):
        starts.append(file.tell())
        pickle.dump(list(run[at : at + each]), file, pickle.HIGHEST_PROTOCOL)
    return starts


def read(file: IO[bytes], starts: Sequence[int]) -> Iterator[Found]:
    for start in starts:
        file.seek(start)
        yield from pickle.load(file)  # noqa: S301 (see above)
