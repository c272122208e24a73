"""What an alert says beside what was found: words, values, level, marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from watched import HOUR, MINUTE, RULE, SECOND, Watch

from siem.detect.alerts import MOST_VALUES, level
from siem.detect.circumstances import Circumstances
from siem.detect.passes import detect
from siem.sigma import RuleSet
from siem.store.contract import Alert
from siem.store.handling import CLOSED, OPEN, Disposition
from siem.testing.deliveries import NOW, START

MANY = """\
title: Many logins
name: many
correlation: {type: event_count, rules: [login], group-by: [user.name], timespan: 5m, condition: {gte: 2}}
custom: {title: "{user.name} came {event.action} from {source.ip}"}
"""


def among(watch: Watch, circumstances: Circumstances) -> Alert:
    detect(watch.store, watch.rules, watch.sources, among=circumstances)
    return watch.alert


def worded(rule: str, **custom: str) -> str:
    return rule + "custom:\n" + "".join(f'  {name}: "{text}"\n' for name, text in custom.items())


def test_title_and_text_are_filled_with_values_of_the_events(watching: Callable[..., Watch]) -> None:
    watch = watching(worded(RULE, title="{user.name} did {eventName}", text="In {cloud.account.id} and {tls.cipher}."))
    watch.login("one", "a")
    watch.detect()
    assert (watch.alert.title, watch.alert.text) == ("ann did ConsoleLogin", "In 111122223333 and ?.")


def test_what_comes_from_a_log_is_not_filled_in_again(watching: Callable[..., Watch]) -> None:
    watch = watching(worded(RULE, title="{user.name}"))
    watch.login("one", "a", user="{event.action} %s {0} [bold]")
    watch.detect()
    assert watch.alert.title == "{event.action} %s {0} [bold]"


def test_many_values_are_counted_and_long_ones_are_cut(watching: Callable[..., Watch]) -> None:
    watch = watching(worded(RULE, title="{user.name}") + "  group: [cloud.account.id]\n")
    users = [f"u{number:02}" for number in range(12)]
    for number, user in enumerate(users):
        watch.login(user, user, start=START + number * SECOND, user=user)
    watch.detect()
    assert watch.alert.title == "u00, u01, u02 and 9 more"
    assert watch.alert.values["user.name"] == tuple(users[:MOST_VALUES])
    watch.login("long", "long", start=START - SECOND, user="x" * 1_000)
    watch.detect()
    assert watch.alert.title == f"{'x' * 200}…, u00, u01 and 10 more"


def test_an_alert_of_a_correlation_has_its_events_values(watching: Callable[..., Watch]) -> None:
    watch = watching(RULE, MANY)
    watch.login("one", "a", "b")
    watch.login("other", "c", user="bob")
    watch.detect()
    assert watch.alert.title == "ann came ConsoleLogin from ?"
    assert watch.alert.values["cloud.account.id"] == ("111122223333",)


def test_a_rules_group_may_name_any_field(watching: Callable[..., Watch]) -> None:
    watch = watching(RULE + "custom: {group: [eventID, requestParameters.name]}\n")
    watch.login("one", "a", "b")
    watch.detect()
    assert [alert.group for alert in watch.alerts] == [
        {"eventID": id_, "requestParameters.name": id_} for id_ in ("b", "a")
    ]


# Level and marks


def test_an_alert_is_after_hours_if_one_of_its_events_is(watch: Watch) -> None:
    watch.login("one", "a", start=START)
    assert not among(watch, Circumstances(after_hours=lambda time: time > START)).after_hours
    watch.login("two", "b", start=START + MINUTE)
    assert among(watch, Circumstances(after_hours=lambda time: time > START)).after_hours


@pytest.mark.parametrize(
    ("environments", "late", "wanted"),
    [
        ([], False, "low"),
        ([None], False, "low"),
        (["prod"], False, "high"),
        (["sandbox"], False, "informational"),
        (["sandbox", "prod"], False, "high"),
        (["sandbox"], True, "medium"),
        (["prod"], True, "high"),
        ([], True, "medium"),
    ],
)
def test_the_level_is_the_highest_of_environments_and_hour(
    watch: Watch, environments: list[str | None], late: bool, wanted: str
) -> None:
    levels = {"prod": "high", "sandbox": "informational"}
    rule = replace(watch.rules.rules[0], level="low", levels=levels, after_hours="medium")
    assert level(rule, environments, late) == wanted


def test_the_environment_is_that_of_the_events_account(watch: Watch) -> None:
    (rule,) = watch.rules.rules
    watch.rules = RuleSet((replace(rule, levels={"prod": "critical"}, tier="report", channel="night"),))
    watch.login("one", "a")
    alert = among(watch, Circumstances(environment={"111122223333": "prod"}.get))
    assert (alert.level, alert.tier, alert.channel) == ("critical", "report", "night")


def ingested(watch: Watch, key: str, id_: str, start: datetime, age: timedelta) -> None:
    """A login that was so old when it was stored."""
    watch.login(key, id_, start=start, ingested=start + age)


def test_an_alert_is_history_if_all_its_events_were_old(watch: Watch) -> None:
    ingested(watch, "old", "a", START, timedelta(days=1, seconds=1))
    assert among(watch, Circumstances()).history
    ingested(watch, "fresh", "b", START + SECOND, HOUR)
    assert not among(watch, Circumstances()).history


def test_the_live_window_decides_what_is_old(watch: Watch) -> None:
    ingested(watch, "old", "a", START, timedelta(hours=24))
    assert not among(watch, Circumstances()).history
    ingested(watch, "older", "b", START + 3 * HOUR, timedelta(hours=2))
    detect(watch.store, watch.rules, watch.sources, among=Circumstances(live_window=HOUR))
    assert [alert.history for alert in watch.alerts] == [True, False]


# What people did


@pytest.mark.parametrize("disposition", list(Disposition))
def test_a_closed_alert_that_grows_is_open_again_if_it_was_true(watch: Watch, disposition: Disposition) -> None:
    watch.login("one", "a")
    watch.detect()
    watch.close(watch.alert, disposition)
    watch.login("other", "x", user="bob")
    watch.detect()
    assert [alert.state for alert in watch.alerts if alert.count == 1 and alert.group["user.name"] == "ann"] == [CLOSED]
    watch.login("two", "b", start=START + MINUTE)
    watch.detect()
    (grown,) = [alert for alert in watch.alerts if alert.count == 2]
    opened = disposition is Disposition.TRUE
    assert (grown.state, grown.disposition) == ((OPEN, None) if opened else (CLOSED, disposition))
    assert (grown.author, grown.note, grown.changed) == ("ann", "as planned", NOW)
