"""Alerts for tests of what people get to see, and strings that an attacker would like to see at work."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from siem.present.notify.reading import channel
from siem.present.notify.team import Channel, Notify, Route
from siem.store.contract import Alert
from siem.store.outbox import News, Notice

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALERT = Alert(
    id="a1b2c3d4e5f6",
    rule_id="root_used",
    title="Root was used",
    level="high",
    tags=("attack.t1078.004", "cis.4.3"),
    group={"user.name": "ann"},
    first=NOW - HOUR,
    last=NOW - MINUTE,
    count=3,
    events=("e1", "e2", "e3"),
    text="ann did it",
    values={
        "cloud.account.id": ("123456789012",),
        "cloud.region": ("ap-northeast-1",),
        "user.name": ("ann",),
        "source.ip": ("192.0.2.1",),
    },
)
EVIL = (
    "<!channel>",
    "<@U012AB3CD> & <https://evil.example|click>",
    "`code` *bold* _it_ ~no~ https://evil.example/?a=b",
    "\u202egnp.exe \u2066x\u2069 \u200bzero\ufeff",
    "a\r\nb\x1b[31mred\x00\x07",
    "@here @everyone",
    "{title} %s {0.__class__}",
    "'; DROP TABLE alerts; --",
    "../../etc/passwd?x=1#y",
    "&lt;b&gt;",
    "x" * 10_000,
    "&" * 5_000,
)


def webhook(name: str = "hook", **options: Any) -> Channel:
    """A channel that takes messages again under their keys."""
    return channel(name, {"webhook": {"url": "https://hook.example.com/"}, **options})


def chat(name: str = "chat", **options: Any) -> Channel:
    """One that cannot edit what it has shown."""
    return channel(name, {"slack": {"webhook": "${ENV:HOOK}"}, **options})


def notify(*channels: Channel, **more: Any) -> Notify:
    """Everything goes to all of them, unless told otherwise."""
    known = {one.name: one for one in channels}
    return Notify(known, **({"routes": (Route(tuple(known)),)} | more))


def news(*alerts: Alert) -> list[News]:
    return [News(alert.id, number) for number, alert in enumerate(alerts)]


def numbered(count: int, **more: Any) -> list[Alert]:
    return [replace(ALERT, id=f"id{number:06d}", **more) for number in range(count)]


def taken(notice: Notice, at: datetime = NOW) -> Notice:
    """As the store has it once its channel has taken it."""
    return replace(notice, sent=at, ref=notice.ref or "taken")
