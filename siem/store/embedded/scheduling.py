"""Leases and passes, in the ledger."""

from __future__ import annotations

import json
import sqlite3

from siem.store.scheduling import MOST_PASSES, Lease, Pass
from siem.store.times import from_micros, micros

COLUMNS = "started, seconds, objects, events, rules, signals, alerts, errors, holder"


def lease(connection: sqlite3.Connection, name: str) -> Lease | None:
    found = connection.execute("SELECT name, holder, version FROM leases WHERE name = ?", (name,)).fetchone()
    return Lease(*found) if found else None


def take(connection: sqlite3.Connection, name: str, holder: str, seen: Lease | None) -> Lease | None:
    """See `Scheduling.take`; one statement, so nobody comes between."""
    if seen is None:
        done = connection.execute("INSERT OR IGNORE INTO leases VALUES (?, ?, 1)", (name, holder))
    else:
        done = connection.execute(
            "UPDATE leases SET holder = ?, version = version + 1 WHERE name = ? AND holder = ? AND version = ?",
            (holder, name, seen.holder, seen.version),
        )
    return Lease(name, holder, seen.version + 1 if seen else 1) if done.rowcount else None


def record(connection: sqlite3.Connection, done: Pass) -> None:
    """Inside a transaction."""
    number = connection.execute(
        f"INSERT INTO passes ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(micros(done.started), done.seconds, done.objects, done.events, done.rules, done.signals, done.alerts),
            *(json.dumps(dict(done.errors)), done.holder),
        ),
    ).lastrowid
    connection.execute("DELETE FROM passes WHERE number <= ?", ((number or 0) - MOST_PASSES,))


def passes(connection: sqlite3.Connection, most: int) -> list[Pass]:
    found = connection.execute(f"SELECT {COLUMNS} FROM passes ORDER BY number DESC LIMIT ?", (most,))
    return [
        Pass(from_micros(started), seconds, objects, events, rules, signals, alerts, json.loads(errors), holder)
        for started, seconds, objects, events, rules, signals, alerts, errors, holder in found
    ]
