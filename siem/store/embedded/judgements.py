"""What detection came to, in the ledger: signals, the alerts they come to, and how far each rule has judged."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any

import orjson

from siem.store.contract import Again, Alert, Judged, Settle, Signal
from siem.store.embedded import outbox
from siem.store.embedded.objects import THESE
from siem.store.groups import part, settled_by
from siem.store.handling import MERGED, Action, handled
from siem.store.times import from_micros, micros
from siem.store.written import action_document, alert_document, read_action, read_alert

SIGNAL = (
    "rule_id, event_id, timestamp, object, dataset, fingerprint, grouping, about, part, matched,"
    ' "values", history, within'
)
NEWEST_FIRST = "ORDER BY last DESC, first DESC, id"

KEPT = "timestamp >= ifnull((SELECT before FROM dropped WHERE dataset = signals.dataset), timestamp)"
"""Signals of events that retention has not dropped."""

LOOKED = "object || iif(matched = '', rule_id, matched)"
"""Of a signal: the object, and the event rule that looked at it."""

Groups = set[tuple[str, str]]
"""Rules, and groups of theirs as `grouping` has them."""

TOGETHER = 500
"""Groups of a rule that are settled at a time."""


def mark(connection: sqlite3.Connection, judged: Judged, settle: Settle) -> set[str]:
    """See `Store.mark`; inside a transaction that nobody else can write in."""
    touched = _taken_back(connection, judged.again) if judged.again else set()
    touched |= _found_anew(connection, judged)
    touched |= _put_signals(connection, judged.signals)
    changed: set[str] = set()
    for rule, of_rule in groupby(sorted(touched), key=lambda pair: pair[0]):
        while groups := [group for _, group in islice(of_rule, TOGETHER)]:
            changed |= _settled(connection, rule, groups, settle)
    connection.executemany("INSERT OR IGNORE INTO owed VALUES (?, ?)", judged.owed)
    connection.executemany("DELETE FROM owed WHERE rule_id = ? AND object = ?", judged.paid)
    connection.executemany(
        "INSERT INTO marks VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET turn = max(turn, excluded.turn)",
        [(rule, dataset, turn) for (rule, dataset), turn in {**judged.passed, **judged.marks}.items()],
    )
    return changed


def marks(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """By dataset and rule."""
    found: dict[str, dict[str, int]] = {}
    for rule, dataset, turn in connection.execute("SELECT rule_id, dataset, turn FROM marks"):
        found.setdefault(dataset, {})[rule] = turn
    return found


def is_owing(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM owed LIMIT 1").fetchone() is not None


def owed(connection: sqlite3.Connection, dataset: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for rule, object_ in connection.execute(
        "SELECT rule_id, object FROM owed JOIN objects USING (object) WHERE dataset = ? ORDER BY turn", (dataset,)
    ):
        found.setdefault(rule, []).append(object_)
    return found


def signals(connection: sqlite3.Connection, rule_id: str, groups: Iterable[str]) -> list[Signal]:
    """Of these groups, in order of time."""
    found = connection.execute(
        f"SELECT {SIGNAL} FROM signals WHERE rule_id = ? AND grouping IN {THESE} ORDER BY timestamp, event_id, part",
        (rule_id, json.dumps(list(groups))),
    )
    return list(_read(found))


def every_signal(connection: sqlite3.Connection) -> Iterator[Signal]:
    """See `Store.every_signal`."""
    order = "rule_id, grouping, timestamp, event_id, part"
    return _read(connection.execute(f"SELECT {SIGNAL} FROM signals ORDER BY {order}"))


def _read(found: Iterable[Any]) -> Iterator[Signal]:
    for rule, event, time, object_, dataset, fingerprint, _, about, _, matched, values, history, within in found:
        yield Signal(
            *(rule, event, from_micros(time), object_, dataset, fingerprint, json.loads(about)),
            *(matched, json.loads(values), bool(history), None if within is None else json.loads(within)),
        )


def alerts(connection: sqlite3.Connection, merged: bool) -> list[Alert]:
    return _alerts(connection, f"WHERE ? OR state <> '{MERGED}'", merged)


def alert(connection: sqlite3.Connection, id_: str) -> Alert | None:
    return next(iter(_alerts(connection, "WHERE id = ?", id_)), None)


def act(connection: sqlite3.Connection, actions: Iterable[Action]) -> list[Alert]:
    """See `Store.act`; inside a transaction that nobody else can write in."""
    left: dict[str, Alert] = {}
    for action in actions:
        found = alert(connection, action.alert)
        if found is not None and found.merged_into is not None:
            found = alert(connection, found.merged_into)
        if found is None:
            continue
        new = connection.execute(
            "INSERT OR IGNORE INTO actions VALUES (?, ?, ?, ?)",
            (action.id, found.id, micros(action.time), orjson.dumps(action_document(replace(action, alert=found.id)))),
        ).rowcount
        left[found.id] = handled(found, action) if new else found
        _put_alerts(connection, [left[found.id]] if left[found.id] != found else [])
    return list(left.values())


def actions(connection: sqlite3.Connection, alerts: Collection[str] | None) -> list[Action]:
    where, given = ("", ()) if alerts is None else (f"WHERE alert IN {THESE}", (json.dumps(list(alerts)),))
    found = connection.execute(f"SELECT body FROM actions {where} ORDER BY micros, id", given)
    return [read_action(orjson.loads(body)) for (body,) in found]


def _taken_back(connection: sqlite3.Connection, what: Again) -> Groups:
    """Remove the signals that a rule had where it judged again; those of objects that came meanwhile stay, and those of
    events that were dropped."""
    where = f"rule_id = ? AND dataset IN {THESE} AND {KEPT}"
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


def _found_anew(connection: sqlite3.Connection, judged: Judged) -> Groups:
    """Remove what rules had found in objects that are judged again: their marks pass those now, or they pay. A rule
    without a mark has nothing to take back: its signals are of spans that were judged again. What a correlation has of
    a rule that erred stays until that pays."""
    before, touched = marks(connection), Groups()
    for (rule, dataset), turn in judged.marks.items():
        passed = dataset, before.get(dataset, {}).get(rule, turn), turn
        objects = _again(connection, "dataset = ? AND turn > ? AND turn <= ?", *passed)
        touched |= _removed(connection, objects, f"rule_id = ? AND {LOOKED} NOT IN {THESE}", rule, _looks(judged.owed))
    objects = _again(connection, f"object IN {THESE}", json.dumps([object_ for _, object_ in judged.paid]))
    return touched | _removed(connection, objects, f"{LOOKED} IN {THESE}", _looks(judged.paid))


def _again(connection: sqlite3.Connection, where: str, *values: object) -> list[str]:
    """Objects that are judged again."""
    return [object_ for (object_,) in connection.execute(f"SELECT object FROM objects WHERE again AND {where}", values)]


def _looks(pairs: Iterable[tuple[str, str]]) -> str:
    return json.dumps([object_ + rule for rule, object_ in pairs])


def _removed(connection: sqlite3.Connection, objects: Sequence[str], where: str, *values: str) -> Groups:
    """The groups of the signals of these objects that were removed."""
    if not objects:
        return set()
    removal = f"DELETE FROM signals WHERE {where} AND {KEPT} AND object IN {THESE} RETURNING rule_id, grouping"
    return set(connection.execute(removal, (*values, json.dumps(objects))))


def _put_signals(connection: sqlite3.Connection, signals: Iterable[Signal]) -> Groups:
    """A signal that is there already takes the newer fingerprint and group, and leaves the older group."""
    touched: Groups = set()
    for signal in signals:
        if signal.within is not None and not _takes_over(connection, signal):
            continue
        group = settled_by(signal)
        key = (signal.rule_id, signal.event_id, micros(signal.timestamp), part(signal))
        touched.add((signal.rule_id, group))
        touched.update(
            connection.execute(
                "SELECT rule_id, grouping FROM signals"
                " WHERE rule_id = ? AND event_id = ? AND timestamp = ? AND part = ?",
                key,
            )
        )
        connection.execute(
            f"INSERT OR REPLACE INTO signals ({SIGNAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(*key[:3], signal.object, signal.dataset, signal.fingerprint, group, json.dumps(dict(signal.group))),
                *(key[3], signal.matched, json.dumps({name: list(texts) for name, texts in signal.values.items()})),
                signal.history,
                None if signal.within is None else json.dumps(dict(signal.within)),
            ),
        )
    return touched


def _takes_over(connection: sqlite3.Connection, signal: Signal) -> bool:
    """The signal is the first of its group, as far as is known; then the one that was so goes."""
    later = "timestamp > ? OR (timestamp = ? AND event_id > ?)"
    time, of = micros(signal.timestamp), "rule_id = ? AND part = ? AND within IS NOT NULL"
    group = (signal.rule_id, part(signal))
    connection.execute(f"DELETE FROM signals WHERE {of} AND ({later})", (*group, time, time, signal.event_id))
    return connection.execute(f"SELECT 1 FROM signals WHERE {of}", group).fetchone() is None


def _settled(connection: sqlite3.Connection, rule_id: str, groups: Sequence[str], settle: Settle) -> set[str]:
    """Bring the alerts of a rule's groups in line with its signals; ids of those that are new or of another count."""
    where = f"WHERE rule_id = ? AND grouping IN {THESE}"
    standing = {alert.id: alert for alert in _alerts(connection, where, rule_id, json.dumps(list(groups)))}
    wanted = settle(rule_id, signals(connection, rule_id, groups), list(standing.values()))
    if wanted is None:
        return set()
    gone = standing.keys() - {alert.id for alert in wanted}
    connection.execute(f"DELETE FROM alerts WHERE id IN {THESE}", (json.dumps(list(gone)),))
    outbox.changed(connection, sorted(gone))
    _put_alerts(connection, [alert for alert in wanted if standing.get(alert.id) != alert])
    counts = {id_: alert.count for id_, alert in standing.items() if alert.state != MERGED}
    return {alert.id for alert in wanted if alert.state != MERGED and counts.get(alert.id) != alert.count}


def _put_alerts(connection: sqlite3.Connection, alerts: Sequence[Alert]) -> None:
    outbox.changed(connection, [alert.id for alert in alerts])
    connection.executemany(
        "INSERT OR REPLACE INTO alerts (id, rule_id, grouping, state, first, last, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                *(alert.id, alert.rule_id, settled_by(alert), alert.state),
                *(micros(alert.first), micros(alert.last), orjson.dumps(alert_document(alert))),
            )
            for alert in alerts
        ],
    )


def _alerts(connection: sqlite3.Connection, where: str, *values: object) -> list[Alert]:
    found = connection.execute(f"SELECT body FROM alerts {where} {NEWEST_FIRST}", values)
    return [read_alert(orjson.loads(body)) for (body,) in found]
