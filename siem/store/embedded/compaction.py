"""Compaction: the small files of a dataset and day become few large ones, which the ledger names in their place."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path

from siem.disk import touch
from siem.store.contract import Compacted
from siem.store.embedded import objects
from siem.store.embedded.files import Workplace
from siem.store.embedded.ledger import immediate
from siem.store.embedded.retention import period
from siem.store.embedded.rewriting import FILE_BYTES, FILE_ROWS, rewritten
from siem.store.times import micros

SMALL_ROWS, SMALL_BYTES = FILE_ROWS // 2, FILE_BYTES // 2
"""A file of fewer rows and bytes is small. As a full one has twice as many, rows are not written again without end."""

FEWEST = 8
"""Small files that a day has to have: with fewer a search hardly gains, and what came last would be written anew each
time."""

MOST_BYTES = 256 << 20
"""Values that are merged at a time: of flow lines 4.5 million, of which memory holds a part (10 million: 294 MB)."""

HELD = timedelta(days=7)
"""How long objects hold back their files until every rule has judged them: passes ask for objects, and small files hold
little else. Not for ever, as nobody may run a rule again that has judged once."""


@dataclass(frozen=True)
class Small:
    """A small file, as the ledger has it."""

    name: str
    dataset: str
    rows: int
    bytes: int
    unpacked: int


def compact(
    root: Path, ledger: sqlite3.Connection, now: datetime, dry_run: bool, step: Callable[[str], None]
) -> Iterator[Compacted]:
    """See `siem.store.contract.Store.compact`; one by one, as they are made."""
    small = sorted(_small(ledger, now), key=_day)
    for (dataset, day), group in groupby(small, _day):
        done = [each for files in _parts(list(group)) if (each := _compacted(root, ledger, files, dry_run, step))]
        if done:
            yield Compacted(dataset, day, *map(sum, zip(*done, strict=True)))


def _small(ledger: sqlite3.Connection, now: datetime) -> list[Small]:
    """Small files that no rule has yet to look into, in order of time."""
    behind = (
        "SELECT f.file FROM objects o JOIN file_objects f USING (object) WHERE o.committed > ?"
        " AND o.turn > (SELECT min(turn) FROM marks WHERE marks.dataset = o.dataset)"
    )
    found = ledger.execute(
        "SELECT name, dataset, rows, bytes, unpacked FROM files WHERE rows < ? AND bytes < ?"
        f" AND name NOT IN ({behind}) ORDER BY first, name",
        (SMALL_ROWS, SMALL_BYTES, micros(now - HELD)),
    )
    return [Small(*row) for row in found]


def _day(file: Small) -> tuple[str, str]:
    return file.dataset, period(file.name)


def _parts(files: Sequence[Small]) -> Iterator[list[Small]]:
    """What is merged at a time, in order of time."""
    if len(files) < FEWEST:
        return
    part: list[Small] = []
    size = 0
    for file in files:
        if len(part) > 1 and size + file.unpacked > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(file)
        size += file.unpacked
    if len(part) > 1:
        yield part


def _compacted(
    root: Path, ledger: sqlite3.Connection, files: Sequence[Small], dry_run: bool, step: Callable[[str], None]
) -> tuple[int, int, int, int, int] | None:
    """Counts of the files and of what they came to; None where somebody else has taken one of them away meanwhile."""
    names, rows, size = (
        [file.name for file in files],
        sum(file.rows for file in files),
        sum(file.bytes for file in files),
    )
    if dry_run:
        return len(files), 1 + rows // FILE_ROWS, rows, size, 0
    workplace = Workplace(root, step)
    named = False
    try:
        made = rewritten(root, workplace, names, files[0].dataset)
        with immediate(ledger):
            if not objects.are_named(ledger, names):
                return None
            touch([root / name for name in names])
            objects.replace_files(ledger, names, made)
            named = True
            step("named")
        step("compacted")
    finally:
        workplace.clear(placed=not named)
    return len(files), len(made), rows, size, sum(file.bytes for file in made)
