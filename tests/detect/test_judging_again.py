"""Judging a span again: what a rule finds now replaces what it had found there."""

from __future__ import annotations

from pathlib import Path

from watched import MINUTE, OTHER, RULE, SECOND, Faulty, Watch, written

from siem.detect.passes import again
from siem.testing.deliveries import START, delivery


def test_a_changed_rule_judged_again_takes_its_alerts_back(watch: Watch, tmp_path: Path) -> None:
    watch.login("one", "a")
    watch.detect()
    changed = written(tmp_path, RULE.replace("eventName: ConsoleLogin", "eventName: DeleteTrail"))
    again(watch.store, changed, watch.sources, None, None)
    assert watch.alerts == []


def test_a_rule_that_errs_when_it_judges_again_keeps_its_alerts(watch: Watch, faulty: Faulty) -> None:
    watch.login("one", "a")
    watch.detect()
    faulty.poison = frozenset((delivery("one").source.id,))
    assert list(again(faulty, watch.rules, watch.sources, None, None).errors) == ["login"]
    assert watch.alert.events == ("a",)


def test_judging_again_replaces_the_signals_of_the_span_alone(watch: Watch, tmp_path: Path) -> None:
    watch.login("one", "a", "b", "c")
    watch.detect()
    changed = written(tmp_path, OTHER.replace("name: other", "name: login"))
    done = again(watch.store, changed, watch.sources, START + SECOND, START + 2 * SECOND)
    assert (watch.alert.events, watch.alert.count) == (("a", "c"), 2)
    assert done.alerts == {watch.alert.id}
    assert again(watch.store, watch.rules, watch.sources, START + SECOND, None).signals == 2
    assert watch.alert.events == ("a", "b", "c")


def test_a_rule_that_groups_otherwise_judged_again_leaves_no_alert_of_the_old_group(
    watch: Watch, tmp_path: Path
) -> None:
    watch.login("one", "a", user="ann")
    watch.login("two", "b", user="bob")
    watch.detect()
    changed = written(tmp_path, RULE + "custom: {group: [cloud.account.id]}\n")
    again(watch.store, changed, watch.sources, None, None)
    assert (watch.alert.group, watch.alert.events) == ({"cloud.account.id": "111122223333"}, ("a", "b"))
    assert watch.store.alerts(merged=True) == watch.alerts


def test_an_alert_that_was_merged_comes_back_when_the_late_event_is_taken_back(watch: Watch, tmp_path: Path) -> None:
    watch.login("one", "b", start=START)
    watch.detect()
    before = watch.alerts
    watch.login("late", "a", start=START - MINUTE)
    watch.detect()
    changed = written(tmp_path, OTHER.replace("name: other", "name: login"))
    again(watch.store, changed, watch.sources, None, START)
    assert watch.alerts == before
    assert [alert.merged_into for alert in watch.merged] == [before[0].id]
