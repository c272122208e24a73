"""Correlations over a store: whatever the order in which objects come, the alerts are a function of the events."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from watched import HOUR, MINUTE, OTHER, RULE, SECOND, Faulty, Watch, written

from siem.detect.passes import again, detect
from siem.sigma import RuleSet
from siem.store.contract import Alert
from siem.testing.deliveries import START, delivery

MANY = """\
title: Many logins
name: many
level: critical
correlation:
  type: event_count
  rules: login
  group-by: [user.name]
  timespan: 5m
  condition: {gte: 3}
"""
THEN = """\
title: Many logins, then the trail is gone
name: then
correlation:
  type: temporal_ordered
  rules: [many, other]
  group-by: [user.name]
  timespan: 1h
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    return written(tmp_path, RULE, MANY)


Watching = Callable[..., Watch]


def told(alert: Alert) -> tuple[object, ...]:
    return alert.rule_id, dict(alert.group), alert.first, alert.last, alert.count, tuple(alert.events)


def test_a_correlation_alerts_and_the_rule_that_it_names_does_not(watch: Watch) -> None:
    watch.login("a", "e1", "e2", "e3")
    assert watch.detect() == {watch.alert.id}
    assert told(watch.alert) == ("many", {"user.name": "ann"}, START, START + 2 * SECOND, 3, ("e1", "e2", "e3"))
    assert (watch.alert.title, watch.alert.level) == ("Many logins", "critical")


def test_a_correlation_that_generates_lets_its_rule_alert_too(watching: Watching) -> None:
    watch = watching(RULE, MANY + "  generate: true\n")
    watch.login("a", "e1", "e2", "e3")
    watch.detect()
    assert sorted(alert.rule_id for alert in watch.alerts) == ["login", "many"]


def test_too_few_are_no_alert_until_a_late_object_brings_what_is_missing(watch: Watch) -> None:
    watch.login("a", "e1", "e2")
    watch.login("b", "e3", start=START + HOUR)
    assert watch.detect() == set()
    watch.login("late", "e0", start=START - 4 * MINUTE)
    watch.detect()
    assert told(watch.alert)[2:] == (START - 4 * MINUTE, START + SECOND, 3, ("e0", "e1", "e2"))


def test_a_window_reaches_over_the_border_of_objects_and_passes(watch: Watch) -> None:
    for number in range(3):
        watch.login(f"o{number}", f"e{number}", start=START + number * timedelta(minutes=2.5))
        assert len(watch.detect()) == (number == 2)


def test_a_microsecond_outside_the_window_is_outside(watch: Watch) -> None:
    for number, start in enumerate([timedelta(0), MINUTE, 5 * MINUTE + timedelta(microseconds=1)]):
        watch.login(f"o{number}", f"e{number}", start=START + start)
    assert watch.detect() == set()


def test_users_that_differ_in_case_alone_are_one_group(watch: Watch) -> None:
    for number, user in enumerate(["Ann", "ann", "ANN"]):
        watch.login(f"o{number}", f"e{number}", start=START + number * SECOND, user=user)
    watch.detect()
    assert watch.alert.group == {"user.name": "Ann"}  # as the first of its events wrote it


def test_an_object_twice_and_a_pass_twice_change_nothing(watch: Watch) -> None:
    watch.login("a", "e1", "e2", "e3")
    watch.detect()
    before = watch.alert
    watch.login("copy", "e1", "e2", "e3")
    assert watch.detect() == set()
    assert again(watch.store, watch.rules, watch.sources, None, None).alerts == set()
    assert watch.alert == before


def test_late_events_that_join_two_episodes_leave_one_alert_with_its_state_and_a_link(watch: Watch) -> None:
    watch.login("a", "a1", "a2", "a3")
    watch.login("b", "b1", "b2", "b3", start=START + 12 * MINUTE)
    watch.detect()
    newer, older = watch.alerts
    watch.close(older)
    watch.login("late", "l1", "l2", "l3", start=START + 6 * MINUTE)
    watch.login("later", "m1", "m2", "m3", start=START + 3 * MINUTE)
    watch.login("last", "n1", "n2", "n3", start=START + 9 * MINUTE)
    watch.detect()
    assert (watch.alert.id, watch.alert.count, watch.alert.state) == (older.id, 15, "open")
    assert [(alert.id, alert.merged_into) for alert in watch.merged] == [(newer.id, older.id)]


def test_a_chain_alerts_only_at_its_end_and_shows_the_events_below(watching: Watching) -> None:
    watch = watching(RULE, OTHER, MANY, THEN)
    watch.login("b", "d", start=START + MINUTE, action="DeleteTrail")
    watch.login("c", "x", start=START - HOUR, action="DeleteTrail")
    watch.detect()
    assert watch.alerts == []
    watch.login("a", "e1", "e2", "e3")
    watch.detect()
    assert told(watch.alert) == ("then", {"user.name": "ann"}, START, START + MINUTE, 4, ("e1", "e2", "e3", "d"))


