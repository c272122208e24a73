# ruff: noqa: S101 (these are tests)
"""What every store promises, as tests. A store's own test module subclasses `StoreContract` and says how to open one:

    class TestEmbedded(StoreContract):
        def opened(self, place: Path) -> Store:
            return EmbeddedStore(place)

`place` is the same in all calls of one test: opening again must find what was committed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from siem.parsing.batch import Parsed
from siem.store.contract import DatasetStats, Heard, Hit, LedgerRow, State, Store, StoredReject
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    decoded,
    delivery,
    every,
    flows,
    found,
    ids,
    put,
    reject,
    trail,
    waiting,
)
from siem.testing.handling_contract import HandlingContract
from siem.testing.judging_contract import JudgingContract
from siem.testing.outbox_contract import OutboxContract
from siem.testing.proving_contract import ProvingContract
from siem.testing.rejudging_contract import RejudgingContract
from siem.testing.reparsing_contract import ReparsingContract
from siem.testing.retention_contract import RetentionContract
from siem.testing.scheduling_contract import SchedulingContract
from siem.testing.searching_contract import SearchingContract


class StoreContract(
    JudgingContract,
    HandlingContract,
    SearchingContract,
    RetentionContract,
    ProvingContract,
    SchedulingContract,
    ReparsingContract,
    RejudgingContract,
    OutboxContract,
):
    """Subclass it; see the module."""

    # Commits

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.ledger() == {}
        assert ids(store) == []
        assert list(store.rejects()) == []
        assert store.stats() == []

    def test_a_commit_makes_events_and_row_visible_in_every_reader(self, store: Store, place: Path) -> None:
        one = delivery("a")
        (row,) = put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"), [reject(2)], skipped=3)))
        assert row == LedgerRow(
            *(one.source.id, "logs", "a", None, one.sha256, one.bytes, State.COMMITTED, TRAIL),
            records=6,
            events=2,
            rejects=1,
            skipped=3,
            first=START,
            last=START + timedelta(seconds=1),
            committed=NOW,
            parser_version="1",
        )
        other = self.opened(place)
        assert other.ledger() == store.ledger() == {one.source.id: row}
        assert ids(other) == ids(store) == ["e1", "e2"]
        other.close()

    def test_nothing_is_visible_without_commit(self, store: Store) -> None:
        one = delivery("a")
        with store.writing(NOW) as writing:
            writing.add(one, Parsed(TRAIL, trail(one, "e1"), [reject(1)]), "1", unique_ids=True)
            writing.finish(one, State.COMMITTED)
            assert store.ledger() == {}
            assert ids(store) == []
        assert store.ledger() == {}
        assert ids(store) == []
        assert list(store.rejects()) == []

    def test_an_object_that_is_not_finished_is_left_out_of_the_commit(self, store: Store) -> None:
        whole, part = delivery("whole"), delivery("part")
        with store.writing(NOW) as writing:
            writing.add(part, Parsed(TRAIL, trail(part, "e1", "e2"), [reject(2)]), "1", unique_ids=True)
            writing.add(whole, Parsed(TRAIL, trail(whole, "e1")), "1", unique_ids=True)
            writing.finish(whole, State.COMMITTED)
            (row,) = writing.commit()
        assert (row.object, row.duplicates) == (whole.source.id, 0)
        assert [(hit.event_id, hit.object) for hit in found(store, TRAIL)] == [("e1", whole.source.id)]
        assert list(store.rejects()) == []

    def test_the_same_object_twice_counts_once(self, store: Store) -> None:
        one = delivery("a")
        parsed = Parsed(TRAIL, trail(one, "e1"), [reject(1)])
        first = put(store, (one, parsed))
        assert put(store, (one, parsed), now=NOW + timedelta(hours=1)) == first
        assert put(store, (one, parsed), (one, parsed)) == first
        assert ids(store) == ["e1"]
        assert len(list(store.rejects())) == 1

    def test_the_same_object_twice_in_one_commit_counts_once(self, store: Store) -> None:
        one = delivery("a")
        parsed = Parsed(TRAIL, trail(one, "e1"), [reject(1)])
        (row,) = put(store, (one, parsed), (one, parsed))
        assert (row.records, row.events, row.duplicates) == (2, 1, 0)
        assert ids(store) == ["e1"]

    def test_the_second_of_two_writers_of_an_object_is_left_out(self, store: Store) -> None:
        one, other = delivery("a"), delivery("b")
        with store.writing(NOW) as late:
            late.add(one, Parsed(FLOW, flows(one, 3), [reject(3)]), "1", unique_ids=False)
            late.finish(one, State.COMMITTED)
            late.add(other, Parsed(FLOW, flows(other, 1)), "1", unique_ids=False)
            late.finish(other, State.COMMITTED)
            (early,) = put(store, (one, Parsed(FLOW, flows(one, 2))))
            rows = late.commit()
        assert rows[0] == early
        assert rows[1].events == 1
        assert len(found(store, FLOW)) == 3
        assert list(store.rejects()) == []

    def test_an_object_without_content_has_a_row(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        with store.writing(NOW) as writing:
            writing.finish(one, State.UNRECOGNISED, "no parser claims it")
            writing.finish(two, State.DENIED, "AccessDenied", dataset=TRAIL)
            rows = writing.commit()
        assert [(row.state, row.reason, row.dataset, row.records, row.first) for row in rows] == [
            (State.UNRECOGNISED, "no parser claims it", None, 0, None),
            (State.DENIED, "AccessDenied", TRAIL, 0, None),
        ]
        assert store.pending(TRAIL) == []

    def test_a_row_without_content_gives_way_to_content_and_never_the_other_way(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, []), state=State.DENIED)
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        (row,) = put(store, (one, []), state=State.GONE)
        assert (row.state, row.events) == (State.COMMITTED, 1)
        assert ids(store) == ["e1"]

    @pytest.mark.parametrize("state", [State.DENIED, State.GONE, State.FAILED, State.REFUSED])
    def test_what_could_not_be_had_gives_way_to_what_was_read_and_is_no_log(self, store: Store, state: State) -> None:
        one = delivery("a")
        put(store, (one, []), state=state)
        assert [row.state for row in put(store, (one, []), state=State.UNRECOGNISED)] == [State.UNRECOGNISED]
        assert [row.state for row in put(store, (one, []), state=state)] == [State.UNRECOGNISED]
        (row,) = put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        assert (row.state, row.events) == (State.COMMITTED, 1)
        assert ids(store) == ["e1"]

    def test_an_object_that_failed_after_some_blocks_leaves_no_events(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        with store.writing(NOW) as writing:
            writing.add(one, Parsed(TRAIL, trail(one, "e1"), [reject(1)]), "1", unique_ids=True)
            writing.finish(one, State.FAILED, "connection lost")
            writing.add(two, Parsed(TRAIL, trail(two, "e1")), "1", unique_ids=True)
            writing.finish(two, State.COMMITTED)
            rows = writing.commit()
        assert [(row.records, row.events, row.duplicates) for row in rows] == [(0, 0, 0), (1, 1, 0)]
        assert [hit.object for hit in found(store, TRAIL)] == [two.source.id]
        assert list(store.rejects()) == []

    def test_keys_may_hold_bytes_that_are_no_text(self, store: Store) -> None:
        one = delivery(b'AWSLogs/\xff\xfe it\'s \x00 "$name" %s ../../x.gz'.decode("utf-8", "surrogateescape"))
        put(store, (one, Parsed(TRAIL, trail(one, "e1"), [reject(1)])))
        assert store.ledger()[one.source.id].key == one.source.key
        assert [stored.key for stored in store.rejects()] == [one.source.key]

    def test_a_big_object_in_many_blocks_is_one_row(self, store: Store) -> None:
        one = delivery("big")
        blocks = [Parsed(FLOW, flows(one, 500, first=500 * at), skipped=1) for at in range(8)]
        (row,) = put(store, (one, [*blocks, Parsed(FLOW, None, damaged="cut off")]), state=State.DAMAGED)
        assert (row.state, row.records, row.events, row.skipped) == (State.DAMAGED, 4008, 4000, 8)
        assert (row.first, row.last) == (START, START + timedelta(seconds=3999))
        assert [hit.event_id.rpartition("-")[2] for hit in found(store, FLOW)] == [str(at) for at in range(4000)]

    # Duplicates

    def test_an_event_that_another_object_brought_is_a_duplicate(self, store: Store) -> None:
        one, two, three = delivery("a"), delivery("b"), delivery("c")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        rows = put(
            store,
            (two, Parsed(TRAIL, trail(two, "e1", "e2", "e3"))),
            (three, Parsed(TRAIL, trail(three, "e1", "x", "e3"))),
        )
        assert [(row.events, row.duplicates) for row in rows] == [(3, 2), (3, 2)]
        assert sorted((hit.event_id, hit.object) for hit in found(store, TRAIL)) == [
            ("e1", one.source.id),
            ("e2", one.source.id),
            ("e3", two.source.id),
            ("x", three.source.id),
        ]

    def test_a_record_that_an_object_repeats_is_a_duplicate(self, store: Store) -> None:
        one = delivery("a")
        blocks = [Parsed(TRAIL, trail(one, "e1", "e2")), Parsed(TRAIL, trail(one, "e1", "e3"))]
        (row,) = put(store, (one, blocks))
        assert (row.records, row.events, row.duplicates) == (4, 4, 1)
        assert ids(store) == ["e1", "e2", "e3"]

    def test_an_id_at_another_time_is_another_event(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        (row,) = put(store, (two, Parsed(TRAIL, trail(two, "x", "e1"))))
        assert row.duplicates == 0

    @pytest.mark.parametrize("together", [True, False])
    def test_an_object_with_the_bytes_of_another_holds_only_duplicates(self, store: Store, together: bool) -> None:
        one, two = delivery("a", "same"), delivery("b", "same")
        objects = [(of, Parsed(FLOW, flows(of, 3), [reject(3)])) for of in (one, two)]
        rows = put(store, *objects) if together else [row for each in objects for row in put(store, each)]
        assert [(row.events, row.rejects, row.duplicates) for row in rows] == [(3, 1, 0), (3, 1, 3)]
        assert [hit.object for hit in found(store, FLOW)] == [one.source.id] * 3
        assert waiting(store, FLOW) == [one.source.id]

    def test_a_duplicate_that_was_committed_meanwhile_is_found(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        with store.writing(NOW) as late:
            late.add(two, Parsed(TRAIL, trail(two, "e1", "x")), "1", unique_ids=True)
            late.finish(two, State.COMMITTED)
            put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
            (row,) = late.commit()
        assert (row.events, row.duplicates) == (2, 1)
        assert ids(store) == ["e1", "x"]

    # Rejects

    def test_rejects_are_kept_whole_oldest_object_first(self, store: Store) -> None:
        one, two = delivery("z"), delivery("a")
        put(store, (one, [Parsed(FLOW, None, [reject(0)]), Parsed(FLOW, None, [reject(1)])]))
        put(store, (two, Parsed(FLOW, None, [reject(7)])))
        assert list(store.rejects()) == [
            StoredReject(of.source.id, "logs", of.source.key, FLOW, "1", reject(ordinal))
            for of, ordinal in [(one, 0), (one, 1), (two, 7)]
        ]

    def test_replay_stores_events_and_moves_counts(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(FLOW, flows(one, 2), [reject(2), reject(3), reject(4)])))
        better = Parsed(FLOW, flows(one, 1, first=2), [reject(3)], skipped=1)
        assert store.replay(list(store.rejects()), better, NOW, "2") == 1
        row = store.ledger()[one.source.id]
        assert (row.records, row.events, row.rejects, row.skipped, row.duplicates) == (5, 3, 1, 1, 0)
        assert row.last == START + timedelta(seconds=2)
        assert [(stored.reject, stored.parser_version) for stored in store.rejects()] == [(reject(3), "2")]
        assert len(found(store, FLOW)) == 3

    def test_replay_again_changes_nothing(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(FLOW, None, [reject(0)])))
        stored = list(store.rejects())
        assert store.replay(stored, Parsed(FLOW, flows(one, 1)), NOW) == 1
        row = store.ledger()
        assert store.replay(stored, Parsed(FLOW, flows(one, 1)), NOW) == 0
        assert store.ledger() == row
        assert len(found(store, FLOW)) == 1

    def test_replay_knows_duplicates(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        put(store, (two, Parsed(TRAIL, None, [reject(0), reject(1)])))
        assert store.replay(list(store.rejects()), Parsed(TRAIL, trail(two, "e1", "e2")), NOW) == 1
        row = store.ledger()[two.source.id]
        assert (row.records, row.events, row.rejects, row.duplicates) == (2, 2, 0, 1)
        assert ids(store) == ["e1", "e2"]

    # Search

    def test_hits_come_in_order_of_time_then_id(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "z", "b", start=START + timedelta(days=1)))))
        put(store, (two, [Parsed(TRAIL, trail(two, "y")), Parsed(TRAIL, trail(two, "x"))]))
        assert ids(store) == ["x", "y", "z", "b"]

    def test_search_keeps_to_objects_and_times(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "a0", "a1", "a2"))), (two, Parsed(TRAIL, trail(two, "b0", "b1"))))
        assert ids(store, objects=[two.source.id]) == ["b0", "b1"]
        assert ids(store, objects=[]) == []
        assert ids(store, objects=["unknown"]) == []
        second = START + timedelta(seconds=1)
        assert ids(store, since=second) == ["a1", "b1", "a2"]
        assert ids(store, until=second) == ["a0", "b0"]
        assert ids(store, since=second, until=second + timedelta(microseconds=1), objects=[one.source.id]) == ["a1"]
        assert ids(store, since=START + timedelta(days=9)) == []

    def test_hits_say_where_they_are_from(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        assert found(store, TRAIL) == [Hit("e1", START, TRAIL, one.source.id, None)]
        assert found(store, FLOW) == []

    @pytest.mark.parametrize(("exact", "asked"), [(False, False), (True, True), (False, True)])
    def test_documents_are_what_was_written(self, store: Store, exact: bool, asked: bool) -> None:
        one, two = delivery("a"), delivery("b")
        a, b = (
            trail(one, "e1", "e2", more={"event.action": "ü\u2028\x00"}),
            trail(two, "e3", more={"source.port": 2**62}),
        )
        put(store, (one, Parsed(TRAIL, a)))
        put(store, (two, Parsed(TRAIL, b)))
        hits = list(store.search([replace(every(store), exact=exact)], documents=asked))
        assert [hit.document for hit in sorted(hits, key=lambda hit: hit.event_id)] == decoded(a) + decoded(b)

    def test_documents_of_delimited_logs_are_what_was_written(self, store: Store) -> None:
        one = delivery("a")
        batch = flows(one, 3, more={"event.start": "1969-12-31T23:59:59.000001Z", "aws.vpcflow.Odd": "x"})
        put(store, (one, Parsed(FLOW, batch)))
        assert [hit.document for hit in found(store, FLOW, documents=True)] == decoded(batch)

    def test_many_documents_come_in_order(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        batches = [flows(one, 5000), flows(two, 5000, start=START + timedelta(milliseconds=500))]
        put(store, *[(of, Parsed(FLOW, batch)) for of, batch in zip((one, two), batches, strict=True)])
        expected = sorted(decoded(batches[0]) + decoded(batches[1]), key=lambda document: document["event.id"])
        documents = [hit.document or {} for hit in found(store, FLOW, documents=True)]
        assert sorted(documents, key=lambda document: document["event.id"]) == expected
        hits = found(store, FLOW)
        assert [hit.event_id for hit in hits] == [document["event.id"] for document in documents]
        assert [hit.timestamp for hit in hits] == sorted(hit.timestamp for hit in hits)

    def test_columns_may_differ_from_batch_to_batch(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        a, b = (
            flows(one, 1, more={"event.action": "accept"}),
            flows(two, 1, more={"aws.vpcflow.flow-direction": "egress"}),
        )
        put(store, (one, [Parsed(FLOW, a), Parsed(FLOW, flows(one, 1, first=1))]), (two, Parsed(FLOW, b)))
        documents = [hit.document for hit in found(store, FLOW, documents=True)]
        assert len(documents) == 3
        assert decoded(a)[0] in documents
        assert decoded(b)[0] in documents

    # Sums

    def test_who_has_sent_is_told_by_dataset_and_place(self, store: Store) -> None:
        assert store.heard() == []
        hour = timedelta(hours=1)
        prefix = "AWSLogs/123456789012/CloudTrail/us-east-1"
        one, other = delivery(f"{prefix}/2026/11/01/a"), delivery(f"{prefix}/2026/11/02/b")
        flow, gone = delivery("f\udcff/flow"), delivery("gone/x")
        put(store, (one, Parsed(TRAIL, trail(one, "a"))))
        put(store, (flow, Parsed(FLOW, flows(flow, 1))), now=NOW + hour)
        put(store, (other, Parsed(TRAIL, None, [reject(0)])), state=State.DAMAGED, now=NOW + 2 * hour)
        put(store, (one, Parsed(TRAIL, trail(one, "a"))), now=NOW + 3 * hour)  # again is nothing
        with store.writing(NOW) as writing:
            writing.finish(gone, State.DENIED, dataset=TRAIL)
            writing.commit()
        assert store.heard() == [
            Heard(TRAIL, f"logs/{prefix}", "123456789012", NOW, NOW + 2 * hour),
            Heard(FLOW, "logs/f\\xff", None, NOW + hour, NOW + hour),
        ]

    def test_stats_add_up(self, store: Store) -> None:
        one, two, odd = delivery("a"), delivery("b"), delivery("odd")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"), [reject(2)], skipped=1)))
        put(store, (two, Parsed(TRAIL, trail(two, "e1", "e9"))))
        put(store, (odd, []), state=State.UNRECOGNISED)
        nothing, sums = store.stats()
        assert nothing == DatasetStats(None, 1, 0, 0, 0, 0, 0, 0, None, None)
        assert sums.bytes > 0
        last = START + timedelta(seconds=1)
        assert replace(sums, bytes=0) == DatasetStats(TRAIL, 2, 6, 3, 1, 1, 1, 0, START, last)
        assert sums.records == sums.events + sums.duplicates + sums.rejects + sums.skipped
        assert all(row.records == row.events + row.rejects + row.skipped for row in store.ledger().values())

    def test_rows_can_be_asked_for_by_object(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))), (two, Parsed(TRAIL, trail(two, "e2"))))
        assert list(store.ledger([two.source.id, "unknown"])) == [two.source.id]
        assert store.ledger([]) == {}
