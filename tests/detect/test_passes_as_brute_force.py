"""Whatever the objects and the passes between them, the alerts are what brute force finds in the events."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import brute_force
import pytest
from watched import OTHER, RULE, Watch, written

from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.sigma import Correlation
from siem.testing.deliveries import START, TRAIL, delivery, put, trail

STEP = timedelta(minutes=2.5)
"""Between times: two of them are the span of most correlations, so windows end on events."""

CORRELATION = "title: {0}\nname: {0}\ncorrelation: {{{1}}}\n"
CORRELATIONS = {
    "many": "type: event_count, rules: login, group-by: user.name, timespan: 5m, condition: {gte: 3}",
    "few": "type: event_count, rules: [login, other], timespan: 150s, condition: {lte: 2, neq: 1}",
    "apart": "type: value_count, rules: login, group-by: user.name, timespan: 5m,"
    " condition: {field: source.address, gte: 2}",
    "both": "type: temporal, rules: [login, other], group-by: user.name, timespan: 5m",
    "words": "type: temporal, group-by: user.name, timespan: 5m, condition: login and not other",
    "order": "type: temporal_ordered, rules: [login, other], group-by: user.name, timespan: 5m",
    "ties": "type: temporal_ordered, rules: [other, login], group-by: user.name, timespan: 5m",
}
ACTIONS = {"login": "ConsoleLogin", "other": "DeleteTrail"}


@dataclass(frozen=True)
class Event:
    id: str
    time: datetime
    rule: str
    user: str | None
    address: str | None

    def in_object(self, watch: Watch, key: str) -> None:
        of = delivery(key)
        held = {"user.name": self.user, "source.address": self.address}
        more = {"event.action": ACTIONS[self.rule], **{name: text for name, text in held.items() if text is not None}}
        put(watch.store, (of, Parsed(TRAIL, trail(of, self.id, start=self.time, more=more))))

    def part(self, correlation: Correlation) -> brute_force.Part | None:
        """None: it is of none of the rules, or in no group."""
        if self.rule not in correlation.rules or (correlation.group_by and self.user is None):
            return None
        group = (self.user or "").lower() if correlation.group_by else ""
        return brute_force.Part(correlation.rules.index(self.rule), group, self.time, self.id, self.address)


def happened(chance: random.Random) -> list[Event]:
    """Events, many of them at the same time, over more than a day."""
    times = [START + STEP * (chance.randrange(24) + 600 * chance.randrange(3)) for _ in range(80)]
    return [
        Event(
            f"e{chance.randrange(10**6):06}-{number}",
            time,
            chance.choice(["login", "login", "other"]),
            chance.choice(["ann", "Ann", "bob", None]),
            chance.choice(["192.0.2.1", "192.0.2.2", None]),
        )
        for number, time in enumerate(times)
    ]


def expected(correlation: Correlation, events: list[Event]) -> list[tuple[object, ...]]:
    parts = [part for event in events if (part := event.part(correlation)) is not None]
    return sorted(
        (correlation.key, one.group, one.first, one.last, one.events) for one in brute_force.found(correlation, parts)
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_alerts_are_those_of_brute_force(tmp_path: Path, registry: Registry, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    texts = [CORRELATION.format(name, body) for name, body in CORRELATIONS.items()]
    texts = [text + "custom: {ties: true}\n" * ("name: ties" in text) for text in texts]
    watch = Watch(tmp_path / "store", written(tmp_path, RULE, OTHER, *texts), registry)
    events = happened(chance)
    for number, event in enumerate(events + chance.sample(events, 5)):  # an event comes twice, in another object
        event.in_object(watch, f"o{number}")
        if chance.random() < 0.3:
            watch.detect()
    watch.detect()
    found: dict[str, list[tuple[object, ...]]] = {name: [] for name in CORRELATIONS}
    for alert in watch.alerts:
        group = alert.group.get("user.name", "").lower()
        found[alert.rule_id].append((alert.rule_id, group, alert.first, alert.last, tuple(alert.events)))
    for correlation in watch.rules.correlations:
        assert sorted(found[correlation.key]) == expected(correlation, events)
    assert all(found.values()), "each of them shall find something"
