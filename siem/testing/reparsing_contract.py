# ruff: noqa: S101 (these are tests)
"""What every store promises of reparsing, as tests: a part of `siem.testing.store_contract`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, LedgerRow, State, Store
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    decoded,
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

LATER = NOW + timedelta(days=3)
OLD = START - timedelta(days=90)
LIMIT = START - timedelta(days=30)
MONTH = datetime(2026, 11, 1, tzinfo=START.tzinfo)
"""Where a day and a month begin."""

MENDED = {"event.action": "mended"}


def reparse(
    store: Store,
    *objects: tuple[Delivery, Parsed | list[Parsed]],
    judge: bool = False,
    state: State = State.COMMITTED,
    reason: str | None = None,
) -> list[LedgerRow]:
    """Replace these objects' events together, by those of version 2 of the parser."""
    with store.reparsing(LATER, judge) as writing:
        for of, blocks in objects:
            for block in blocks if isinstance(blocks, list) else [blocks]:
                writing.add(of, block, "2", unique_ids=block.dataset == TRAIL)
            writing.finish(of, state, reason)
        return writing.commit()


def holders(store: Store, dataset: str = TRAIL) -> list[tuple[str, str]]:
    """Events with the keys of the objects that hold them."""
    keys = {id_: row.key for id_, row in store.ledger().items()}
    return sorted((hit.event_id, keys[hit.object]) for hit in found(store, dataset))


def counts(row: LedgerRow) -> tuple[int, int, int, int, int]:
    return row.records, row.events, row.rejects, row.skipped, row.duplicates


class ReparsingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    # Events, counts, rows

    def test_rows_say_which_version_of_a_parser_made_their_events(self, store: Store) -> None:
        one, odd = delivery("a"), delivery("odd")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))), (odd, []), state=State.UNRECOGNISED)
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        assert {row.key: row.parser_version for row in store.ledger().values()} == {"a": "1", "odd": ""}

    def test_the_same_events_have_other_fields_and_nothing_else_changes(self, store: Store, place: Path) -> None:
        one, other = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), (other, Parsed(TRAIL, trail(other, "x"))))
        before, turns = store.ledger(), store.pending(TRAIL)
        better = trail(one, "e1", "e2", more=MENDED)
        (row,) = reparse(store, (one, Parsed(TRAIL, better)))
        assert row == replace(before[one.source.id], parser_version="2")
        assert store.pending(TRAIL) == turns
        again = self.opened(place)
        for each in (store, again):
            assert each.ledger() == before | {one.source.id: row}
            assert list(each.ledger()) == list(before)
            hits = found(each, TRAIL, documents=True)
            assert [hit.document for hit in hits if hit.object == one.source.id] == decoded(better)
            assert ids(each) == ["e1", "x", "e2"]
        again.close()

    def test_counts_move_between_events_rejects_and_skipped(self, store: Store) -> None:
        one, other = delivery("a"), delivery("b")
        put(
            store,
            (one, Parsed(TRAIL, trail(one, "e1", "e2", "e3"), [reject(3), reject(4)], skipped=1)),
            (other, Parsed(TRAIL, None, [reject(0)])),
        )
        better = Parsed(TRAIL, trail(one, "e1", "e3", "new"), [reject(1)], skipped=2)
        (row,) = reparse(store, (one, better), state=State.DAMAGED, reason="cut off")
        assert counts(row) == (6, 3, 1, 2, 0)
        assert (row.state, row.reason) == (State.DAMAGED, "cut off")
        assert (row.first, row.last) == (START, START + timedelta(seconds=2))
        assert sorted(ids(store)) == ["e1", "e3", "new"]
        assert [(stored.key, stored.reject, stored.parser_version) for stored in store.rejects()] == [
            ("a", reject(1), "2"),
            ("b", reject(0), "1"),
        ]
        (sums,) = store.stats()
        assert (sums.records, sums.events, sums.rejects, sums.skipped) == (7, 3, 2, 2)
        (row,) = reparse(store, (one, better))
        assert (row.state, row.reason) == (State.COMMITTED, None)

    def test_an_object_may_lose_all_its_events_and_get_them_back(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        (row,) = reparse(store, (one, Parsed(TRAIL, None, [reject(0)], skipped=1)))
        assert (counts(row), row.first, row.last) == ((2, 0, 1, 1, 0), None, None)
        assert (ids(store), waiting(store)) == ([], [])
        (row,) = reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        assert counts(row) == (2, 2, 0, 0, 0)
        assert (ids(store), list(store.rejects())) == (["e1", "e2"], [])

    @pytest.mark.parametrize("by", [timedelta(hours=-12), timedelta(days=40), timedelta(microseconds=1)])
    def test_times_may_move_over_midnight_and_months(self, store: Store, by: timedelta) -> None:
        one, other = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), (other, Parsed(TRAIL, trail(other, "x"))))
        (row,) = reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2", start=START + by))))
        second = timedelta(seconds=1)
        assert (row.first, row.last) == (START + by, START + by + second)
        assert sorted((hit.timestamp, hit.event_id) for hit in found(store, TRAIL)) == sorted(
            [(START + by, "e1"), (START, "x"), (START + by + second, "e2")]
        )
        assert ids(store, since=START + by, until=START + by + second / 2, objects=[one.source.id]) == ["e1"]
        assert ids(store, objects=[one.source.id]) == ["e1", "e2"]

    def test_some_of_an_objects_times_may_move_over_midnight(self, store: Store) -> None:
        one = delivery("a")
        before = trail(one, "e1", "e2", "e3", start=MONTH - timedelta(seconds=1))
        put(store, (one, Parsed(TRAIL, before)))
        (row,) = reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2", "e3", start=MONTH - timedelta(seconds=2)))))
        assert counts(row) == (3, 3, 0, 0, 0)
        assert ids(store, since=MONTH) == ["e3"]
        assert ids(store, until=MONTH) == ["e1", "e2"]

    def test_a_big_object_in_many_blocks_is_replaced(self, store: Store) -> None:
        one, other = delivery("big"), delivery("other")
        put(store, (one, [Parsed(FLOW, flows(one, 500, first=500 * at)) for at in range(4)]))
        put(store, (other, Parsed(FLOW, flows(other, 20))))
        blocks = [Parsed(FLOW, flows(one, 500, first=500 * at, more=MENDED), skipped=1) for at in range(8)]
        (row,) = reparse(store, (one, blocks))
        assert counts(row) == (4008, 4000, 0, 8, 0)
        hits = found(store, FLOW, documents=True)
        mended = [hit for hit in hits if (hit.document or {}).get("event.action") == "mended"]
        assert (len(hits), len(mended), {hit.object for hit in mended}) == (4020, 4000, {one.source.id})

    # What is left alone

    def test_an_object_of_other_bytes_is_left_alone(self, store: Store) -> None:
        one, changed = delivery("a"), delivery("a", "other bytes")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        before = store.ledger()
        assert reparse(store, (changed, Parsed(TRAIL, trail(changed, "x")))) == list(before.values())
        assert (store.ledger(), ids(store)) == (before, ["e1"])

    def test_objects_without_events_of_theirs_and_unknown_ones_are_left_alone(self, store: Store) -> None:
        denied, old, unknown, one = (delivery(key) for key in ("denied", "old", "unknown", "a"))
        put(store, (denied, []), state=State.DENIED)
        put(store, (old, Parsed(TRAIL, trail(old, "o", start=OLD))), (one, Parsed(TRAIL, trail(one, "e1"))))
        store.retain({TRAIL: LIMIT})
        before = store.ledger()
        blocks = [(of, Parsed(TRAIL, trail(of, "n", start=OLD))) for of in (denied, old, unknown)]
        rows = reparse(store, *blocks, (one, Parsed(TRAIL, trail(one, "e1", more=MENDED))))
        assert [(row.key, row.state) for row in rows] == [
            ("denied", State.DENIED),
            ("old", State.EXPIRED),
            ("a", State.COMMITTED),
        ]
        assert store.ledger() == before | {one.source.id: rows[-1]}
        assert ids(store) == ["e1"]

    def test_an_object_that_could_not_be_read_this_time_is_left_alone(self, store: Store) -> None:
        one, part = delivery("a"), delivery("part")
        put(store, *[(of, Parsed(TRAIL, trail(of, of.source.key), [reject(1)])) for of in (one, part)])
        before, rejects = store.ledger(), list(store.rejects())
        rows = reparse(store, (one, Parsed(TRAIL, trail(one, "x"))), state=State.FAILED)
        assert rows == [before[one.source.id]]
        with store.reparsing(LATER) as writing:
            writing.add(part, Parsed(TRAIL, trail(part, "x")), "2", unique_ids=True)
            assert writing.commit() == []
        assert (store.ledger(), list(store.rejects()), ids(store)) == (before, rejects, ["a", "part"])

    def test_nothing_changes_without_commit(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"), [reject(1)])))
        before, rejects, hits = store.ledger(), list(store.rejects()), found(store, TRAIL, documents=True)
        with store.reparsing(LATER, judge=True) as writing:
            writing.add(one, Parsed(TRAIL, trail(one, "e1", "e2", more=MENDED)), "2", unique_ids=True)
            writing.finish(one, State.COMMITTED)
        assert (store.ledger(), list(store.rejects())) == (before, rejects)
        assert found(store, TRAIL, documents=True) == hits

    def test_a_second_run_changes_nothing(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, *[(of, Parsed(TRAIL, trail(of, "e1", of.source.key))) for of in (one, two)])
        better = [(of, Parsed(TRAIL, trail(of, "e1", of.source.key, more=MENDED), [reject(2)])) for of in (one, two)]
        rows = reparse(store, *better)
        seen = store.ledger(), found(store, TRAIL, documents=True), list(store.rejects()), store.pending(TRAIL)
        assert reparse(store, *better) == rows
        assert [row for each in better for row in reparse(store, each)] == rows
        assert seen == (
            *(store.ledger(), found(store, TRAIL, documents=True), list(store.rejects())),
            store.pending(TRAIL),
        )

    # Duplicates

    def test_an_event_that_another_object_holds_is_a_duplicate_as_ever(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), (two, Parsed(TRAIL, trail(two, "e1", "e2", "e3"))))
        (row,) = reparse(store, (two, Parsed(TRAIL, trail(two, "e1", "e2", "e3", "e4", more=MENDED))))
        assert counts(row) == (4, 4, 0, 0, 2)
        assert holders(store) == [("e1", "a"), ("e2", "a"), ("e3", "b"), ("e4", "b")]
        (row,) = reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2", "e3", "e1"))))
        assert counts(row) == (4, 4, 0, 0, 1)  # e1 at another time is another event
        (row,) = reparse(store, (one, [Parsed(TRAIL, trail(one, "e1", "e2", "e3"))] * 2))
        assert counts(row) == (6, 6, 0, 0, 4)
        assert holders(store) == [("e1", "a"), ("e2", "a"), ("e3", "b"), ("e4", "b")]

    @pytest.mark.parametrize("together", [True, False])
    def test_an_event_that_one_object_gives_up_is_of_the_next_that_has_it(self, store: Store, together: bool) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "x"))), (two, Parsed(TRAIL, trail(two, "e1", "y"))))
        better = [
            (one, Parsed(TRAIL, trail(one, "x"), [reject(0)])),
            (two, Parsed(TRAIL, trail(two, "e1", "y"))),
        ]
        rows = reparse(store, *better) if together else [row for each in better for row in reparse(store, each)]
        assert [row.duplicates for row in rows] == [0, 0]
        assert holders(store) == [("e1", "b"), ("x", "a"), ("y", "b")]

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_a_record_of_two_objects_whose_time_moves_is_stored_once(
        self, store: Store, order: tuple[int, int]
    ) -> None:
        objects = delivery("a"), delivery("b")
        put(store, *[(of, Parsed(TRAIL, trail(of, "e1"))) for of in objects])
        moved = START + timedelta(hours=1)
        for at in order:
            reparse(store, (objects[at], Parsed(TRAIL, trail(objects[at], "e1", start=moved))))
        assert [(hit.event_id, hit.timestamp) for hit in found(store, TRAIL)] == [("e1", moved)]
        assert sorted(row.duplicates for row in store.ledger().values()) == [0, 1]

    @pytest.mark.parametrize("order", [[(0, 1)], [(0,), (1,)], [(1,), (0,)]])
    def test_of_two_objects_with_the_same_bytes_each_event_is_stored_once(
        self, store: Store, order: list[tuple[int, ...]]
    ) -> None:
        objects = delivery("a", "same"), delivery("b", "same")
        put(store, *[(of, Parsed(FLOW, flows(of, 3), [reject(3), reject(4)])) for of in objects])
        for part in order:
            reparse(
                store, *[(objects[at], Parsed(FLOW, flows(objects[at], 4, more=MENDED), [reject(4)])) for at in part]
            )
        assert [hit.event_id[-2:] for hit in found(store, FLOW)] == ["-0", "-1", "-2", "-3"]
        rows = store.ledger().values()
        assert [(row.events, row.rejects) for row in rows] == [(4, 1), (4, 1)]
        assert sum(row.events - row.duplicates for row in rows) == 4
        stored = [hit.document or {} for hit in found(store, FLOW, documents=True)]
        assert {document["event.action"] for document in stored} == {"mended"}

    # Others meanwhile

    def test_a_replay_of_rejects_that_were_replaced_does_nothing(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"), [reject(1), reject(2)])))
        stored = list(store.rejects())
        (row,) = reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "r1"), [reject(2)])))
        for part in (stored, stored[:1], stored[1:]):
            assert store.replay(part, Parsed(TRAIL, trail(one, "r1", "r2")), LATER) == 0
        assert store.ledger() == {one.source.id: row}
        assert ids(store) == ["e1", "r1"]
        assert [stored.reject for stored in store.rejects()] == [reject(2)]

    def test_what_was_replayed_meanwhile_is_replaced_too(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"), [reject(1), reject(2)])))
        better = Parsed(TRAIL, trail(one, "e1", "r1", "r2"))
        with store.reparsing(LATER) as writing:
            writing.add(one, better, "2", unique_ids=True)
            writing.finish(one, State.COMMITTED)
            store.replay(list(store.rejects())[:1], Parsed(TRAIL, trail(one, "x", "r1")), NOW)
            (row,) = writing.commit()
        assert counts(row) == (3, 3, 0, 0, 0)
        assert (ids(store), list(store.rejects())) == (["e1", "r1", "r2"], [])

    def test_what_was_committed_meanwhile_is_known(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        with store.reparsing(LATER) as writing:
            writing.add(one, Parsed(TRAIL, trail(one, "e1", "e2")), "2", unique_ids=True)
            writing.finish(one, State.COMMITTED)
            put(store, (two, Parsed(TRAIL, trail(two, "x", "e2"))))
            (row,) = writing.commit()
        assert counts(row) == (2, 2, 0, 0, 1)
        assert holders(store) == [("e1", "a"), ("e2", "b"), ("x", "b")]

    def test_a_commit_that_was_begun_before_stores_what_is_given_up(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        with store.writing(LATER) as writing:
            writing.add(two, Parsed(TRAIL, trail(two, "e1")), "1", unique_ids=True)
            writing.finish(two, State.COMMITTED)
            reparse(store, (one, Parsed(TRAIL, None, [reject(0)])))
            (row,) = writing.commit()
        assert row.duplicates == 0
        assert holders(store) == [("e1", "b")]

    def test_two_runs_at_once_end_as_one_does(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        better = Parsed(TRAIL, trail(one, "e1", more=MENDED), [reject(1)])
        with store.reparsing(LATER) as writing:
            writing.add(one, better, "2", unique_ids=True)
            writing.finish(one, State.COMMITTED)
            first = reparse(store, (one, better))
            assert writing.commit() == first
        assert (ids(store), len(list(store.rejects()))) == (["e1"], 1)

    def test_a_reader_never_misses_an_event(self, store: Store, place: Path) -> None:
        objects = [delivery(name) for name in "abc"]
        put(store, *[(of, Parsed(TRAIL, trail(of, *[f"{of.source.key}{at}" for at in range(50)]))) for of in objects])
        expected = set(ids(store))
        with reading(self.opened(place)) as seen:
            for at in range(4):
                start = START + timedelta(hours=9 * at)  # the third is of another day
                for of in objects:
                    names = [f"{of.source.key}{at}" for at in range(50)]
                    reparse(store, (of, Parsed(TRAIL, trail(of, *names, start=start))))
        assert len(expected) == 150
        assert len(seen) > 1
        assert all(each == expected for each in seen)

    # Retention

    def test_events_of_dropped_periods_do_not_come_back(self, store: Store) -> None:
        both = delivery("both")
        blocks = [Parsed(TRAIL, trail(both, "o1", "o2", start=OLD)), Parsed(TRAIL, trail(both, "n1"))]
        put(store, (both, blocks))
        store.retain({TRAIL: LIMIT})
        mended = [
            Parsed(TRAIL, trail(both, "o1", "o2", start=OLD, more=MENDED)),
            Parsed(TRAIL, trail(both, "n1", more=MENDED)),
        ]
        (row,) = reparse(store, (both, mended))
        assert counts(row) == (3, 3, 0, 0, 0)
        assert (ids(store), waiting(store)) == (["n1"], [both.source.id])
        assert ids(store, objects=waiting(store)) == ["n1"]
        assert [(one.expected, one.visible) for one in store.held()] == [(1, 1)]
        assert store.retain({TRAIL: LIMIT}) == []

    def test_events_that_came_late_and_were_kept_are_replaced(self, store: Store) -> None:
        old, late = delivery("old"), delivery("late")
        put(store, (old, Parsed(TRAIL, trail(old, "a", start=OLD))))
        store.retain({TRAIL: LIMIT})
        put(store, (late, Parsed(TRAIL, trail(late, "x", "y", start=OLD))))
        (row,) = reparse(store, (late, Parsed(TRAIL, trail(late, "x", "y", start=OLD, more=MENDED))))
        assert counts(row) == (2, 2, 0, 0, 0)
        stored = [hit.document or {} for hit in found(store, TRAIL, documents=True)]
        assert [(document["event.id"], document["event.action"]) for document in stored] == [
            ("x", "mended"),
            ("y", "mended"),
        ]
        assert [(one.expected, one.visible) for one in store.held()] == [(2, 2)]


@contextmanager
def reading(store: Store) -> Iterator[list[set[str]]]:
    """What a reader sees in a loop, from before until after; the store is closed in the end."""
    seen = [set(ids(store))]
    done = threading.Event()

    def loop() -> None:
        while not done.is_set():
            seen.append(set(ids(store)))

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
        seen.append(set(ids(store)))
        store.close()
