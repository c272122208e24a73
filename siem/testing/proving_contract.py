# ruff: noqa: S101 (these are tests)
"""What every store promises to those who prove that nothing was lost, as tests; `StoreContract` has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from siem.parsing.batch import Parsed
from siem.schema import SourceObject
from siem.store.contract import Delivery, Held, Judged, Known, Signal, State, Store
from siem.store.times import micros
from siem.testing.deliveries import NOW, START, TRAIL, as_it_stands, delivery, put, reject, trail
from siem.testing.opening import Opening

KEYS = ("a", "a/b", "a0", "aé", "a\udcff", "b\\xff", "b\udc80\udc81", "bé", "c\U0001f600", "c\ufffd", "Z")
"""In no order: of bytes, of characters and of the alphabet they differ."""


class ProvingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    def test_what_is_known_comes_in_the_order_of_the_keys_bytes(self, store: Store) -> None:
        put(store, *[(delivery(key), []) for key in KEYS], state=State.UNRECOGNISED)
        ordered = sorted(KEYS, key=lambda key: key.encode("utf-8", "surrogateescape"))
        assert [one.key for one in store.known("logs")] == ordered

    def test_what_is_known_is_of_a_bucket_and_a_prefix(self, store: Store) -> None:
        other = Delivery(SourceObject("logs2", "a/1"), "0", 1)
        found = delivery("a/2")
        put(store, (found, Parsed(TRAIL, trail(found, "e1"))), (delivery("a"), []), (other, []), (delivery("b/1"), []))
        assert list(store.known("logs", "a/")) == [
            Known("a/2", State.COMMITTED, found.sha256, found.bytes, micros(NOW))
        ]
        assert [one.key for one in store.known("logs2")] == ["a/1"]
        assert list(store.known("logs3")) == []

    def test_versions_of_a_key_are_known_each(self, store: Store) -> None:
        one = delivery("a")
        two = replace(one, source=replace(one.source, version="2"), sha256="2")
        put(store, (one, []), (two, []))
        assert {(known.key, known.sha256) for known in store.known("logs")} == {("a", one.sha256), ("a", "2")}

    def test_what_is_held_is_what_the_ledger_says(self, store: Store) -> None:
        one, two, empty, odd = (delivery(name) for name in ("one", "two", "empty", "odd"))
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"), [reject(2)])))
        put(store, (two, Parsed(TRAIL, trail(two, "e2", "e3", "e4", start=START + timedelta(seconds=1)))))
        put(store, (empty, Parsed(TRAIL, None)), (odd, []), state=State.UNRECOGNISED)
        assert sorted(store.held()) == sorted([Held(one.source.id, 2, 2), Held(two.source.id, 2, 2)])

    def test_nothing_is_expected_of_what_was_dropped(self, store: Store) -> None:
        old, both = delivery("old"), delivery("both")
        turn = datetime(2026, 9, 1, tzinfo=START.tzinfo)
        put(store, (old, Parsed(TRAIL, trail(old, "a", "b", start=turn - timedelta(days=9)))))
        events = trail(both, "c", "d", "e", start=turn - timedelta(seconds=1))
        put(store, (both, Parsed(TRAIL, events)))
        store.retain({TRAIL: turn})
        assert list(store.held()) == [Held(both.source.id, 2, 2)]

    def test_what_is_being_written_makes_no_difference(self, store: Store) -> None:
        done, begun = delivery("done"), delivery("begun")
        put(store, (done, Parsed(TRAIL, trail(done, "a"))))
        with store.writing(NOW) as writing:
            writing.add(begun, Parsed(TRAIL, trail(begun, "b", "c")), "1", unique_ids=True)
            writing.finish(begun, State.COMMITTED)
            assert list(store.held()) == [Held(done.source.id, 1, 1)]
            writing.commit()
        assert sorted(store.held()) == sorted([Held(done.source.id, 1, 1), Held(begun.source.id, 2, 2)])

    def test_what_a_replay_adds_is_held(self, store: Store) -> None:
        one = delivery("one")
        put(store, (one, Parsed(TRAIL, trail(one, "a"), [reject(1)])))
        store.replay(list(store.rejects()), Parsed(TRAIL, trail(one, "r", start=START + timedelta(hours=1))), NOW)
        assert list(store.held()) == [Held(one.source.id, 2, 2)]

    def test_the_ids_of_an_objects_events_can_be_had(self, store: Store) -> None:
        one, two = delivery("one"), delivery("two")
        put(store, (one, Parsed(TRAIL, trail(one, "a", "B", "b"))), (two, Parsed(TRAIL, trail(two, "c"))))
        assert sorted(store.event_ids(one.source.id)) == ["B", "a", "b"]
        assert list(store.event_ids("nothing")) == []

    def test_all_signals_come_by_rule_and_group_in_order_of_time(self, store: Store) -> None:
        one = delivery("one")
        put(store, (one, Parsed(TRAIL, trail(one, "a", "b", "c"))))
        given = [
            Signal(rule, event, START + timedelta(seconds=at), one.source.id, TRAIL, "f", {"user": user})
            for at, (rule, event, user) in enumerate(zip("srsrs", "abcbc", ["u", "v", "v", "V", "U"], strict=True))
        ]
        store.mark(Judged(given), as_it_stands)
        runs = [(rule, [one.event_id for one in of]) for (rule, _), of in groupby(store.every_signal(), key_of)]
        assert sorted(runs) == [("r", ["b", "b"]), ("s", ["a", "c"]), ("s", ["c"])]

    def test_rows_come_in_the_order_of_commits_from_any_place_on(self, store: Store) -> None:
        first, denied, last = delivery("first"), delivery("denied"), delivery("last")
        put(store, (first, Parsed(TRAIL, trail(first, "a"))))
        put(store, (denied, []), state=State.DENIED)
        places = [place for place, _ in store.committed()]
        put(store, (last, Parsed(TRAIL, trail(last, "b"))))
        put(store, (denied, Parsed(TRAIL, trail(denied, "c"))))
        rows = store.ledger()
        assert [row for _, row in store.committed()] == list(rows.values())
        assert [row.key for _, row in store.committed()] == ["first", "last", "denied"]
        assert [row.key for _, row in store.committed(places[-1])] == ["last", "denied"]
        assert places[0] == next(store.committed())[0]


def key_of(signal: Signal) -> tuple[str, str]:
    return signal.rule_id, signal.group["user"].lower()
