# ruff: noqa: S101 (these are tests)
"""What every store keeps for schedulers, as tests; `StoreContract` has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from siem.parsing.batch import Parsed
from siem.store.contract import Store
from siem.store.scheduling import Lease, Pass
from siem.testing.deliveries import NOW, TRAIL, delivery, put, trail
from siem.testing.opening import Opening

DONE = Pass(NOW, 0.25, objects=3, events=40, rules=56, signals=2, alerts=1, errors={"": "a", "x.y": "b"}, holder="me")


class SchedulingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    # Leases

    def test_nobody_has_a_lease_of_a_new_store(self, store: Store) -> None:
        assert store.lease("work") is None

    def test_a_lease_is_taken_renewed_and_given_back(self, store: Store, place: Path) -> None:
        mine = store.take("work", "me", None)
        assert mine == store.lease("work") == Lease("work", "me", mine.version if mine else 0)
        renewed = store.take("work", "me", mine)
        assert renewed is not None
        assert renewed != mine
        other = self.opened(place)
        assert other.lease("work") == renewed
        assert store.take("work", "", renewed) == other.lease("work")
        free = other.lease("work")
        assert free is not None
        assert free.holder == ""
        assert other.take("work", "other", free) == store.lease("work")
        other.close()

    def test_of_two_that_saw_the_same_one_takes_it(self, store: Store, place: Path) -> None:
        other = self.opened(place)
        assert store.take("work", "me", None) is not None
        assert other.take("work", "other", None) is None
        seen = other.lease("work")
        taken = other.take("work", "other", seen)
        assert taken is not None
        assert store.take("work", "me", seen) is None
        assert store.lease("work") == taken
        other.close()

    def test_a_lease_that_was_never_there_cannot_be_renewed(self, store: Store) -> None:
        assert store.take("work", "me", Lease("work", "me", 1)) is None
        assert store.lease("work") is None

    def test_leases_of_two_names_have_nothing_to_do_with_each_other(self, store: Store) -> None:
        work = store.take("work", "me", None)
        assert store.take("other", "you", None) is not None
        assert store.lease("work") == work

    # Passes

    def test_passes_are_kept_newest_first_whatever_the_clock_says(self, store: Store, place: Path) -> None:
        assert store.passes(20) == []
        earlier = replace(DONE, started=NOW - timedelta(days=1), errors={}, holder="other")
        for done in (DONE, earlier):
            store.record(done)
        other = self.opened(place)
        assert other.passes(20) == [earlier, DONE]
        assert other.passes(1) == [earlier]
        other.close()

    def test_of_very_many_passes_the_last_are_kept(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("siem.store.embedded.scheduling", "siem.store.opensearch.scheduling"):
            monkeypatch.setattr(f"{module}.MOST_PASSES", 3)
        passes = [replace(DONE, objects=number) for number in range(5)]
        for done in passes:
            store.record(done)
        assert store.passes(20) == passes[:1:-1]

    # Objects

    def test_pending_objects_say_how_many_events_there_are_and_since_when(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        put(store, (two, Parsed(TRAIL, trail(two, "e1", "e3"))), now=NOW + timedelta(hours=1))
        pending = store.pending(TRAIL)
        assert [(of.events, of.committed) for of in pending] == [(2, NOW), (1, NOW + timedelta(hours=1))]
