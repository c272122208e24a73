"""News and notices, in the ledger."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

import orjson

from siem.store.embedded.objects import THESE
from siem.store.outbox import News, Notice, Outcome
from siem.store.times import from_micros, from_micros_or_none, micros, micros_or_none

COLUMNS = "key, channel, kind, body, created, due, attempts, error, sent, ref, revision"


def changed(connection: sqlite3.Connection, alerts: Iterable[str]) -> None:
    """Leave news of alerts, in the transaction that changes them."""
    connection.executemany("INSERT OR REPLACE INTO news (alert) VALUES (?)", [(id_,) for id_ in alerts])


def news(connection: sqlite3.Connection, most: int) -> list[News]:
    found = connection.execute("SELECT alert, number FROM news ORDER BY number LIMIT ?", (most,))
    return [News(*row) for row in found]


def post(connection: sqlite3.Connection, notices: Sequence[Notice], of: Sequence[News]) -> bool:
    """See `Outbox.post`; inside a transaction that nobody else can write in."""
    standing = read(connection, [notice.key for notice in notices])
    for notice in notices:
        before = standing.get(notice.key)
        if (before.revision if before else 0) != notice.revision:
            return False
    connection.executemany(
        f"INSERT INTO outbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, 0, '', NULL, ?, 1) ON CONFLICT DO UPDATE SET"
        " channel = excluded.channel, kind = excluded.kind, body = excluded.body, due = excluded.due,"
        " attempts = 0, error = '', sent = NULL, revision = revision + 1",
        [
            (
                *(notice.key, notice.channel, notice.kind, orjson.dumps(notice.body)),
                *(micros(notice.created), micros_or_none(notice.due), notice.ref),
            )
            for notice in notices
        ],
    )
    connection.executemany("DELETE FROM news WHERE alert = ? AND number = ?", [(one.alert, one.number) for one in of])
    return True


def read(connection: sqlite3.Connection, keys: Collection[str]) -> dict[str, Notice]:
    """Notices by their keys."""
    return {one.key: one for one in _notices(connection, f"WHERE key IN {THESE}", json.dumps(list(keys)))}


def latest(connection: sqlite3.Connection, channel: str, kind: str) -> Notice | None:
    where = "WHERE channel = ? AND kind = ? ORDER BY created DESC, key LIMIT 1"
    return next(iter(_notices(connection, where, channel, kind)), None)


def recent(connection: sqlite3.Connection, channel: str, since: datetime) -> int:
    query = "SELECT count(*) FROM outbox WHERE channel = ? AND created >= ?"
    return int(connection.execute(query, (channel, micros(since))).fetchone()[0])


def due(connection: sqlite3.Connection, channel: str, now: datetime, most: int) -> list[Notice]:
    where = "WHERE channel = ? AND sent IS NULL AND due <= ? ORDER BY due, key LIMIT ?"
    return _notices(connection, where, channel, micros(now), most)


def tried(connection: sqlite3.Connection, outcome: Outcome) -> None:
    """See `Outbox.tried`; inside a transaction that nobody else can write in."""
    connection.execute(
        "UPDATE outbox SET attempts = attempts + 1, error = ?, sent = ?, due = iif(? IS NULL, ?, due)"
        " WHERE key = ? AND revision = ?",
        (
            *(outcome.error, micros_or_none(outcome.sent), micros_or_none(outcome.sent), micros_or_none(outcome.due)),
            *(outcome.key, outcome.revision),
        ),
    )
    if outcome.ref:
        connection.execute("UPDATE outbox SET ref = ? WHERE key = ?", (outcome.ref, outcome.key))


def outbox(connection: sqlite3.Connection, most: int, unsent: bool) -> list[Notice]:
    where = "WHERE sent IS NULL AND (due IS NOT NULL OR error <> '')" if unsent else ""
    return _notices(connection, f"{where} ORDER BY created DESC, key LIMIT ?", most)


def _notices(connection: sqlite3.Connection, where: str, *values: object) -> list[Notice]:
    return [
        Notice(
            *(key, channel, kind, orjson.loads(body), from_micros(created), from_micros_or_none(due)),
            *(attempts, error, from_micros_or_none(sent), ref, revision),
        )
        for key, channel, kind, body, created, due, attempts, error, sent, ref, revision in connection.execute(
            f"SELECT {COLUMNS} FROM outbox {where}", values
        )
    ]
