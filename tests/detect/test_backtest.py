"""A backtest tells the alerts that passes leave, whatever the objects, the passes between them, and the span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from agreeing import both
from brute_force_chains import Event
from chained import chain, happened, loaded, named, parameters
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from watched import HOUR, MINUTE, RULE, Faulty, Watch, written

from siem.detect.backtest import backtest
from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.parsing.batch import Parsed, text_of
from siem.run.content import load_registry
from siem.schema import Query
from siem.sigma import RuleSet
from siem.store.contract import Alert, Hit, Store
from siem.store.embedded import EmbeddedStore
from siem.store.handling import MERGED, OPEN
from siem.testing.batches import DocumentBatch
from siem.testing.deliveries import START, TRAIL, delivery, put

MICROSECOND = timedelta(microseconds=1)
DAY = 24 * HOUR


class Looking(EmbeddedStore):
    """A store that notes from when on it was searched for logins."""

    asked: list[datetime | None]

    def search(
        self, queries: Sequence[Query], objects: Sequence[str] | None = None, *more: Any, **options: Any
    ) -> Iterator[Hit]:
        self.asked.append(more[0])
        return super().search(queries, objects, *more, **options)


LOUD = named("d") | {"detection": {"selection": {"eventSource": "busy"}, "condition": "selection"}}
"""Matches every event: its episodes go on for days."""


def told(alerts: Sequence[Alert], since: datetime, until: datetime) -> list[Alert]:
    """The alerts that begin in a span, without what people and earlier passes did."""
    mine = [one for one in alerts if one.state != MERGED and since <= one.first < until]
    return sorted([replace(one, state=OPEN) for one in mine], key=lambda one: one.id)


def busy(chance: Random) -> list[Event]:
    """Events an hour apart or a little more, for some days: episodes are cut, and gaps are just none."""
    time, made = START, []
    for number in range(chance.randint(30, 60)):
        time += chance.choice([50 * MINUTE, HOUR, HOUR, HOUR + MICROSECOND * (chance.random() < 0.2)])
        held = {"requestParameters.u": (chance.choice(["ann", "Ann"]),), "requestParameters.v": ("bob",)}
        made.append(Event(f"b{number:03}", time, frozenset(chance.sample("abc", chance.choice([1, 2]))), held))
    return made


def arrive(store: Store, key: str, events: Sequence[Event]) -> None:
    of = delivery(key)
    documents = [
        {
            "@timestamp": text_of(event.time),
            "event.id": event.id,
            "event.dataset": TRAIL,
            "event.provider": "busy",
            "user.name": "".join(event.values.get("requestParameters.u", ("ann",))),
            "siem.object": of.source.id,
            TRAIL: {"eventID": event.id, "requestParameters": parameters(event)},
        }
        for event in events
    ]
    put(store, (of, Parsed(TRAIL, DocumentBatch(TRAIL, documents, ["requestParameters"]))))


def deliver(stores: Sequence[Store], rules: RuleSet, sources: Sources, events: list[Event], chance: Random) -> None:
    """The events, in objects of some each, in any order, with passes between them; one object comes twice."""
    left = chance.sample(events, len(events))
    number = 0
    while left:
        taken, left = left[: (size := chance.randint(1, 8))], left[size:]
        passes = chance.random() < 0.3
        for store in stores:
            arrive(store, f"o{number}", taken)
            if passes:
                detect(store, rules, sources)
        number += 1
    for store in stores:
        detect(store, rules, sources)


def spans(chance: Random, alerts: Sequence[Alert], events: Sequence[Event]) -> list[tuple[datetime, datetime]]:
    """Everything, and spans that begin and end where alerts or events do, or beside."""
    first, last = min(one.time for one in events), max(one.time for one in events)
    edges = [*[one.first for one in alerts], *[event.time for event in events]]
    ends = [chance.choice(edges) + MICROSECOND * chance.choice([-1, 0, 0, 1]) for _ in range(8)]
    some = [(min(pair), max(pair)) for pair in zip(ends[::2], ends[1::2], strict=True)]
    return [(first, last + MICROSECOND), *some, (ends[0], last + DAY)]


def more(name: str, custom: dict[str, Any]) -> dict[str, Any]:
    """A rule that matches every event, and says of itself when it alerts."""
    return LOUD | {"title": name, "name": name, "custom": custom}


def world(chance: Random) -> tuple[RuleSet, list[Event]]:
    documents = [*chain(chance), LOUD]
    for one in documents:
        if "correlation" in one and chance.random() < 0.3:
            one["custom"]["suppress"] = {"for": chance.choice(["10m", "3h", "2d"])}
    field, other = chance.sample(["requestParameters.u", "requestParameters.v"], 2)
    documents.append(more("suppressed", {"suppress": {"by": [field], "for": chance.choice(["50m", "30h"])}}))
    terms = {"field": field, "by": [other], "learning": chance.choice(["0s", "1h", "1d"])}
    documents.append(more("terms", {"new_terms": terms}))
    with TemporaryDirectory() as folder:
        rules = loaded(Path(folder), documents)
    return rules, busy(chance) if chance.random() < 0.5 else happened(chance, chance.randint(1, 40))


@pytest.mark.slow
@examples(60)
@given(seed=st.integers(0, 2**32))
def test_a_backtest_is_what_the_days_raised(seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    rules, events = world(chance)
    sources = Sources.of(load_registry()[0])
    with TemporaryDirectory() as folder:
        store = EmbeddedStore(Path(folder))
        deliver([store], rules, sources, events, chance)
        alerts = store.alerts(merged=True)
        for since, until in spans(chance, alerts, events):
            found = backtest(store, rules, sources, since, until, back=chance.choice([MICROSECOND, HOUR, DAY]))
            assert told(found.alerts, since, until) == told(alerts, since, until)
            assert len(found.alerts) == len(told(alerts, since, until))
        assert store.alerts(merged=True) == alerts
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [13, 51])
def test_a_backtest_is_the_same_on_a_node(opensearch: str, tmp_path: Path, seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    rules, events = world(chance)
    sources = Sources.of(load_registry()[0])
    with both(opensearch, tmp_path / "store") as stores:
        deliver(list(stores), rules, sources, events, chance)
        alerts = stores.tell(lambda store: store.alerts())
        for since, until in spans(chance, alerts, events):
            found = stores.tell(lambda store, span=(since, until): backtest(store, rules, sources, *span))  # type: ignore[misc]
            assert told(found.alerts, since, until) == told(alerts, since, until)


def test_it_looks_back_to_where_an_episode_began_and_on_to_where_it_ends(watch: Watch) -> None:
    """Logins every hour for ten days: they are cut every 25 events, counted from the first."""
    for number in range(240):
        watch.login(f"o{number}", f"e{number:03}", start=START + number * HOUR)
    watch.detect()
    since, until = START + 7 * DAY, START + 8 * DAY
    expected = [alert for alert in watch.alerts if since <= alert.first < until]
    found = backtest(watch.store, watch.rules, watch.sources, since, until, back=HOUR)
    assert [(one.id, one.count) for one in found.alerts] == [(one.id, 25) for one in expected]
    assert [one.first for one in found.alerts] == [START + 175 * HOUR]


def test_it_looks_back_no_further_than_a_gap(watch: Watch) -> None:
    for number in (0, 1, 48, 49, 50):
        watch.login(f"o{number}", f"e{number:03}", start=START + number * HOUR)
    asked: list[datetime | None] = []
    looking = Looking(watch.folder)
    looking.asked = asked
    found = backtest(looking, watch.rules, watch.sources, START + 50 * HOUR, START + 60 * HOUR, back=HOUR)
    looking.close()
    assert found.alerts == []  # the event at 50 is of the alert that began at 48
    assert asked == [START + 49 * HOUR, START + 48 * HOUR, START + 46 * HOUR]


def test_nothing_is_written_and_what_people_did_is_not_looked_at(watch: Watch) -> None:
    watch.login("a", "e1", "e2")
    watch.detect()
    watch.close(watch.alert)
    before = (watch.alerts, watch.store.progress(), watch.store.actions())
    (found,) = backtest(watch.store, watch.rules, watch.sources, START, START + HOUR).alerts
    assert replace(found, state="closed") == replace(watch.alert, disposition=None, author=None, note="", changed=None)
    assert (watch.alerts, watch.store.progress(), watch.store.actions()) == before


def test_a_rule_that_errs_is_told_with_what_stands_on_it_and_disturbs_no_other(tmp_path: Path, watch: Watch) -> None:
    rules = written(tmp_path, RULE, RULE.replace("login", "deleted").replace("ConsoleLogin", "DeleteTrail"))
    watch.login("a", "e1")
    watch.login("b", "e2", action="DeleteTrail")
    faulty = Faulty(watch.folder)
    faulty.poison = frozenset((delivery("a").source.id,))
    found = backtest(faulty, rules, watch.sources, START, START + HOUR)
    faulty.close()
    assert [alert.rule_id for alert in found.alerts] == ["deleted"]
    assert found.errors == {"login": "this object cannot be searched"}


def test_a_rule_that_matches_too_much_to_hold_is_left_out_and_told(tmp_path: Path, watch: Watch) -> None:
    rules = written(tmp_path, RULE, RULE.replace("login", "deleted").replace("ConsoleLogin", "DeleteTrail"))
    watch.login("a", *[f"e{number:02}" for number in range(20)])
    watch.login("b", "d1", "d2", action="DeleteTrail")
    found = backtest(watch.store, rules, watch.sources, START, START + HOUR, most=10)
    assert [(alert.rule_id, alert.count) for alert in found.alerts] == [("deleted", 2)]
    assert "look at a shorter span" in found.errors["login"]


@pytest.mark.parametrize("since", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC) - HOUR])
def test_the_first_and_the_last_times_that_there_are(watch: Watch, since: datetime) -> None:
    watch.login("a", "e1", "e2")
    found = backtest(watch.store, watch.rules, watch.sources, since, datetime.max.replace(tzinfo=UTC))
    assert [alert.count for alert in found.alerts] == ([2] if since < START else [])


@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8)]])
def test_alerts_that_suppress_and_new_terms_are_those_of_passes(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)  # noqa: S311
    new = RULE.replace("name: login", "name: new") + "custom: {new_terms: {field: user.name, learning: 2d}}\n"
    held = RULE + "custom: {suppress: {by: [cloud.account.id], for: 3d}}\n"
    watch = Watch(tmp_path / "store", written(tmp_path, new, held), load_registry()[0])
    for number in range(30):
        start = START + chance.randrange(500) * HOUR
        watch.login(f"o{number}", f"e{number}", start=start, user=chance.choice("abcdefghij"))
    watch.detect()
    since = START + chance.randrange(100, 300) * HOUR
    until = since + chance.randrange(20, 200) * HOUR
    found = backtest(watch.store, watch.rules, watch.sources, since, until).alerts
    assert told(found, since, until) == told(watch.alerts, since, until)
    watch.store.close()


def test_of_silence_nothing_is_said_and_that_is_told(tmp_path: Path) -> None:
    quiet = "title: Q\nname: q\nlogsource: {product: aws}\ncustom: {silence: {of: dataset, for: 2h}}\n"
    watch = Watch(tmp_path / "store", written(tmp_path, quiet), load_registry()[0])
    watch.login("one", "a")
    done = backtest(watch.store, watch.rules, watch.sources, START, START + HOUR)
    assert done.errors == {"q": "is about who sends, and no stored event says that"}
    watch.store.close()
