"""What detection came to, in the ledger: signals, the alerts they come to, and how far each rule has judged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from siem.store.contract import MERGED, Again, Alert, Judged, Settle, Signal
from siem.store.embedded.objects import THESE
from siem.store.embedded.times import micros, moment

SIGNAL = "rule_id, event_id, timestamp, object, dataset, fingerprint, grouping"
ALERT = "id, rule_id, title, level, tags, grouping, first, last, count, events, state, merged_into"
NEWEST_FIRST = "ORDER BY last DESC, first DESC, id"

Groups = set[tuple[str, str]]
"""Rules, and groups of theirs as `grouping` has them."""


def mark(connection: sqlite3.Connection, judged: Judged, settle: Settle) -> set[str]:
    """See `Store.mark`; inside a transaction that nobody else can write in."""
    touched = _taken_back(connection, judged.again) if judged.again else set()
    touched |= _put_signals(connection, judged.signals)
    changed = set[str]().union(*[_settled(connection, rule, group, settle) for rule, group in sorted(touched)])
    connection.executemany("INSERT OR IGNORE INTO owed VALUES (?, ?)", judged.owed)
    connection.executemany("DELETE FROM owed WHERE rule_id = ? AND object = ?", judged.paid)
    connection.executemany(
        "INSERT INTO marks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET turn = max(turn, excluded.turn)",
        [(rule, dataset, turn) for (rule, dataset), turn in judged.marks.items()],
    )
    return changed


def marks(connection: sqlite3.Connection, dataset: str) -> dict[str, int]:
    return dict(connection.execute("SELECT rule_id, turn FROM marks WHERE dataset = ?", (dataset,)).fetchall())


def owed(connection: sqlite3.Connection, dataset: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule, object_ in connection.execute(
        "SELECT rule_id, object FROM owed JOIN objects USING (object) WHERE dataset = ? ORDER BY turn", (dataset,)
    ):
        found.setdefault(rule, []).append(object_)
    return found


def signals(connection: sqlite3.Connection, rule_id: str, group: str) -> list[Signal]:
    found = connection.execute(
        f"SELECT {SIGNAL} FROM signals WHERE rule_id = ? AND grouping = ? ORDER BY timestamp, event_id",
        (rule_id, group),
    )
    fields: dict[str, str] = json.loads(group)
    return [
        Signal(rule, event, moment(time), object_, dataset, fingerprint, fields)
        for rule, event, time, object_, dataset, fingerprint, _ in found
    ]


def alerts(connection: sqlite3.Connection, merged: bool) -> list[Alert]:
    return _alerts(connection, f"WHERE ? OR state <> '{MERGED}'", merged)


def grouping(group: Mapping[str, str]) -> str:
    """A group as text that is the same for the same group."""
    return json.dumps(dict(group), sort_keys=True)


def _taken_back(connection: sqlite3.Connection, what: Again) -> Groups:
    """Remove the signals that a rule had where it judged again; those of objects that came meanwhile stay."""
    where = f"rule_id = ? AND dataset IN {THESE}"
    if what.since is not None:
        where += f" AND timestamp >= {micros(what.since)}"
    if what.until is not None:
        where += f" AND timestamp < {micros(what.until)}"
    return set(
        connection.execute(
            f"DELETE FROM signals WHERE {where} AND object IN (SELECT object FROM objects WHERE turn <= ?)"
            " RETURNING rule_id, grouping",
            (what.rule_id, json.dumps(list(what.datasets)), what.turn),
        ).fetchall()
    )


def _put_signals(connection: sqlite3.Connection, signals: Iterable[Signal]) -> Groups:
    """A signal that is there already takes the newer fingerprint and group, and leaves the older group."""
    touched: Groups = set()
    for signal in signals:
        key, group = (signal.rule_id, signal.event_id, micros(signal.timestamp)), grouping(signal.group)
        touched.add((signal.rule_id, group))
        touched.update(
            connection.execute(
                "SELECT rule_id, grouping FROM signals WHERE rule_id = ? AND event_id = ? AND timestamp = ?", key
            )
        )
        connection.execute(
            f"INSERT INTO signals ({SIGNAL}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " fingerprint = excluded.fingerprint, grouping = excluded.grouping",
            (*key, signal.object, signal.dataset, signal.fingerprint, group),
        )
    return touched


def _settled(connection: sqlite3.Connection, rule_id: str, group: str, settle: Settle) -> set[str]:
    """Bring the alerts of a rule and group in line with its signals; ids of those that are new or of another count."""
    standing = {alert.id: alert for alert in _alerts(connection, "WHERE rule_id = ? AND grouping = ?", rule_id, group)}
    wanted = settle(rule_id, signals(connection, rule_id, group), list(standing.values()))
    gone = standing.keys() - {alert.id for alert in wanted}
    connection.execute(f"DELETE FROM alerts WHERE id IN {THESE}", (json.dumps(list(gone)),))
    _put_alerts(connection, [alert for alert in wanted if standing.get(alert.id) != alert])
    counts = {id_: alert.count for id_, alert in standing.items() if alert.state != MERGED}
    return {alert.id for alert in wanted if alert.state != MERGED and counts.get(alert.id) != alert.count}


def _put_alerts(connection: sqlite3.Connection, alerts: Sequence[Alert]) -> None:
    connection.executemany(
        f"INSERT OR REPLACE INTO alerts ({ALERT}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(a.id, a.rule_id, a.title, a.level, json.dumps(list(a.tags)), grouping(a.group)),
                *(micros(a.first), micros(a.last), a.count, json.dumps(list(a.events)), a.state, a.merged_into),
            )
            for a in alerts
        ],
    )


def _alerts(connection: sqlite3.Connection, where: str, *values: object) -> list[Alert]:
    return [
        Alert(
            *(id_, rule, title, level, tuple(json.loads(tags)), json.loads(group)),
            *(moment(first), moment(last), count, tuple(json.loads(events)), state, merged_into),
        )
        for id_, rule, title, level, tags, group, first, last, count, events, state, merged_into in connection.execute(
            f"SELECT {ALERT} FROM alerts {where} {NEWEST_FIRST}", values
        )
    ]
