"""Signals, alerts and what was done with these, as documents."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from siem.parsing.batch import text_of
from siem.store.contract import Alert, Signal
from siem.store.groups import grouping, part, settled_by
from siem.store.handling import MERGED, Action
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation
from siem.store.opensearch.cluster.scanning import documents, scan
from siem.store.opensearch.names import Names, States
from siem.store.times import from_micros, micros
from siem.store.written import action_document, alert_document, read_action, read_alert

BY_TIME = ({"micros": "asc"}, {"event_id": "asc"}, {"part": "asc"})
NEWEST_FIRST = ({"micros_last": "desc"}, {"micros_first": "desc"}, {"id": "asc"})

Version = tuple[int, int]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def group_key(group: Mapping[str, str]) -> str:
    """A group as the index has it; its text may be longer than what is indexed."""
    return digest(grouping(group))


def settle_key(one: Signal | Alert) -> str:
    """What is settled together, as the index has it."""
    return digest(settled_by(one))


def part_key(signal: Signal) -> str:
    """A part as the index has it."""
    return digest(text) if (text := part(signal)) else ""


def signal_id(signal: Signal) -> str:
    return digest(json.dumps([signal.rule_id, signal.event_id, micros(signal.timestamp), part(signal)]))


def put_signal(names: Names, signal: Signal) -> Operation:
    document = {
        "rule_id": signal.rule_id,
        "event_id": signal.event_id,
        "timestamp": text_of(signal.timestamp),
        "micros": micros(signal.timestamp),
        "object": signal.object,
        "dataset": signal.dataset,
        "fingerprint": signal.fingerprint,
        "grouping": settle_key(signal),
        "part": part_key(signal),
        "matched": signal.matched,
        "group": dict(signal.group),
        "values": {name: list(texts) for name, texts in signal.values.items()},
        "history": signal.history,
        "within": None if signal.within is None else dict(signal.within),
    }
    return Operation(names.state(States.SIGNALS), signal_id(signal), document)


def removed_signal(names: Names, id_: str) -> Operation:
    return Operation(names.state(States.SIGNALS), id_, None)


def read_signal(source: Mapping[str, Any]) -> Signal:
    return Signal(
        source["rule_id"],
        source["event_id"],
        from_micros(source["micros"]),
        source["object"],
        source["dataset"],
        source["fingerprint"],
        source["group"],
        source["matched"],
        source["values"],
        source["history"],
        source["within"],
    )


def signals(connection: Connection, names: Names, query: Mapping[str, Any]) -> Iterator[tuple[str, Signal]]:
    """Ids and signals, in order of time."""
    for hit in scan(connection, names.state(States.SIGNALS), query, BY_TIME):
        yield hit["_id"], read_signal(hit["_source"])


def of_parts(rule_id: str, keys: Collection[str]) -> dict[str, Any]:
    """Signals of a rule whose parts these are."""
    return {"bool": {"filter": [{"term": {"rule_id": rule_id}}, {"terms": {"part": list(keys)}}]}}


def of_groups(rule_id: str, keys: Collection[str]) -> dict[str, Any]:
    """What belongs to a rule and some of its groups."""
    return {"bool": {"filter": [{"term": {"rule_id": rule_id}}, {"terms": {"grouping": list(keys)}}]}}


def put_alert(names: Names, alert: Alert, version: Version | None) -> Operation:
    """version: that of the document which it replaces; None: it is a new one."""
    document = alert_document(alert) | {
        "grouping": settle_key(alert),
        "about": [f"{name}={value}" for name, value in alert.group.items()],
        "first": text_of(alert.first),
        "last": text_of(alert.last),
        "changed": alert.changed and text_of(alert.changed),
    }
    return Operation(names.state(States.ALERTS), alert.id, document, version, absent=version is None)


def removed_alert(names: Names, id_: str, version: Version) -> Operation:
    return Operation(names.state(States.ALERTS), id_, None, version)


def alerts(connection: Connection, names: Names, query: Mapping[str, Any]) -> Iterator[tuple[Alert, Version]]:
    """Alerts, newest first, with the versions of their documents."""
    for hit in scan(connection, names.state(States.ALERTS), query, NEWEST_FIRST):
        yield read_alert(hit["_source"]), (hit["_seq_no"], hit["_primary_term"])


def logged(names: Names, action: Action) -> Operation:
    """An action into the log, if it is not there yet."""
    document = action_document(action) | {"time": text_of(action.time)}
    return Operation(names.state(States.ACTIONS), digest(action.id), document, absent=True)


def actions(connection: Connection, names: Names, ids: Collection[str] | None) -> list[Action]:
    """Of these alerts, or of all."""
    query = {"match_all": {}} if ids is None else {"terms": {"alert": list(ids)}}
    order = ({"micros": "asc"}, {"id": "asc"})
    return [read_action(hit["_source"]) for hit in scan(connection, names.state(States.ACTIONS), query, order)]


def logged_among(connection: Connection, names: Names, actions: Sequence[Action]) -> set[str]:
    """Ids of those of these actions that are in the log."""
    found = documents(connection, names.state(States.ACTIONS), [digest(action.id) for action in actions])
    return {action.id for action, there in zip(actions, found, strict=True) if there is not None}


def named(connection: Connection, names: Names, ids: Sequence[str]) -> dict[str, tuple[Alert, Version]]:
    """Those of these alerts that there are, with the versions of their documents."""
    found = documents(connection, names.state(States.ALERTS), ids)
    return {
        id_: (read_alert(one["_source"]), (one["_seq_no"], one["_primary_term"]))
        for id_, one in zip(ids, found, strict=True)
        if one is not None
    }


def unmerged() -> dict[str, Any]:
    return {"bool": {"must_not": [{"term": {"state": MERGED}}]}}
