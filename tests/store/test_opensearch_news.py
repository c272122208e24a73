"""News on OpenSearch, which has no transaction: commits that end early, are taken over, or are overtaken lose none."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from stores import connected, emptied, prepared, removed, shipped_fields

from siem.errors import Unavailable
from siem.parsing.batch import Parsed
from siem.present.notify import Notify, Words
from siem.present.notify.reading import channel
from siem.present.notify.team import Route
from siem.run.notifying.sender import make
from siem.store.contract import Again, Alert, Judged
from siem.store.embedded import EmbeddedStore
from siem.store.opensearch import OpenSearchStore, news
from siem.store.opensearch.names import Names
from siem.store.outbox import Notice, Outcome
from siem.testing.deliveries import NOW, TRAIL, delivery, put, trail
from siem.testing.judging_contract import ALERT, SIGNAL, Settled
from siem.testing.outbox_contract import SEEN, told

pytestmark = pytest.mark.slow

STEPS = ("noted", "signals", "news", "alerts", "owed")


class Crash(BaseException):
    """As if the process had ended."""


@pytest.fixture(scope="module")
def names(opensearch: str) -> Iterator[Names]:
    names = Names(f"news{secrets.token_hex(4)}-")
    prepared(opensearch, names, shipped_fields())
    yield names
    removed(opensearch, names)


@pytest.fixture
def opened(opensearch: str, names: Names) -> Iterator[Callable[..., OpenSearchStore]]:
    emptied(opensearch, names)
    stores: list[OpenSearchStore] = []

    def one(**steps: Callable[[], None]) -> OpenSearchStore:
        def step(name: str) -> None:
            if name in steps:
                steps.pop(name)()

        stores.append(OpenSearchStore(connected(opensearch), names, shipped_fields(), lease=1, step=step))
        return stores[-1]

    yield one
    for store in stores:
        store.close()


def crash() -> None:
    raise Crash


def as_they_stand(rule: str, signals: Sequence[object], standing: Sequence[Alert]) -> Sequence[Alert]:
    return standing or [ALERT]


@pytest.mark.parametrize("step", STEPS)
def test_a_commit_that_ends_early_has_no_news_until_it_is_made_again(
    step: str, opened: Callable[..., OpenSearchStore]
) -> None:
    other = opened()
    with pytest.raises(Crash):
        opened(**{step: crash}).mark(Judged([SIGNAL]), as_they_stand)
    assert other.news(9) == []
    other.mark(Judged([SIGNAL]), as_they_stand)
    assert told(other) == ["1"]
    assert other.alerts() == [ALERT]


@pytest.mark.parametrize("step", STEPS[1:4])
def test_a_commit_that_ends_early_is_left_to_who_knows_its_rules(
    step: str, opened: Callable[..., OpenSearchStore]
) -> None:
    """A pass of other rules comes between: it settles what it knows, and leaves the rest to a pass that knows it."""
    other, one = opened(), delivery("one")
    put(other, (one, Parsed(TRAIL, trail(one, "e1"))))
    other.mark(Judged([replace(SIGNAL, object=one.source.id)]), as_they_stand)
    taken_back = Judged(again=Again(SIGNAL.rule_id, [TRAIL], None, None, other.progress().turn))
    with pytest.raises(Crash):
        opened(**{step: crash}).mark(taken_back, lambda *given: [])
    other.mark(Judged([replace(SIGNAL, rule_id="other")]), lambda rule, *given: [] if rule == "other" else None)
    other.mark(Judged(), lambda *given: [])
    assert other.alerts() == []
    settled = Settled()
    other.mark(Judged(), settled)
    assert settled.asked == []


@pytest.mark.parametrize("step", STEPS)
def test_what_an_action_ended_between_does_not_make_them_get_lost(
    step: str, opened: Callable[..., OpenSearchStore]
) -> None:
    other = opened()
    other.mark(Judged([SIGNAL]), as_they_stand)
    other.post([], other.news(9))
    grown = replace(ALERT, count=2)
    with pytest.raises(Crash):
        opened(**{step: crash}).mark(Judged([replace(SIGNAL, event_id="e2")]), Settled(grown))
    other.act([replace(SEEN, alert="unknown")])  # a commit of another, which ends
    other.post([], other.news(9))
    other.mark(Judged([replace(SIGNAL, event_id="e2")]), Settled(grown))
    assert told(other) == ["1"]


@pytest.mark.parametrize("step", ["acting", "logged", "told", "handled"])
def test_an_action_that_ends_early_has_its_news_when_it_is_carried_out(
    step: str, opened: Callable[..., OpenSearchStore]
) -> None:
    other = opened()
    other.mark(Judged([SIGNAL]), as_they_stand)
    other.post([], other.news(9))
    with pytest.raises(Crash):
        opened(**{step: crash}).act([SEEN])
    assert other.news(9) == []
    other.mark(Judged(), as_they_stand)  # whoever comes next carries it out
    assert told(other) == ["1"]
    (alert,) = other.alerts()
    assert alert.state == "acknowledged"


def test_news_that_are_cleared_while_a_commit_writes_newer_ones_do_not_disturb_it(
    opened: Callable[..., OpenSearchStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = opened()
    other.mark(Judged([SIGNAL]), as_they_stand)
    seen = other.news(9)
    read, calls = news.documents, []

    def cleared_behind(*given: object) -> object:
        found = read(*given)  # type: ignore[arg-type]
        calls.append(1)
        if len(calls) == 1:  # between reading and writing
            other.post([], seen)
        return found

    store = opened()
    monkeypatch.setattr(news, "documents", cleared_behind)
    store.mark(Judged([replace(SIGNAL, event_id="e2")]), Settled(replace(ALERT, count=2)))
    assert len(calls) > 2
    assert told(store) == ["1"]


def test_one_that_was_asleep_and_wakes_behind_the_next_clears_nothing(opened: Callable[..., OpenSearchStore]) -> None:
    """Its lock was taken over, and its commit was made by somebody else, while it slept before its news."""
    other = opened()

    def meanwhile() -> None:
        with closing(opened()) as waiting:
            waiting.mark(Judged([SIGNAL]), as_they_stand)  # waits for the lease

    with pytest.raises(Unavailable):
        opened(signals=meanwhile).mark(Judged([SIGNAL]), as_they_stand)
    assert told(other) == ["1"]
    (alert,) = other.alerts()
    assert alert == ALERT


def test_notices_are_made_of_them_as_on_one_machine(opened: Callable[..., OpenSearchStore], tmp_path: Path) -> None:
    """New, growing, acknowledged and old alerts, whatever order a search has."""
    team = Notify({"hook": channel("hook", {"webhook": {"url": "https://a.example/"}})}, (Route(("hook",)),))
    folder = EmbeddedStore(tmp_path / "store")
    known: list[list[Notice]] = []
    for store in (opened(), folder):
        old = replace(ALERT, id="old", history=True)
        store.mark(Judged([SIGNAL]), Settled(ALERT, replace(ALERT, id="2"), old))
        make(store, team, Words(), NOW)
        for notice in store.due("hook", NOW, 9):
            store.tried(Outcome(notice.key, notice.revision, sent=NOW, ref="taken"))
        store.act([SEEN])
        make(store, team, Words(), NOW)
        assert (make(store, team, Words(), NOW), store.news(9)) == (0, [])
        known.append(store.outbox(9))
    folder.close()
    assert known[0] == known[1]
    assert {notice.kind for notice in known[0]} == {"alert", "history"}
