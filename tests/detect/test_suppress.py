"""Rules that suppress: matches with the same values within a time of the first are one alert."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import brute_force
import pytest
from test_passes_as_brute_force import Event, happened
from watched import HOUR, MINUTE, OTHER, RULE, SECOND, Watch

from siem.detect.alerts import alert_id
from siem.parsing import Registry
from siem.sigma import Correlation
from siem.testing.deliveries import START

SIX = 6 * HOUR
BY_USER = RULE + "custom: {suppress: {by: [user.name], for: 6h}}\n"
MANY = """\
title: Many
name: many
correlation: {type: event_count, rules: login, group-by: [user.name, source.address], timespan: 5m, condition: {gte: 2}}
custom: {suppress: {by: user.name, for: 30m}}
"""


def test_what_follows_the_first_within_the_time_raises_the_count_and_no_alert(watching: Callable[..., Watch]) -> None:
    watch = watching(BY_USER)
    for number, after in enumerate((0 * HOUR, 2 * HOUR, SIX)):
        watch.login(f"o{number}", f"e{number}", start=START + after)
        watch.detect()
    assert (watch.alert.group, watch.alert.count, watch.alert.events) == ({"user.name": "ann"}, 3, ("e0", "e1", "e2"))
    assert (watch.alert.first, watch.alert.last) == (START, START + SIX)
    watch.login("later", "late", start=START + SIX + SECOND)
    watch.detect()
    assert [alert.events for alert in watch.alerts] == [("late",), ("e0", "e1", "e2")]


def test_the_time_runs_from_the_first_and_may_be_longer_than_a_day(watching: Callable[..., Watch]) -> None:
    watch = watching(RULE + "custom: {suppress: {by: [user.name], for: 7d}}\n")
    for day in range(10):
        watch.login(f"o{day}", f"e{day}", start=START + timedelta(days=day))
    watch.detect()
    assert [alert.count for alert in watch.alerts] == [2, 8]


def test_without_fields_it_is_the_usual_group(watching: Callable[..., Watch]) -> None:
    watch = watching(RULE + "custom: {suppress: {for: 6h}}\n")
    watch.login("one", "a")
    watch.login("two", "b", start=START + 5 * HOUR)
    watch.login("bob", "c", user="bob")
    watch.detect()
    account = {"cloud.account.id": "111122223333"}
    assert [(alert.group, alert.count) for alert in watch.alerts] == [
        ({**account, "user.name": "ann"}, 2),
        ({**account, "user.name": "bob"}, 1),
    ]


def test_an_earlier_event_that_comes_late_begins_the_alert_anew(watching: Callable[..., Watch]) -> None:
    watch = watching(BY_USER)
    watch.login("one", "b", start=START)
    watch.login("two", "c", start=START + SIX)
    watch.detect()
    old = watch.close(watch.alert)
    watch.login("late", "a", start=START - MINUTE)
    watch.detect()
    assert [alert.events for alert in watch.alerts] == [("c",), ("a", "b")]
    assert watch.alerts[1].id == alert_id("login", {"user.name": "ann"}, START - MINUTE, "a")
    assert (watch.alerts[1].state, [one.merged_into for one in watch.merged]) == ("closed", [watch.alerts[1].id])
    assert watch.merged[0].id == old.id


def in_store(watch: Watch, *events: Event) -> None:
    for number, event in enumerate(events):
        event.in_object(watch, f"object {number} {event.id}")
    watch.detect()


def test_episodes_of_one_projected_group_are_one_alert(watching: Callable[..., Watch]) -> None:
    watch = watching(RULE, MANY)
    places = [(0, "192.0.2.1"), (1, "192.0.2.1"), (10, "192.0.2.2"), (12, "192.0.2.2"), (31, "192.0.2.2")]
    events = [
        Event(f"e{number}", START + minute * MINUTE, "login", "ann", address)
        for number, (minute, address) in enumerate(places)
    ]
    in_store(watch, *events, Event("e5", START + 32 * MINUTE, "login", "ann", "192.0.2.2"))
    later, first = watch.alerts
    assert (first.group, first.events, first.count) == ({"user.name": "ann"}, ("e0", "e1", "e2", "e3"), 4)
    assert (first.first, first.last) == (START, START + 12 * MINUTE)
    assert later.events == ("e4", "e5")


def test_a_correlation_sees_every_match_of_a_rule_that_suppresses(watching: Callable[..., Watch]) -> None:
    watch = watching(BY_USER, MANY.replace("[user.name, source.address]", "user.name"))
    watch.login("one", "a", "b", "c")
    watch.detect()
    assert (watch.alert.rule_id, watch.alert.count) == ("many", 3)


# Any order


Found = list[tuple[object, ...]]


def runs(times: Sequence[tuple[datetime, object]], span: timedelta) -> list[list[object]]:
    """One after the other: whoever comes within the span of the one that began joins him."""
    made: list[tuple[datetime, list[object]]] = []
    for time, item in times:
        if made and time <= made[-1][0] + span:
            made[-1][1].append(item)
        else:
            made.append((time, [item]))
    return [items for _, items in made]


def of_rule(events: Sequence[Event], span: timedelta) -> Found:
    matched = sorted({(event.time, event.id, (event.user or "").lower()) for event in events if event.rule == "login"})
    return sorted(
        (user, tuple(run))
        for user in {user for *_, user in matched}
        for run in runs([(time, id_) for time, id_, of in matched if of == user], span)
    )


def of_correlation(correlation: Correlation, events: Sequence[Event], span: timedelta) -> Found:
    parts = [
        brute_force.Part(0, f"{event.user.lower()} {event.address}", event.time, event.id)
        for event in set(events)
        if event.rule == "login" and event.user and event.address
    ]
    episodes = sorted(brute_force.found(correlation, parts), key=lambda one: (one.first, one.events))
    made: Found = []
    for user in {one.group.split()[0] for one in episodes}:
        mine = [(one.first, one) for one in episodes if one.group.split()[0] == user]
        for run in runs(mine, span):
            held = sorted({(part.time, part.event) for one in run for part in one.parts})  # type: ignore[attr-defined]
            made.append((user, tuple([event for _, event in held])))
    return sorted(made)


@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6)]])
def test_alerts_are_those_of_brute_force_in_any_order(
    watching: Callable[..., Watch], registry: Registry, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311
    loud = RULE.replace("name: login", "name: loud")
    watch = watching(RULE, OTHER, MANY, loud + "custom: {suppress: {by: [user.name], for: 20m}}\n")
    events = happened(chance)[: 40 if seed == 0 else 80]
    chance.shuffle(events)
    for number, event in enumerate(events):
        event.in_object(watch, f"o{number}")
        if chance.random() < 0.2:
            watch.detect()
    watch.detect()
    found: dict[str, Found] = {"loud": [], "many": []}
    for alert in watch.alerts:
        if alert.rule_id in found:
            found[alert.rule_id].append((alert.group.get("user.name", "").lower(), tuple(alert.events)))
    (many,) = watch.rules.correlations
    assert sorted(found["loud"]) == of_rule(events, 20 * MINUTE)
    assert sorted(found["many"]) == of_correlation(many, events, 30 * MINUTE)
    assert all(found.values())
