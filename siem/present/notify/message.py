"""What a message says of an alert, as JSON: what every channel shows in its own way."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from siem.enrich.accounts import Accounts
from siem.parsing.batch import text_of
from siem.present.notify.links import Link, links
from siem.present.notify.team import UTC, accounts
from siem.schema import fold
from siem.store.contract import Alert

BACK = timedelta(days=30)
"""How far back a message counts what a rule and a principal did."""

PRINCIPAL = ("siem.principal.id", "user.name")
PERSON = ("siem.principal.person",)
ASKED = ".requestParameters."
"""In the name of a field that says what a call was about; of a rule's own group, title or text."""
RESOURCE = ("url.path", "destination.ip")
SOURCE = ("source.address", "source.ip")
REGION = ("cloud.region",)
SHORT = 1_000
"""Characters of a value."""

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Past:
    """Alerts of the past: times of their last events, by rule and by principal, in order."""

    rules: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    principals: Mapping[str, Sequence[datetime]] = field(default_factory=dict)

    @classmethod
    def of(cls, alerts: Iterable[Alert]) -> Past:
        rules: dict[str, list[datetime]] = {}
        principals: dict[str, list[datetime]] = {}
        for alert in sorted(alerts, key=lambda alert: alert.last):
            rules.setdefault(alert.rule_id, []).append(alert.last)
            if name := principal(alert):
                principals.setdefault(fold(name), []).append(alert.last)
        return cls(rules, principals)

    def fired(self, alert: Alert) -> dict[str, int]:
        """Alerts in the 30 days up to this one, itself among them."""
        name = principal(alert)
        return {
            "rule": _within(self.rules.get(alert.rule_id, ()), alert.last),
            "principal": _within(self.principals.get(fold(name), ()), alert.last) if name else 0,
        }


def _within(times: Sequence[datetime], until: datetime) -> int:
    return sum(1 for at in times[bisect_left(times, until - BACK) :] if at <= until)


def _nothing(rule: str) -> Sequence[str]:
    return ()


@dataclass(frozen=True)
class Words:
    """What messages know beside alerts. look: of a rule, what to look at first."""

    accounts: Accounts = field(default_factory=Accounts)
    zone: ZoneInfo = UTC
    links: tuple[Link, ...] = ()
    look: Callable[[str], Sequence[str]] = _nothing
    past: Past = field(default_factory=Past)


def body(alert: Alert, words: Words) -> dict[str, Any]:
    """The message of an alert; times in UTC as RFC 3339, and as the team's clock shows them."""
    ids = accounts(alert)
    return {
        "kind": "alert",
        "id": alert.id,
        "rule_id": alert.rule_id,
        "level": alert.level,
        "title": alert.title,
        "text": alert.text,
        "state": alert.state,
        "disposition": alert.disposition,
        "by": alert.author,
        "note": alert.note,
        "merged_into": alert.merged_into,
        "tags": list(alert.tags),
        "accounts": [_account(id_, words.accounts) for id_ in ids],
        "region": _first(alert, REGION),
        "principal": principal(alert),
        "person": _first(alert, PERSON),
        "actions": [text[:SHORT] for text in alert.values.get("event.action", ())],
        "errors": [text[:SHORT] for text in alert.values.get("error.code", ())],
        "resource": _first(alert, [*[name for name in alert.values if ASKED in name], *RESOURCE]),
        "source": _first(alert, SOURCE),
        "first": text_of(alert.first),
        "last": text_of(alert.last),
        "local": [_local(alert.first, words.zone), _local(alert.last, words.zone)],
        "count": alert.count,
        "after_hours": alert.after_hours,
        "fired": words.past.fired(alert),
        "look": [text[:SHORT] for text in words.look(alert.rule_id)],
        "links": list(links(alert, words.links)),
    }


def row(alert: Alert, words: Words) -> dict[str, Any]:
    """A line of a summary."""
    named = [words.accounts.name(id_) or id_ for id_ in accounts(alert)]
    kept = {"id": alert.id, "level": alert.level, "title": alert.title[:SHORT], "count": alert.count}
    return kept | {"accounts": named, "principal": principal(alert), "last": text_of(alert.last)}


def principal(alert: Alert) -> str:
    """Whom an alert is about; "" where nobody is known."""
    return _first(alert, PRINCIPAL)


def _account(id_: str, known: Accounts) -> dict[str, str | None]:
    return {"id": id_, "name": known.name(id_), "environment": known.environment(id_)}


def _first(alert: Alert, names: Sequence[str]) -> str:
    found = [text for name in names for text in (*alert.values.get(name, ()), alert.group.get(name, "")) if text]
    return found[0][:SHORT] if found else ""


def _local(time: datetime, zone: ZoneInfo) -> str:
    here = time.astimezone(zone)
    return f"{here:%Y-%m-%d %H:%M:%S} {here.tzname()}"
