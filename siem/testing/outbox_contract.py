# ruff: noqa: S101 (these are tests)
"""What every store keeps for notifications, as tests; `StoreContract` has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from siem.store.contract import Alert, Judged, Signal, Store
from siem.store.handling import MERGED, Action, Verb
from siem.store.outbox import News, Notice, Outcome
from siem.testing.deliveries import NOW, TRAIL
from siem.testing.judging_contract import ALERT, BOB, SIGNAL, Settled
from siem.testing.opening import Opening

MINUTE = timedelta(minutes=1)
NOTICE = Notice("ops/alert/1", "ops", "alert", {"title": "\U0001f4a5", "": [1.0, {"a.b": None}]}, NOW, NOW)
SEEN = Action("1", ALERT.id, "r", Verb.ACKNOWLEDGE, "ann", NOW)


def told(store: Store) -> list[str]:
    """The alerts that there are news of."""
    return sorted([one.alert for one in store.news(100)])


class OutboxContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    # News

    def test_alerts_that_are_made_changed_merged_and_removed_leave_news(self, store: Store) -> None:
        two = replace(ALERT, id="2")
        cases: list[tuple[list[Alert], list[str]]] = [
            ([ALERT, two], ["1", "2"]),
            ([replace(ALERT, title="Other"), two], ["1"]),
            ([replace(ALERT, title="Other"), replace(two, state=MERGED, merged_into="1")], ["2"]),
            ([replace(two, state=MERGED, merged_into="1")], ["1"]),
        ]
        for number, (alerts, expected) in enumerate(cases):
            store.mark(Judged([replace(SIGNAL, event_id=f"e{number}")]), Settled(*alerts))
            assert told(store) == expected
            assert store.post([], store.news(100))
            assert store.news(100) == []

    def test_what_changes_no_alert_leaves_no_news(self, store: Store) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT))
        store.post([], store.news(9))
        store.mark(Judged([Signal("s", "e7", NOW, "o", TRAIL, "f", BOB)], marks={("s", TRAIL): 1}), Settled())
        assert store.news(9) == []

    def test_an_action_leaves_news_of_its_alert(self, store: Store) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT, replace(ALERT, id="2")))
        store.post([], store.news(9))
        store.act([SEEN, replace(SEEN, id="x", alert="unknown")])
        assert told(store) == ["1"]
        store.post([], store.news(9))
        store.act([replace(SEEN, id="2", verb=Verb.EXCEPT)])
        assert store.news(9) == []

    def test_later_news_of_an_alert_take_the_place_of_earlier_ones(self, store: Store) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT, replace(ALERT, id="2")))
        before = {one.alert: one.number for one in store.news(9)}
        store.act([SEEN])
        *_, last = store.news(9)
        assert [one.alert for one in store.news(9)] == ["2", "1"]
        assert last.number > max(before.values())
        assert store.news(1) == store.news(9)[:1]

    def test_news_that_came_after_what_was_read_stay(self, store: Store) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT, replace(ALERT, id="2")))
        seen = store.news(9)
        store.act([SEEN])
        assert store.post([], seen)
        assert told(store) == ["1"]

    def test_numbers_go_on_when_all_news_are_cleared(self, store: Store, place: Path) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT))
        (first,) = store.news(9)
        store.post([], [first])
        other = self.opened(place)
        other.act([SEEN])
        (second,) = store.news(9)
        assert second.number > first.number
        assert store.post([], [first, News("unknown", 1)])
        assert other.news(9) == [second]
        other.close()

    def test_an_error_while_settling_leaves_no_news(self, store: Store) -> None:
        def fails(*asked: object) -> Sequence[Alert]:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            store.mark(Judged([SIGNAL]), fails)
        assert store.news(9) == []

    # Notices

    def test_a_notice_is_kept_as_it_was_posted(self, store: Store, place: Path) -> None:
        assert store.notices([NOTICE.key]) == {}
        assert store.post([NOTICE], [])
        other = self.opened(place)
        kept = replace(NOTICE, revision=1)
        assert other.notices([NOTICE.key, "unknown"]) == {NOTICE.key: kept}
        assert (other.due("ops", NOW, 9), other.outbox(9), other.outbox(9, unsent=True)) == ([kept], [kept], [kept])
        other.close()

    def test_one_of_a_known_key_is_the_same_message_and_unsent(self, store: Store) -> None:
        store.post([NOTICE], [])
        store.tried(Outcome(NOTICE.key, 1, sent=NOW, ref="123.4"))
        assert store.due("ops", NOW, 9) == []
        later = replace(NOTICE, body={"grown": True}, created=NOW + MINUTE, due=NOW + MINUTE, revision=1)
        assert store.post([later], [])
        (kept,) = store.due("ops", NOW + MINUTE, 9)
        assert kept == replace(later, created=NOW, ref="123.4", revision=2)

    def test_what_is_not_any_more_as_it_was_seen_is_not_replaced_and_the_news_stay(self, store: Store) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT))
        store.post([NOTICE], [])
        assert not store.post([replace(NOTICE, body={})], store.news(9))
        assert not store.post([replace(NOTICE, key="new", revision=1)], store.news(9))
        assert store.outbox(9) == [replace(NOTICE, revision=1)]
        assert told(store) == ["1"]

    def test_an_attempt_that_failed_is_due_later_or_never(self, store: Store) -> None:
        store.post([NOTICE], [])
        store.tried(Outcome(NOTICE.key, 1, error="500", due=NOW + MINUTE))
        assert store.due("ops", NOW, 9) == []
        failed = replace(NOTICE, due=NOW + MINUTE, attempts=1, error="500", revision=1)
        assert store.due("ops", NOW + MINUTE, 9) == [failed]
        store.tried(Outcome(NOTICE.key, 1, error="404"))
        assert store.due("ops", NOW + MINUTE, 9) == []
        assert store.outbox(9, unsent=True) == [replace(failed, due=None, attempts=2, error="404")]
        store.tried(Outcome(NOTICE.key, 1, sent=NOW))
        assert store.outbox(9, unsent=True) == []
        assert store.outbox(9) == [replace(failed, due=None, attempts=3, error="", sent=NOW)]

    def test_what_was_posted_while_it_was_sent_is_sent_again(self, store: Store) -> None:
        store.post([NOTICE], [])
        grown = replace(NOTICE, body={"grown": True}, revision=1)
        store.post([grown], [])
        store.tried(Outcome(NOTICE.key, 1, sent=NOW, ref="123.4"))
        assert store.due("ops", NOW, 9) == [replace(grown, ref="123.4", revision=2)]
        store.tried(Outcome(NOTICE.key, 1, error="500"))
        assert store.due("ops", NOW, 9) == [replace(grown, ref="123.4", revision=2)]
        store.tried(Outcome("unknown", 1, sent=NOW))

    def test_channels_are_apart_and_the_longest_due_comes_first(self, store: Store) -> None:
        old, new = replace(NOTICE, key="b", due=NOW - MINUTE), replace(NOTICE, key="a", created=NOW + MINUTE)
        other = replace(NOTICE, key="c", channel="night", due=None)
        store.post([new, old, other], [])
        assert [one.key for one in store.due("ops", NOW, 9)] == ["b", "a"]
        assert [one.key for one in store.due("ops", NOW, 1)] == ["b"]
        assert [one.key for one in store.due("ops", NOW - MINUTE, 9)] == ["b"]
        assert store.due("night", NOW + MINUTE, 9) == []
        assert [one.key for one in store.outbox(9)] == ["a", "b", "c"]
        assert [one.key for one in store.outbox(9, unsent=True)] == ["a", "b"]
        assert store.recent("ops", NOW) == 2
        assert store.recent("ops", NOW + MINUTE) == 1
        assert store.recent("other", NOW) == 0

    def test_of_a_kind_the_one_that_was_created_last_is_found(self, store: Store) -> None:
        assert store.latest("ops", "digest") is None
        one = replace(NOTICE, key="b", kind="digest")
        store.post([replace(NOTICE, created=NOW + MINUTE), one, replace(one, key="c", created=NOW - MINUTE)], [])
        assert store.latest("ops", "digest") == replace(one, revision=1)
        assert store.latest("other", "digest") is None
