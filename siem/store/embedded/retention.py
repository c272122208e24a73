"""Retention: files whose days lie before a dataset's limit are forgotten, in one transaction; a sweep removes them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from siem.disk import touch
from siem.store.contract import Dropped, State
from siem.store.embedded.files import day_of
from siem.store.embedded.ledger import immediate
from siem.store.embedded.objects import THESE, forget_files
from siem.store.entries import WITH_EVENTS
from siem.store.times import DAY, micros

NEVER = -(1 << 63)


def old(connection: sqlite3.Connection, limits: Mapping[str, datetime]) -> list[Dropped]:
    """What `retain` would drop."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for dataset, limit in limits.items():
        for name, rows, size in connection.execute(
            "SELECT name, rows, bytes FROM files WHERE dataset = ? AND last < ?", (dataset, midnight(limit))
        ):
            key = dataset, period(name)
            events, total = found.get(key, (0, 0))
            found[key] = events + rows, total + size
    return [Dropped(*key, *sums) for key, sums in sorted(found.items())]


def retain(
    root: Path, connection: sqlite3.Connection, limits: Mapping[str, datetime], step: Callable[[str], None]
) -> list[Dropped]:
    """See `siem.store.contract.Store.retain`. Readers that have begun have an hour to end."""
    with immediate(connection):
        done = old(connection, limits)
        for dataset, limit in limits.items():
            _drop(root, connection, dataset, midnight(limit))
        step("forgotten")
    step("retained")
    return done


def _drop(root: Path, connection: sqlite3.Connection, dataset: str, before: int) -> None:
    files = "SELECT name FROM files WHERE dataset = ? AND last < ?"
    names = [name for (name,) in connection.execute(files, (dataset, before))]
    if not names:
        return
    touch([root / name for name in names])
    objects = f"SELECT DISTINCT object FROM file_objects WHERE file IN {THESE}"
    touched = json.dumps([object_ for (object_,) in connection.execute(objects, (json.dumps(names),))])
    dropped = f"SELECT sum(rows) FROM file_objects WHERE object = objects.object AND file IN {THESE}"
    connection.execute(
        f"UPDATE objects SET dropped = dropped + ({dropped}) WHERE object IN {THESE}", (json.dumps(names), touched)
    )
    forget_files(connection, names)
    gone = "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT object FROM file_objects)"
    with_events = ", ".join(f"'{state}'" for state in sorted(WITH_EVENTS))
    connection.execute(
        f"UPDATE objects SET state = '{State.EXPIRED}' WHERE object IN ({gone}) AND state IN ({with_events})",
        (touched,),
    )
    connection.execute(f"DELETE FROM rejects WHERE object IN ({gone})", (touched,))
    connection.execute(
        "INSERT INTO dropped VALUES (?, ?) ON CONFLICT DO UPDATE SET before = max(before, excluded.before)",
        (dataset, before),
    )


def dropped(connection: sqlite3.Connection, dataset: str) -> int:
    """Before that time everything of the dataset was dropped, in microseconds."""
    found = connection.execute("SELECT before FROM dropped WHERE dataset = ?", (dataset,)).fetchone()
    return int(found[0]) if found else NEVER


def midnight(limit: datetime) -> int:
    """When the day of the limit begins: what lies before it are whole days."""
    return micros(limit) // DAY * DAY


def period(name: str) -> str:
    """The day of a file as people are told of it: `2026.11.01`, or `other`."""
    return day_of(name).replace("-", ".")
