"""What detection came to, in the ledger: signals, alerts, and which objects were judged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from siem.store.contract import Alert, Signal
from siem.store.embedded.objects import THESE
from siem.store.embedded.times import micros, moment

SIGNAL = "rule_id, event_id, timestamp, object, dataset, fingerprint, grouping"
ALERT = "id, rule_id, title, level, tags, grouping, first, last, count, events, state"


def put_signals(connection: sqlite3.Connection, signals: Iterable[Signal]) -> None:
    """A signal that is there already takes the newer fingerprint and group."""
    connection.executemany(
        f"INSERT INTO signals ({SIGNAL}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " fingerprint = excluded.fingerprint, grouping = excluded.grouping",
        [
            (s.rule_id, s.event_id, micros(s.timestamp), s.object, s.dataset, s.fingerprint, grouping(s.group))
            for s in signals
        ],
    )


def put_alerts(connection: sqlite3.Connection, alerts: Iterable[Alert]) -> None:
    """An alert that is there already keeps its state: people set it."""
    connection.executemany(
        f"INSERT INTO alerts ({ALERT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " title = excluded.title, level = excluded.level, tags = excluded.tags, first = excluded.first,"
        " last = excluded.last, count = excluded.count, events = excluded.events",
        [
            (
                *(a.id, a.rule_id, a.title, a.level, json.dumps(list(a.tags)), grouping(a.group)),
                *(micros(a.first), micros(a.last), a.count, json.dumps(list(a.events)), a.state),
            )
            for a in alerts
        ],
    )


def remove_alerts(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    connection.execute(f"DELETE FROM alerts WHERE id IN {THESE}", (json.dumps(list(ids)),))


def mark(connection: sqlite3.Connection, objects: Sequence[str]) -> None:
    connection.execute(f"UPDATE objects SET judged = 1 WHERE object IN {THESE}", (json.dumps(list(objects)),))


def signals(connection: sqlite3.Connection, rule_id: str, group: Mapping[str, str]) -> list[Signal]:
    found = connection.execute(
        f"SELECT {SIGNAL} FROM signals WHERE rule_id = ? AND grouping = ? ORDER BY timestamp, event_id",
        (rule_id, grouping(group)),
    )
    return [
        Signal(rule, event, moment(time), object_, dataset, fingerprint, json.loads(text))
        for rule, event, time, object_, dataset, fingerprint, text in found
    ]


def alerts(connection: sqlite3.Connection) -> list[Alert]:
    found = connection.execute(f"SELECT {ALERT} FROM alerts ORDER BY last DESC, first DESC, id")
    return [
        Alert(
            *(id_, rule, title, level, tuple(json.loads(tags)), json.loads(group)),
            *(moment(first), moment(last), count, tuple(json.loads(events)), state),
        )
        for id_, rule, title, level, tags, group, first, last, count, events, state in found
    ]


def grouping(group: Mapping[str, str]) -> str:
    """A group as text that is the same for the same group."""
    return json.dumps(dict(group), sort_keys=True)