def test_episodes_of_a_chain_that_stand_on_one_episode_below_are_alerts_each(watching: Watching) -> None:
    """Logins every two minutes are one episode; the trail is deleted twice meanwhile, long enough apart."""
    watch = watching(RULE, OTHER, MANY, THEN.replace("1h", "5m"))
    for minute in range(0, 31, 2):
        watch.login(f"a{minute}", f"e{minute:02}", start=START + minute * MINUTE)
    for minute in (11, 21):
        watch.login(f"d{minute}", f"d{minute}", start=START + minute * MINUTE, action="DeleteTrail")
    watch.detect()
    second, first = watch.alerts
    assert first.events == ("e00", "e02", "e04", "e06", "e08", "e10", "d11")
    assert second.events == (*[f"e{minute:02}" for minute in range(0, 21, 2)], "d21")
    assert (first.first, first.last) == (START, START + 11 * MINUTE)
    assert (second.first, second.last) == (START + 16 * MINUTE, START + 21 * MINUTE)
    watch.close(second)
    watch.login("late", "e32", start=START + 32 * MINUTE)
    watch.detect()
    assert [(alert.id, alert.state) for alert in watch.alerts] == [(second.id, "closed"), (first.id, "open")]
    assert watch.merged == []


def test_a_chain_over_one_id_that_comes_at_two_times_has_its_event(watching: Watching) -> None:
    watch = watching(
        RULE, MANY.replace("gte: 3", "gte: 1"), THEN.replace("[many, other]", "many").replace("_ordered", "")
    )
    watch.login("a", "e1")
    watch.login("b", "e1", start=START + 3 * HOUR)
    watch.detect()
    assert [alert.events for alert in watch.alerts] == [("e1",)] * 2


@pytest.mark.slow
def test_any_order_of_objects_gives_the_same_alerts(watching: Watching) -> None:
    chance = random.Random(7)  # noqa: S311
    objects = [
        (f"o{number}", f"e{number}", START + chance.randrange(3600) * SECOND, chance.choice(["ann", "bob"]),
         chance.choice(["ConsoleLogin", "ConsoleLogin", "ConsoleLogin", "DeleteTrail"]))
        for number in range(60)
    ]  # fmt: skip
    outcomes = []
    for order in range(4):
        watch = watching(RULE, OTHER, MANY + "  generate: true\n", THEN)
        for number, (key, event, start, user, action) in enumerate(objects):
            watch.login(key, event, start=start, user=user, action=action)
            if order and number % 7 == 0:
                watch.detect()
        watch.detect()
        outcomes.append(sorted((alert.id, *told(alert)) for alert in watch.alerts))
        chance.shuffle(objects)
    assert {alert[1] for alert in outcomes[0]} == {"login", "then"}
    assert outcomes[1:] == outcomes[:1] * 3


def test_what_a_rule_erred_on_is_owed_and_the_correlation_gets_it_later(watch: Watch, faulty: Faulty) -> None:
    watch.login("bad", "e1")
    watch.login("good", "e2", "e3", start=START + SECOND)
    faulty.poison = frozenset((delivery("bad").source.id,))
    for left in (2, 1):
        done = detect(faulty, watch.rules, watch.sources)
        assert (done.owed, done.alerts) == ({"login": left}, set())
    faulty.poison = frozenset()
    assert len(detect(faulty, watch.rules, watch.sources).alerts) == 1


def test_a_correlation_that_is_new_to_the_store_judges_what_its_rules_judged_before(
    watch: Watch, watching: Watching, tmp_path: Path
) -> None:
    watch.login("a", "e1", "e2", "e3")
    detect(watch.store, RuleSet(watch.rules.rules), watch.sources)
    assert [alert.rule_id for alert in watch.alerts] == ["login"]
    assert len(detect(watch.store, watch.rules, watch.sources).alerts) == 1
    assert {alert.rule_id for alert in watch.alerts} == {"login", "many"}


def test_a_correlation_that_is_new_among_all_rules_begins_with_what_comes(watch: Watch) -> None:
    watch.login("a", "e1", "e2", "e3")
    detect(watch.store, RuleSet(watch.rules.rules), watch.sources, everything=True)
    assert detect(watch.store, watch.rules, watch.sources, everything=True).alerts == set()
    watch.login("b", "f1", "f2", "f3", start=START + HOUR)
    detect(watch.store, watch.rules, watch.sources, everything=True)
    assert [alert.events for alert in watch.alerts if alert.rule_id == "many"] == [("f1", "f2", "f3")]


def test_judging_again_takes_back_what_a_changed_rule_finds_no_more(watch: Watch, tmp_path: Path) -> None:
    watch.login("a", "e1", "e2", "e3")
    watch.detect()
    changed = written(tmp_path, RULE.replace("ConsoleLogin", "Nothing"), MANY)
    again(watch.store, changed, watch.sources, None, None)
    assert watch.alerts == []
    again(watch.store, watch.rules, watch.sources, None, None)
    assert watch.alert.count == 3


def test_an_event_without_a_value_to_group_by_is_in_no_group_and_counted(watch: Watch) -> None:
    watch.login("a", "e1", "e2", "e3", user=None)
    watch.login("b", "f1", "f2", "f3", start=START + HOUR)
    done = detect(watch.store, watch.rules, watch.sources)
    assert (watch.alert.group, done.left_out) == ({"user.name": "ann"}, {"many": 3})


def test_an_empty_text_is_a_value_to_group_by(watch: Watch) -> None:
    watch.login("a", "e1", "e2", "e3", user="")
    watch.detect()
    assert watch.alert.group == {"user.name": ""}
