"""Passes over the store: what they judge, and the alerts that signals come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from watched import HOUR, MINUTE, RULE, SECOND, Overtaken, Watch, written

from siem.detect.alerts import alert_id
from siem.detect.passes import TOGETHER, again, detect
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.sigma import RuleSet
from siem.store.contract import Alert
from siem.testing.deliveries import NOW, START, TRAIL, delivery, put, reject, trail


def test_an_alert_says_what_was_found(watch: Watch) -> None:
    watch.login("one", "a", "b")
    assert watch.detect() == {watch.alert.id}
    group = {"cloud.account.id": "111122223333", "user.name": "ann"}
    assert watch.alert == Alert(
        id=alert_id("login", group, START, "a"),
        rule_id="login",
        title="A console login",
        level="high",
        tags=("attack.initial-access",),
        group=group,
        first=START,
        last=START + SECOND,
        count=2,
        events=("a", "b"),
        values={
            "cloud.account.id": ("111122223333",),
            "user.name": ("ann",),
            "event.action": ("ConsoleLogin",),
        },
    )


def test_a_second_pass_adds_nothing(watch: Watch) -> None:
    watch.login("one", "a", "b")
    watch.detect()
    before = watch.alerts
    assert watch.detect() == set()
    assert watch.alerts == before
    assert watch.waiting == []


def test_judging_again_adds_nothing(watch: Watch) -> None:
    watch.login("one", "a", "b")
    watch.detect()
    before = watch.alerts
    assert again(watch.store, watch.rules, watch.sources, None, None).alerts == set()
    assert watch.alerts == before


def test_an_object_without_matches_is_marked_too(watch: Watch) -> None:
    watch.login("one", "a", action="ListBuckets")
    watch.detect()
    assert (watch.alerts, watch.waiting) == ([], [])


def test_an_event_that_came_twice_is_one_match(watch: Watch) -> None:
    watch.login("one", "a")
    watch.login("two", "a")
    watch.detect()
    assert watch.alert.count == 1


def test_an_event_that_is_stored_at_two_times_is_two_matches_in_any_order(
    tmp_path: Path, rules: RuleSet, registry: Registry
) -> None:
    outcomes = []
    for order in ((0, 1), (1, 0)):
        watch = Watch(tmp_path / str(order), rules, registry)
        for at in order:
            watch.login(str(at), "a", start=START + at * MINUTE)
            watch.detect()
        outcomes.append(watch.alert)
        watch.store.close()
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].count == 2


@pytest.mark.slow
def test_the_order_of_objects_does_not_matter(tmp_path: Path, rules: RuleSet, registry: Registry) -> None:
    """Late objects, objects that join episodes, and objects that share events: each after a pass of its own."""
    objects: dict[str, dict[str, Any]] = {
        "morning": {"ids": ("a", "b"), "start": START},
        "between": {"ids": ("c",), "start": START + 50 * MINUTE},
        "noon": {"ids": ("d", "e"), "start": START + 100 * MINUTE},
        "evening": {"ids": ("f",), "start": START + 9 * HOUR},
        "morning again": {"ids": ("a", "b", "late"), "start": START},
    }
    outcomes = []
    for number, order in enumerate(permutations(objects)):
        if number % 17:  # 8 of the 120 orders
            continue
        watch = Watch(tmp_path / str(number), rules, registry)
        for name in order:
            watch.login(name, *objects[name]["ids"], start=objects[name]["start"])
            watch.detect()
        outcomes.append(watch.alerts)
        watch.store.close()
    together = Watch(tmp_path / "together", rules, registry)
    for name, of in objects.items():
        together.login(name, *of["ids"], start=of["start"])
    together.detect()
    assert [alert.count for alert in together.alerts] == [1, 6]
    assert all(outcome == together.alerts for outcome in outcomes)
    together.store.close()


def test_alerts_are_of_one_group_each(watch: Watch) -> None:
    watch.login("one", "a", user="ann")
    watch.login("two", "b", user="bob")
    watch.detect()
    assert sorted(alert.group["user.name"] for alert in watch.alerts) == ["ann", "bob"]


@pytest.mark.parametrize(("gap", "counts"), [(HOUR, [2]), (HOUR + SECOND, [1, 1])])
def test_an_episode_goes_on_within_an_hour(watch: Watch, gap: timedelta, counts: list[int]) -> None:
    watch.login("one", "a")
    watch.login("two", "b", start=START + gap)
    watch.detect()
    assert [alert.count for alert in watch.alerts] == counts


def test_an_episode_is_cut_after_a_day(watch: Watch) -> None:
    for number in range(60):
        watch.login(f"object {number}", f"e{number:02}", start=START + number * 30 * MINUTE)
    watch.detect()
    second, first = watch.alerts
    assert (first.first, first.last, first.count) == (START, START + 24 * HOUR, 49)
    assert (second.first, second.count) == (START + 24 * HOUR + 30 * MINUTE, 11)


def test_an_alert_that_grows_forwards_stays_the_same(watch: Watch) -> None:
    watch.login("one", "a")
    watch.detect()
    (before,) = watch.alerts
    watch.login("two", "b", start=START + MINUTE)
    assert watch.detect() == {before.id}
    assert watch.alert == replace(before, last=START + MINUTE, count=2, events=("a", "b"))


def test_an_alert_that_grows_forwards_keeps_its_state(watch: Watch) -> None:
    watch.login("one", "a")
    watch.detect()
    watch.close(watch.alert)
    watch.login("two", "b", start=START + MINUTE)
    watch.detect()
    assert (watch.alert.state, watch.alert.count) == ("closed", 2)


def test_a_late_event_extends_an_episode_backwards(watch: Watch) -> None:
    watch.login("one", "b", start=START)
    watch.detect()
    gone = watch.alert.id
    watch.login("late", "a", start=START - MINUTE)
    watch.detect()
    assert (watch.alert.first, watch.alert.count, watch.alert.events) == (START - MINUTE, 2, ("a", "b"))
    assert watch.alert.id == alert_id("login", watch.alert.group, START - MINUTE, "a") != gone


def test_a_late_event_joins_two_episodes(watch: Watch) -> None:
    watch.login("one", "a", start=START)
    watch.login("two", "c", start=START + 2 * HOUR)
    watch.detect()
    second, first = watch.alerts
    watch.login("late", "b", start=START + HOUR)
    assert watch.detect() == {first.id}
    assert (watch.alert.id, watch.alert.events) == (first.id, ("a", "b", "c"))
    assert second.id not in {alert.id for alert in watch.alerts}


def test_an_alert_lists_a_thousand_events_and_counts_all(watch: Watch) -> None:
    watch.login("many", *[f"e{number:04}" for number in range(1_500)])
    watch.detect()
    assert (watch.alert.count, len(watch.alert.events)) == (1_500, 1_000)
    assert watch.alert.events[-1] == "e0999"


def test_a_rule_names_its_own_group(tmp_path: Path, registry: Registry) -> None:
    rules = written(tmp_path, RULE + "custom: {group: [cloud.account.id]}\n")
    watch = Watch(tmp_path / "store", rules, registry)
    watch.login("one", "a", user="ann")
    watch.login("two", "b", user="bob")
    watch.detect()
    assert (watch.alert.group, watch.alert.count) == ({"cloud.account.id": "111122223333"}, 2)
    watch.store.close()


def test_every_rule_has_alerts_of_its_own(tmp_path: Path, registry: Registry) -> None:
    rules = written(tmp_path, RULE, RULE.replace("name: login", "name: other"))
    watch = Watch(tmp_path / "store", rules, registry)
    watch.login("one", "a")
    watch.detect()
    assert sorted(alert.rule_id for alert in watch.alerts) == ["login", "other"]
    watch.store.close()


def test_more_objects_than_are_judged_together_give_one_alert(watch: Watch) -> None:
    objects = [delivery(f"object {number}") for number in range(TOGETHER + 30)]
    logins = [
        trail(of, f"e{number:03}", start=START + number * SECOND, more={"event.action": "ConsoleLogin"})
        for number, of in enumerate(objects)
    ]
    put(watch.store, *[(of, Parsed(TRAIL, login)) for of, login in zip(objects, logins, strict=True)])
    watch.detect()
    assert watch.alert.count == TOGETHER + 30


def test_an_event_replayed_during_a_pass_is_judged_by_the_next(watch: Watch, overtaken: Overtaken) -> None:
    of = delivery("one")
    more = {"event.action": "ConsoleLogin", "user.name": "ann"}
    put(watch.store, (of, Parsed(TRAIL, trail(of, "a", more=more), [reject(1)])))
    replayed = Parsed(TRAIL, trail(of, "b", start=START + SECOND, more=more))
    overtaken.meanwhile = lambda: watch.store.replay(list(watch.store.rejects()), replayed, NOW, "2")
    detect(overtaken, watch.rules, watch.sources)
    watch.detect()
    assert watch.alert.events == ("a", "b")


def test_passes_at_the_same_time_lose_no_signal_of_an_alert(watch: Watch, overtaken: Overtaken) -> None:
    def meanwhile() -> None:
        watch.login("two", "b", start=START + MINUTE)
        watch.detect()

    watch.login("one", "a")
    overtaken.meanwhile = meanwhile
    detect(overtaken, watch.rules, watch.sources)
    watch.detect()
    assert watch.alert.events == ("a", "b")
