"""Rules of new terms: the first event of each value of a group, once the group has learnt."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from stores import connected, prepared, removed, shipped_fields
from test_passes_as_brute_force import ACTIONS, Event, happened
from watched import HOUR, MINUTE, OTHER, RULE, Watch, written

from siem.detect.passes import again, detect
from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.sigma import RuleSet, load_rules
from siem.store.contract import Alert, Store
from siem.store.embedded import EmbeddedStore
from siem.store.opensearch.names import Names
from siem.store.opensearch.store import OpenSearchStore
from siem.testing.batches import DocumentBatch
from siem.testing.deliveries import START, TRAIL, delivery, put, trail

DAY = timedelta(days=1)
NEW = RULE + "custom: {new_terms: {field: user.name, by: cloud.account.id, learning: 2d}}\n"
ADDRESSES = RULE + "custom: {new_terms: {fields: [user.name], by: [source.address], learning: 30m}}\n"


def days(watch: Watch, *came: tuple[str, float]) -> None:
    """Logins of users, so many days after the first."""
    for user, day in came:
        watch.login(f"{user} {day}", f"{user}-{day}", user=user, start=START + day * DAY)
    watch.detect()


def named(alerts: Sequence[Alert]) -> list[tuple[str, datetime]]:
    return sorted([(alert.group["user.name"], alert.first) for alert in alerts])


def test_a_value_that_comes_when_the_group_has_learnt_is_an_alert(watching: Callable[..., Watch]) -> None:
    watch = watching(NEW)
    days(watch, ("ann", 0), ("bob", 2), ("ANN", 3), ("Carl", 3), ("carl", 4), ("bob", 5))
    (alert,) = watch.alerts
    assert alert.title == "A console login: Carl"
    assert (alert.group, alert.first, alert.last) == (
        {"cloud.account.id": "111122223333", "user.name": "Carl"},
        START + 3 * DAY,
        START + 3 * DAY,
    )
    assert (alert.count, alert.events, alert.level) == (1, ("Carl-3",), "high")


def test_the_rules_own_title_wins(watching: Callable[..., Watch]) -> None:
    title = '{title: "{user.name} came", new_terms: {field: user.name, learning: 0s}}'
    watch = watching(RULE + f"custom: {title}\n")
    days(watch, ("ann", 0), ("bob", 1))
    assert watch.alert.title == "bob came"


def test_a_late_earlier_event_moves_the_alert_and_what_was_done_stays(watching: Callable[..., Watch]) -> None:
    watch = watching(NEW)
    days(watch, ("ann", 0), ("bob", 9))
    before = watch.close(watch.alert)
    days(watch, ("bob", 5))
    assert watch.alert == replace(before, first=START + 5 * DAY, last=START + 5 * DAY, events=("bob-5",))
    days(watch, ("bob", 1))
    assert watch.alerts == []


def test_a_late_beginning_of_the_group_ends_its_learning_earlier(watching: Callable[..., Watch]) -> None:
    watch = watching(NEW)
    days(watch, ("ann", 3), ("bob", 4))
    assert watch.alerts == []
    days(watch, ("carl", 0))
    assert named(watch.alerts) == [("ann", START + 3 * DAY), ("bob", START + 4 * DAY)]


def test_an_event_may_have_several_values_and_one_without_any_is_left_out(watching: Callable[..., Watch]) -> None:
    watch = watching(RULE + "custom: {new_terms: {field: requestParameters.name, by: user.name, learning: 1d}}\n")
    watch.login("one", "a")
    for number, (user, names) in enumerate([("ann", ["x", "y"]), (None, ["z"]), ("ann", None)]):
        of = delivery(f"more {number}")
        more = {"event.action": "ConsoleLogin"} | ({"user.name": user} if user else {})
        event = dict(trail(of, f"b{number}", start=START + 2 * DAY, more=more).given[0])
        event[TRAIL] = {**event[TRAIL], "requestParameters": {"name": names}}
        put(watch.store, (of, Parsed(TRAIL, DocumentBatch(TRAIL, [event], ("requestParameters",)))))
    done = detect(watch.store, watch.rules, watch.sources)
    assert sorted([alert.group["requestParameters.name"] for alert in watch.alerts]) == ["x", "y"]
    assert done.left_out == {"login": 1}


def test_few_signals_are_kept_however_many_events_match(watching: Callable[..., Watch]) -> None:
    watch = watching(NEW)
    watch.login("many", *[f"e{number:03}" for number in range(200)])
    assert detect(watch.store, watch.rules, watch.sources).signals == 1
    watch.login("more", *[f"f{number:03}" for number in range(200)], start=START + HOUR)
    watch.detect()
    (kept,) = watch.store.signals("login", {"cloud.account.id": "111122223333"})
    assert kept.event_id == "e000"


def test_a_span_that_is_judged_again_is_judged_to_the_end(watching: Callable[..., Watch], tmp_path: Path) -> None:
    """What the rule does not match there any more may have come later too."""
    watch = watching(NEW)
    days(watch, ("ann", 0), ("bob", 4), ("bob", 5), ("carl", 6))
    without = NEW.replace("condition: selection", "other: {eventID: bob-4}\n  condition: selection and not other")
    changed = written(tmp_path, without)
    again(watch.store, changed, watch.sources, START + 4 * DAY, START + 4.5 * DAY)
    assert named(watch.alerts) == [("bob", START + 5 * DAY), ("carl", START + 6 * DAY)]


def test_a_rule_that_looks_at_another_field_learns_anew(watching: Callable[..., Watch], tmp_path: Path) -> None:
    watch = watching(NEW)
    days(watch, ("ann", 0), ("bob", 4))
    watch.rules = written(tmp_path, NEW.replace("field: user.name", "field: eventID"))
    days(watch, ("ann", 5), ("carl", 6), ("dora", 8))
    assert sorted([alert.group.get("eventID", "bob") for alert in watch.alerts]) == ["bob", "dora-8"]


def test_a_correlation_cannot_stand_on_new_terms(tmp_path: Path) -> None:
    (tmp_path / "rule0.yml").write_text(
        NEW + "---\ntitle: Many\ncorrelation: {type: event_count, rules: login, timespan: 5m, condition: {gte: 2}}\n"
    )
    (error,) = load_rules([tmp_path / "rule0.yml"]).refused
    assert error.message == "it names login, which looks for new terms: a correlation sees matches, new or not"


# Any order, any passes


def expected(events: Sequence[Event], learning: timedelta) -> list[tuple[str, str, datetime, str]]:
    seen = sorted({(one.time, one.id, one.user, one.address) for one in events if one.rule == "login"}, key=str)
    made = []
    for address in {address for *_, address in seen if address}:
        mine = [(time, id_, user.lower()) for time, id_, user, of in seen if of == address and user]
        begin = min(time for time, *_ in mine)
        for user in {user for *_, user in mine}:
            time, id_ = min((time, id_) for time, id_, of in mine if of == user)
            if time > begin + learning:
                made.append((address, user, time, id_))
    return sorted(made)


@pytest.fixture
def node(opensearch: str) -> Iterator[Store]:
    names = Names(f"terms{secrets.token_hex(4)}-")
    prepared(opensearch, names, shipped_fields())
    store = OpenSearchStore(connected(opensearch), names, shipped_fields(), lease=30)
    yield store
    store.close()
    removed(opensearch, names)


def lived(store: Store, rules: RuleSet, sources: Sources, chance: random.Random, events: list[Event]) -> None:
    """Events come in any order, some twice; there are passes, and spans are judged again, at any time."""
    coming = events + chance.sample(events, 4)
    chance.shuffle(coming)
    for number, event in enumerate(coming):
        of = delivery(f"o{number}")
        held = {"user.name": event.user, "source.address": event.address}
        more = {"event.action": ACTIONS[event.rule], **{name: text for name, text in held.items() if text is not None}}
        put(store, (of, Parsed(TRAIL, trail(of, event.id, start=event.time, more=more))))
        if chance.random() < 0.25:
            detect(store, rules, sources)
        if chance.random() < 0.1:
            since = START + chance.randrange(-60, 3_000) * MINUTE
            again(store, rules, sources, since, since + HOUR)
    detect(store, rules, sources)


def check(store: Store, folder: Path, registry: Registry, seed: int, most: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    names = ["ann", "Ann", "bob", "carl", "dora", "É", "é", "fay", "gus", None]
    events = [replace(event, user=chance.choice(names)) for event in happened(chance)]
    chance.shuffle(events)
    rules = written(folder, ADDRESSES, OTHER)
    lived(store, rules, Sources.of(registry), chance, events[:most])
    alerts = [one for one in store.alerts(merged=True) if one.rule_id == "login"]
    found = [(one.group["source.address"], one.group["user.name"].lower(), one.first, one.events[0]) for one in alerts]
    assert sorted(found) == expected(events[:most], 30 * MINUTE)
    assert found


@pytest.mark.parametrize("seed", [0, *[pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 12)]])
def test_what_is_new_is_a_function_of_the_events(tmp_path: Path, registry: Registry, seed: int) -> None:
    store = EmbeddedStore(tmp_path / "store")
    check(store, tmp_path, registry, seed, 30 if seed == 0 else 80)
    store.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_what_is_new_is_so_on_a_node(tmp_path: Path, registry: Registry, node: Store, seed: int) -> None:
    check(node, tmp_path, registry, seed, 30)
