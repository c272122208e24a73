"""What is amiss with rules, by what a store knows of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from watched import HOUR, Faulty, Watch

from siem.detect.health import Health, health
from siem.detect.passes import detect
from siem.store.handling import Disposition
from siem.testing.deliveries import START, TRAIL, delivery

DAY = timedelta(days=1)
FALSE, TRUE = Disposition.FALSE, Disposition.TRUE


def test_alerts_are_counted_by_how_they_were_closed_in_90_days(watch: Watch) -> None:
    for number, start in enumerate((-91 * DAY, -3 * HOUR, 0 * HOUR, 3 * HOUR)):
        watch.login(f"o{number}", f"e{number}", start=START + start)
    watch.detect()
    newest, second, *_ = watch.alerts
    watch.close(newest, FALSE)
    watch.close(second, TRUE)
    found = health(watch.store, START)
    assert found.of("login") == {"false": 1, "true": 1, "open": 1}
    assert (found.seen, found.owed) == ({TRAIL}, {})
    assert found.of("other") == {}


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({"false": 3, "true": 2, "open": 9}, ["mostly false: 3 of 5 closed alerts"]),
        ({"false": 3, "expected": 3, "open": 9}, []),
        ({"false": 4}, []),
        ({}, []),
    ],
)
def test_a_rule_is_named_where_most_of_enough_closed_alerts_were_false(
    outcomes: dict[str, int], said: list[str]
) -> None:
    assert list(Health({"login": outcomes}, frozenset((TRAIL,))).told("login", [TRAIL])) == said


def test_a_rule_whose_source_was_never_seen_is_named(watch: Watch) -> None:
    watch.login("a", "e1")
    found = health(watch.store, START)
    assert list(found.told("r", ["aws.waf", TRAIL])) == []
    assert list(found.told("r", ["aws.waf", "aws.elb"])) == ["never seen: aws.waf, aws.elb"]
    assert list(found.told("r", [])) == ["never seen: nothing answers its log source"]


def test_a_rule_that_erred_is_named_until_it_has_judged_what_it_owes(watch: Watch, faulty: Faulty) -> None:
    watch.login("bad", "e1")
    faulty.poison = frozenset((delivery("bad").source.id,))
    detect(faulty, watch.rules, watch.sources)
    assert list(health(watch.store, START).told("login", [TRAIL])) == ["erred: 1 objects are not judged yet"]
    faulty.poison = frozenset()
    detect(faulty, watch.rules, watch.sources)
    assert list(health(watch.store, START).told("login", [TRAIL])) == []
