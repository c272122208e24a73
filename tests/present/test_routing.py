"""Who hears of an alert, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from alerts import ALERT, HOUR, MINUTE, NOW, chat, notify, webhook

from siem.present.notify.team import Route

TOKYO = ZoneInfo("Asia/Tokyo")
PRODUCTION = frozenset(["production"])


@pytest.mark.parametrize(
    ("route", "wanted"),
    [
        (Route(("hook",)), True),
        (Route(("hook",), level="high"), True),
        (Route(("hook",), level="critical"), False),
        (Route(("hook",), tags=frozenset(["cis"])), True),
        (Route(("hook",), tags=frozenset(["cis.4"])), True),
        (Route(("hook",), tags=frozenset(["cis.4.33", "ci"])), False),
        (Route(("hook",), accounts=frozenset(["123456789012"])), True),
        (Route(("hook",), accounts=frozenset(["111122223333"])), False),
        (Route(("hook",), environments=PRODUCTION), True),
        (Route(("hook",), environments=frozenset(["sandbox"])), False),
        (Route(("hook",), level="low", tags=frozenset(["cis"]), environments=frozenset(["sandbox"])), False),
    ],
)
def test_a_route_takes_what_all_of_its_conditions_hold_for(route: Route, wanted: bool) -> None:
    team = notify(webhook(), routes=(route,))
    assert team.wanted(ALERT, PRODUCTION) == (("hook",) if wanted else ())


def test_routes_add_up_and_a_channel_is_told_once() -> None:
    team = notify(webhook(), chat(), routes=(Route(("hook",)), Route(("chat", "hook"), level="low")))
    assert team.wanted(ALERT, PRODUCTION) == ("hook", "chat")


def test_the_channel_that_a_rule_names_takes_the_place_of_routes() -> None:
    team = notify(webhook(), chat(), routes=(Route(("hook",)),))
    assert team.wanted(replace(ALERT, channel="chat"), PRODUCTION) == ("chat",)
    assert team.wanted(replace(ALERT, channel="unknown"), PRODUCTION) == ("hook",)


def test_what_is_only_reported_is_told_to_nobody() -> None:
    assert notify(webhook()).wanted(replace(ALERT, tier="report", channel="hook"), PRODUCTION) == ()


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-02T12:59:00", "2026-11-02T12:59:00"),  # 21:59 in Tokyo
        ("2026-11-02T13:00:00", "2026-11-02T22:00:00"),  # 22:00
        ("2026-11-02T15:30:00", "2026-11-02T22:00:00"),  # half past midnight
        ("2026-11-02T21:59:59", "2026-11-02T22:00:00"),
        ("2026-11-02T22:00:00", "2026-11-02T22:00:00"),  # 07:00
    ],
)
def test_quiet_hours_are_those_of_the_teams_clock(now: str, until: str) -> None:
    team = replace(notify(webhook(quiet="22:00-07:00")), zone=TOKYO)
    times = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, until)]
    assert team.quiet_until(team.channels["hook"], times[0]) == times[1]


def test_a_digest_is_due_the_next_time_that_its_clock_shows() -> None:
    channel = webhook(digest={"at": "09:00", "below": "high"})
    team = replace(notify(channel), zone=TOKYO)
    assert channel.digest
    nine = datetime(2026, 11, 3, 0, 0, tzinfo=UTC)
    assert team.digest_at(channel.digest, NOW) == nine
    assert team.digest_at(channel.digest, nine - MINUTE) == nine
    assert team.digest_at(channel.digest, nine) == nine + 24 * HOUR
    assert [channel.is_gathered(level) for level in ("low", "medium", "high", "critical")] == [True, True, False, False]
