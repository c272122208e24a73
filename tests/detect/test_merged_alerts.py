"""Alerts that others took over from."""

from __future__ import annotations

from dataclasses import replace

import pytest
from watched import HOUR, MINUTE, Watch

from siem.store.handling import MERGED
from siem.testing.deliveries import START


def test_an_alert_that_is_extended_backwards_passes_on_its_state(watch: Watch) -> None:
    watch.login("one", "b", start=START)
    watch.detect()
    old = watch.close(watch.alert)
    watch.login("late", "a", start=START - MINUTE)
    assert watch.detect() == {watch.alert.id}
    assert (watch.alert.state, watch.alert.count) == ("closed", 2)
    assert watch.merged == [replace(old, state=MERGED, merged_into=watch.alert.id)]


def test_links_lead_to_the_alert_that_survives(watch: Watch) -> None:
    for number in range(4):
        watch.login(str(number), f"e{number}", start=START - number * MINUTE)
        watch.detect()
    assert len(watch.merged) == 3
    assert {alert.merged_into for alert in watch.merged} == {watch.alert.id}


@pytest.mark.parametrize(("closed", "state"), [((), "open"), ((0,), "open"), ((1,), "open"), ((0, 1), "closed")])
def test_an_alert_that_joins_others_is_open_if_one_of_them_is(
    watch: Watch, closed: tuple[int, ...], state: str
) -> None:
    watch.login("one", "a", start=START)
    watch.login("two", "c", start=START + 2 * HOUR)
    watch.detect()
    both = watch.alerts
    for number in closed:
        watch.close(both[number])
    watch.login("late", "b", start=START + HOUR)
    watch.detect()
    assert (watch.alert.id, watch.alert.state) == (both[1].id, state)
    assert [(alert.id, alert.merged_into) for alert in watch.merged] == [(both[0].id, both[1].id)]
