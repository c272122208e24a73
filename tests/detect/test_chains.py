"""Chains of correlations tell what brute force tells: in a hunt, and as alerts of a store, in whatever order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from brute_force_chains import Chains, Event, Told
from chained import chain, happened, loaded, named, parameters
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from watched import SECOND, Watch

from siem.detect.correlated import Episode
from siem.detect.hunting import Finding, Hunt, Match, Record
from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.parsing.batch import Parsed, text_of
from siem.sigma import Correlation, RuleSet
from siem.store.contract import Alert
from siem.testing.batches import DocumentBatch
from siem.testing.deliveries import START, TRAIL, delivery, put


def told(one: Episode | Alert, rule: Correlation) -> Told:
    """What an alert says; it counts what it lists, as there are so few."""
    assert one.count == len(one.events)
    group = tuple([one.group[name].lower() for name in rule.group_by])
    return Told(rule.key, group, one.first, one.last, tuple(one.events))


def in_order(told: Iterable[Told]) -> list[Told]:
    return sorted(told, key=lambda one: (one.rule, one.group, one.first, one.events))


def is_as_written(one: Episode | Alert, rule: Correlation, chains: Chains, events: Iterable[Event]) -> bool:
    """The group is as the first event writes it."""
    shown = tuple([one.group[name] for name in rule.group_by])
    return any(shown in chains.writings(rule.key, event) for event in events if event.id == one.events[0])


def hunted(rules: RuleSet, events: Iterable[Event]) -> dict[str, Finding]:
    hunt = Hunt(rules, Sources({}, ()))
    records = [
        Record(event.id, {"@timestamp": text_of(event.time), "requestParameters": parameters(event)})
        for event in events
    ]
    found = list(hunt.concluded(hunt.records(records)))
    matched = {(one.rule.key, one.event_id, one.timestamp) for one in found if isinstance(one, Match)}
    loud = {rule.key for rule in rules.rules} - rules.silent
    assert matched == {(rule, one.id, text_of(one.time)) for one in events for rule in one.rules & loud}
    return {one.key: one for one in found if isinstance(one, Finding)}


@examples(400)
@given(seed=st.integers(0, 2**32))
def test_a_hunt_tells_what_brute_force_tells(seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    with TemporaryDirectory() as folder:
        rules = loaded(Path(folder), chain(chance))
    events = happened(chance, chance.randint(1, 40))
    chains = Chains(rules.correlations, events)
    found = hunted(rules, events)
    assert found.keys() == {one.key for one in rules.correlations} - rules.silent
    for rule in [one for one in rules.correlations if one.key in found]:
        mine = found[rule.key]
        assert in_order(told(one, rule) for one in mine.episodes) == in_order(chains.told(rule.key))
        assert all(is_as_written(one, rule, chains, events) for one in mine.episodes)
        assert mine.left_out == len(chains.without(rule.key))
    chance.shuffle(events)
    assert hunted(rules, events) == found


def test_a_chain_counts_all_events_of_an_episode_below_and_lists_a_thousand(tmp_path: Path) -> None:
    many = {"type": "event_count", "rules": "a", "timespan": "1h", "condition": {"gte": 3}}
    rules = loaded(
        tmp_path,
        [
            named("a"),
            {"title": "m", "name": "m", "correlation": many},
            {"title": "n", "name": "n", "correlation": {**many, "rules": "m", "condition": {"gte": 1}}},
        ],
    )
    events = [Event(f"{number:04}", START + number * SECOND, frozenset(("a",)), {}) for number in range(1_500)]
    (episode,) = hunted(rules, events)["n"].episodes
    assert (episode.count, len(episode.events)) == (1_500, 1_000)


def arrives(watch: Watch, key: str, event: Event) -> None:
    """An object with one event."""
    of = delivery(key)
    held = {"eventID": event.id, "requestParameters": parameters(event)}
    document = {"@timestamp": text_of(event.time), "event.id": event.id, "event.dataset": TRAIL, TRAIL: held}
    put(
        watch.store,
        (of, Parsed(TRAIL, DocumentBatch(TRAIL, [{**document, "siem.object": of.source.id}], ["requestParameters"]))),
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(16))
def test_alerts_are_those_of_brute_force_whatever_the_objects_and_passes(
    tmp_path: Path, registry: Registry, seed: int
) -> None:
    chance = Random(seed)  # noqa: S311
    watch = Watch(tmp_path / "store", loaded(tmp_path, chain(chance)), registry)
    events = happened(chance, 40)
    chains = Chains(watch.rules.correlations, events)
    for number, event in enumerate(events + chance.sample(events, 5)):  # an event comes twice, in another object
        arrives(watch, f"o{number}", event)
        if chance.random() < 0.3:
            watch.detect()
    watch.detect()
    for rule in [one for one in watch.rules.correlations if one.key not in watch.rules.silent]:
        mine = [alert for alert in watch.alerts if alert.rule_id == rule.key]
        assert in_order(told(one, rule) for one in mine) == in_order(chains.told(rule.key))
        assert all(is_as_written(one, rule, chains, events) for one in mine)
        for event in events:
            for group in chains.groups(rule.key, event):
                signals = watch.store.signals(rule.key, dict(zip(rule.group_by, group, strict=True)))
                assert (event.id, event.time) in {(one.event_id, one.timestamp) for one in signals}
    loud = {rule.key for rule in watch.rules.rules} - watch.rules.silent
    assert {alert.rule_id for alert in watch.alerts} - {one.key for one in watch.rules.correlations} <= loud
