"""Alerts and actions as the JSON objects that every store keeps of them. Times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from siem.store.contract import Alert
from siem.store.handling import Action, Disposition, Verb
from siem.store.times import from_micros, from_micros_or_none, micros, micros_or_none


def alert_document(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "rule_id": alert.rule_id,
        "title": alert.title,
        "level": alert.level,
        "tags": list(alert.tags),
        "group": dict(alert.group),
        "micros_first": micros(alert.first),
        "micros_last": micros(alert.last),
        "count": alert.count,
        "events": list(alert.events),
        "text": alert.text,
        "values": {name: list(texts) for name, texts in alert.values.items()},
        "after_hours": alert.after_hours,
        "history": alert.history,
        "tier": alert.tier,
        "channel": alert.channel,
        "state": alert.state,
        "disposition": alert.disposition,
        "author": alert.author,
        "note": alert.note,
        "micros_changed": micros_or_none(alert.changed),
        "merged_into": alert.merged_into,
        "within": None if alert.within is None else dict(alert.within),
    }


def read_alert(source: Mapping[str, Any]) -> Alert:
    return Alert(
        id=source["id"],
        rule_id=source["rule_id"],
        title=source["title"],
        level=source["level"],
        tags=tuple(source["tags"]),
        group=source["group"],
        first=from_micros(source["micros_first"]),
        last=from_micros(source["micros_last"]),
        count=source["count"],
        events=tuple(source["events"]),
        text=source["text"],
        values={name: tuple(texts) for name, texts in source["values"].items()},
        after_hours=source["after_hours"],
        history=source["history"],
        tier=source["tier"],
        channel=source["channel"],
        state=source["state"],
        disposition=_disposition(source["disposition"]),
        author=source["author"],
        note=source["note"],
        changed=from_micros_or_none(source["micros_changed"]),
        merged_into=source["merged_into"],
        within=source["within"],
    )


def action_document(action: Action) -> dict[str, Any]:
    return {
        "id": action.id,
        "alert": action.alert,
        "rule_id": action.rule_id,
        "verb": action.verb,
        "author": action.author,
        "micros": micros(action.time),
        "text": action.text,
        "disposition": action.disposition,
    }


def read_action(source: Mapping[str, Any]) -> Action:
    return Action(
        id=source["id"],
        alert=source["alert"],
        rule_id=source["rule_id"],
        verb=Verb(source["verb"]),
        author=source["author"],
        time=from_micros(source["micros"]),
        text=source["text"],
        disposition=_disposition(source["disposition"]),
    )


def _disposition(text: str | None) -> Disposition | None:
    return None if text is None else Disposition(text)
