# ruff: noqa: S101 (these are tests)
"""What every store promises of retention, as tests; `StoreContract` has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from siem.parsing.batch import Parsed
from siem.store.contract import Again, Judged, Signal, State, Store
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    as_it_stands,
    delivery,
    flows,
    found,
    ids,
    put,
    reject,
    trail,
    waiting,
)
from siem.testing.opening import Opening

OLD = START - timedelta(days=90)  # 2026-08-03 10:00
TURN = datetime(2026, 9, 1, tzinfo=START.tzinfo)
"""Where a day and a month end."""

LIMIT = TURN + timedelta(days=10)


class RetentionContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    def test_whole_periods_before_the_limit_are_dropped(self, store: Store) -> None:
        old, new = delivery("old"), delivery("new")
        put(store, (old, Parsed(TRAIL, trail(old, "a", "b", start=OLD))), (new, Parsed(TRAIL, trail(new, "c"))))
        planned = store.retain({TRAIL: LIMIT}, dry_run=True)
        assert ids(store) == ["a", "b", "c"]
        assert [(one.dataset, one.period[:7], one.events, one.bytes > 0) for one in planned] == [
            (TRAIL, "2026.08", 2, True)
        ]
        assert store.retain({TRAIL: LIMIT}) == planned
        assert ids(store) == ["c"]
        assert store.retain({TRAIL: LIMIT}) == []

    def test_a_period_that_the_limit_lies_in_is_kept_and_so_are_other_datasets(self, store: Store) -> None:
        old, flow = delivery("old"), delivery("flow")
        put(store, (old, Parsed(TRAIL, trail(old, "a", start=OLD))), (flow, Parsed(FLOW, flows(flow, 2, start=OLD))))
        assert store.retain({TRAIL: OLD + timedelta(minutes=1)}) == []
        assert store.retain({}) == []
        assert [one.dataset for one in store.retain({TRAIL: LIMIT})] == [TRAIL]
        assert (ids(store), len(found(store, FLOW))) == ([], 2)

    def test_an_object_of_which_nothing_is_left_expires_and_its_counts_stay(self, store: Store) -> None:
        old, new = delivery("old"), delivery("new")
        put(
            store,
            (old, Parsed(TRAIL, trail(old, "a", start=OLD), [reject(1)], skipped=2)),
            (new, Parsed(TRAIL, trail(new, "c"))),
        )
        before, sums = store.ledger(), store.stats()
        store.retain({TRAIL: LIMIT})
        assert store.ledger() == before | {old.source.id: replace(before[old.source.id], state=State.EXPIRED)}
        assert [replace(one, bytes=0) for one in store.stats()] == [replace(one, bytes=0) for one in sums]
        assert list(store.rejects()) == []
        assert waiting(store) == [new.source.id]

    def test_what_expired_does_not_come_back(self, store: Store) -> None:
        old = delivery("old")
        parsed = Parsed(TRAIL, trail(old, "a", start=OLD), [reject(1)])
        put(store, (old, parsed))
        stored = list(store.rejects())
        store.retain({TRAIL: LIMIT})
        (row,) = put(store, (old, parsed))
        assert (row.state, row.events) == (State.EXPIRED, 1)
        assert store.replay(stored, Parsed(TRAIL, trail(old, "r")), NOW) == 0
        assert (ids(store), list(store.rejects()), waiting(store)) == ([], [], [])

    def test_an_object_of_which_something_is_left_is_judged(self, store: Store) -> None:
        both = delivery("both")
        events = trail(both, "a", "b", "c", "d", start=TURN - timedelta(seconds=3))
        put(store, (both, [Parsed(TRAIL, events), Parsed(TRAIL, trail(both, "e", start=TURN), [reject(5)])]))
        row = store.ledger()
        assert sum(one.events for one in store.retain({TRAIL: LIMIT - timedelta(days=10)})) == 3
        assert store.ledger() == row
        assert len(list(store.rejects())) == 1
        assert waiting(store) == [both.source.id]
        assert ids(store, objects=[both.source.id]) == ["d", "e"]

    def test_events_that_come_late_are_kept_and_counted(self, store: Store) -> None:
        old, late, again = delivery("old"), delivery("late"), delivery("again")
        put(store, (old, Parsed(TRAIL, trail(old, "a", start=OLD))))
        store.retain({TRAIL: LIMIT})
        (row,) = put(store, (late, Parsed(TRAIL, trail(late, "x", "y", start=OLD))))
        assert (row.state, row.duplicates) == (State.COMMITTED, 0)
        (row,) = put(store, (again, Parsed(TRAIL, trail(again, "x", "y", start=OLD))))
        assert (row.state, row.duplicates) == (State.COMMITTED, 2)
        assert waiting(store) == [late.source.id]
        assert ids(store, objects=waiting(store)) == ["x", "y"]

    def test_an_object_with_the_bytes_of_one_that_expired_is_no_duplicate(self, store: Store) -> None:
        one, two, three = (delivery(name, "same") for name in "abc")
        put(store, (one, Parsed(FLOW, flows(one, 3, start=OLD))))
        store.retain({FLOW: LIMIT})
        rows = [put(store, (of, Parsed(FLOW, flows(of, 3, start=OLD))))[0] for of in (two, three)]
        assert [row.duplicates for row in rows] == [0, 3]
        assert [hit.object for hit in found(store, FLOW)] == [two.source.id] * 3

    def test_an_object_that_was_begun_before_and_committed_after_expires_with_the_next_run(self, store: Store) -> None:
        old, slow = delivery("old"), delivery("slow")
        put(store, (old, Parsed(TRAIL, trail(old, "a", start=OLD))))
        with store.writing(NOW) as writing:
            writing.add(slow, Parsed(TRAIL, trail(slow, "s", start=OLD)), "1", unique_ids=True)
            writing.finish(slow, State.COMMITTED)
            store.retain({TRAIL: LIMIT})
            writing.commit()
        assert [one.events for one in store.retain({TRAIL: LIMIT})] == [1]
        assert store.ledger()[slow.source.id].state is State.EXPIRED
        assert (ids(store), waiting(store)) == ([], [])

    def test_signals_of_dropped_events_stay_when_a_rule_judges_again(self, store: Store) -> None:
        old, new = delivery("old"), delivery("new")
        put(store, (old, Parsed(TRAIL, trail(old, "a", start=OLD))), (new, Parsed(TRAIL, trail(new, "c"))))
        kept = Signal("r", "a", OLD, old.source.id, TRAIL, "f", {"user": "ann"})
        turn = store.progress().turn
        store.mark(
            Judged(
                [kept, replace(kept, event_id="c", timestamp=START, object=new.source.id)], marks={("r", TRAIL): turn}
            ),
            as_it_stands,
        )
        store.retain({TRAIL: LIMIT})
        store.mark(Judged([], again=Again("r", [TRAIL], None, None, turn)), as_it_stands)
        assert store.signals("r", {"user": "ann"}) == [kept]
