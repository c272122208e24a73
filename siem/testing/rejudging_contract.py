# ruff: noqa: S101 (these are tests)
"""What every store promises of judging objects again that were parsed again, as tests; `StoreContract` has them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, Judged, Signal, Store
from siem.testing.deliveries import (
    START,
    TRAIL,
    as_it_stands,
    delivery,
    found,
    put,
    reject,
    trail,
    waiting,
)
from siem.testing.judging_contract import ANN, BOB, Settled
from siem.testing.opening import Opening
from siem.testing.reparsing_contract import LIMIT, MENDED, OLD, reparse


def judged(store: Store, *signals: Signal, rule: str = "r") -> set[str]:
    """A pass of a rule over all that it has not judged, which finds these; alerts that are new or of another count."""
    turn = max(of.turn for of in store.pending(TRAIL))
    return store.mark(Judged(signals, marks={(rule, TRAIL): turn}), as_it_stands)


def signal(of: Delivery, event: str, at: int = 0) -> Signal:
    """A signal of the event of `trail(of, …)` that comes so many seconds after the first."""
    return Signal("r", event, START + timedelta(seconds=at), of.source.id, TRAIL, "f", ANN)


class RejudgingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    def test_without_judge_turns_and_signals_stay(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), (two, Parsed(TRAIL, trail(two, "x"))))
        judged(store, signal(one, "e1"), signal(one, "e2", 1))
        progress = store.progress()
        reparse(store, (one, Parsed(TRAIL, trail(one, "e1", more=MENDED), [reject(1)])))
        assert (store.progress(), waiting(store)) == (progress, [])
        assert store.signals("r", ANN) == [signal(one, "e1"), signal(one, "e2", 1)]

    def test_an_object_that_was_not_judged_yet_still_is(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))), (two, Parsed(TRAIL, trail(two, "x"))))
        store.mark(Judged(marks={("s", TRAIL): store.progress().turn}), as_it_stands)
        for _ in range(2):
            reparse(store, (one, Parsed(TRAIL, trail(one, "e1", more=MENDED))))
            assert sorted(waiting(store)) == sorted([one.source.id, two.source.id])
        assert two.source.id not in waiting(store, rule="s")
        assert found(store, TRAIL, objects=[one.source.id])[0].event_id == "e1"

    @pytest.mark.parametrize("judge", [True, False])
    def test_an_object_that_had_no_events_is_judged_when_it_has_some(self, store: Store, judge: bool) -> None:
        none, same, other = delivery("none"), delivery("same"), delivery("other")
        put(store, (other, Parsed(TRAIL, trail(other, "x"))))
        put(store, (none, Parsed(TRAIL, None, [reject(0)])), (same, Parsed(TRAIL, trail(same, "x"))))
        judged(store)
        put(store, (delivery("late"), Parsed(TRAIL, trail(delivery("late"), "late"))))
        judged(store)
        reparse(store, (none, Parsed(TRAIL, trail(none, "n"))), (same, Parsed(TRAIL, trail(same, "y"))), judge=judge)
        assert sorted(waiting(store)) == sorted([none.source.id, same.source.id])

    def test_with_judge_an_object_is_judged_again(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), (two, Parsed(TRAIL, trail(two, "x"))))
        judged(store, signal(one, "e1"))
        turn = store.progress().turn
        reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2", more=MENDED))), judge=True)
        assert waiting(store) == [one.source.id]
        assert store.progress().turn == store.progress().last[TRAIL] > turn
        assert store.signals("r", ANN) == [signal(one, "e1")]  # until it is judged
        judged(store, signal(one, "e1"))
        assert waiting(store) == []

    def test_with_judge_signals_are_those_that_are_found_then(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2", "e3"))), (two, Parsed(TRAIL, trail(two, "x"))))
        others = [signal(two, "x"), replace(signal(one, "e2", 1), rule_id="s")]
        judged(store, signal(one, "e1"), signal(one, "e2", 1), replace(signal(one, "e3", 2), group=BOB), *others)
        store.mark(Judged(marks={("s", TRAIL): store.progress().turn}), as_it_stands)
        reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e9", "e3"))), judge=True)
        settle = Settled()
        turn = store.pending(TRAIL)[-1].turn
        again = [signal(one, "e1"), signal(one, "e9", 1)]
        store.mark(Judged(again, marks={("r", TRAIL): turn}), settle)
        kept = [*again, signal(two, "x")]
        assert sorted(store.signals("r", ANN), key=str) == sorted(kept, key=str)
        assert (store.signals("r", BOB), store.signals("s", ANN)) == ([], others[1:])
        asked = [signal for _, signals, _ in settle.asked for signal in signals]
        assert (sorted(asked, key=str), {rule for rule, *_ in settle.asked}) == (sorted(kept, key=str), {"r"})
        store.mark(Judged(marks={("s", TRAIL): turn}), as_it_stands)
        assert store.signals("s", ANN) == []
        assert sorted(store.signals("r", ANN), key=str) == sorted(kept, key=str)

    def test_with_judge_an_object_without_events_any_more_is_judged_too(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        judged(store, signal(one, "e1"))
        reparse(store, (one, Parsed(TRAIL, None, [reject(0)])), judge=True)
        (waits,) = store.pending(TRAIL, store.progress().marks[TRAIL]["r"])
        assert (waits.object, waits.turn) == (one.source.id, store.progress().last[TRAIL])
        assert found(store, TRAIL, objects=[one.source.id]) == []
        judged(store)
        assert (waiting(store), store.signals("r", ANN)) == ([], [])

    def test_with_judge_what_a_rule_owes_is_replaced_when_it_is_paid(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        judged(store, signal(one, "e1"), signal(one, "e2", 1))
        reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), judge=True)
        turn = store.progress().turn
        store.mark(Judged(marks={("r", TRAIL): turn}, owed=[("r", one.source.id)]), as_it_stands)
        assert store.owed(TRAIL) == {"r": [one.source.id]}
        assert store.signals("r", ANN) == [signal(one, "e1"), signal(one, "e2", 1)]
        store.mark(Judged([signal(one, "e2", 1)], paid=[("r", one.source.id)]), as_it_stands)
        assert store.signals("r", ANN) == [signal(one, "e2", 1)]

    def test_with_judge_what_a_correlation_has_of_a_rule_that_errs_stays_until_it_pays(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))))
        of_r = [replace(signal(one, f"e{at}", at - 1), rule_id="c", matched="r") for at in (1, 2)]
        of_s = [replace(one, matched="s") for one in of_r]
        judged(store, *of_r, *of_s, rule="c")
        reparse(store, (one, Parsed(TRAIL, trail(one, "e1", "e2"))), judge=True)
        turn = store.progress().turn
        store.mark(Judged(of_s[:1], marks={("c", TRAIL): turn}, owed=[("r", one.source.id)]), as_it_stands)
        assert sorted(store.signals("c", ANN), key=str) == sorted([*of_r, of_s[0]], key=str)
        store.mark(Judged(of_r[1:], paid=[("r", one.source.id)]), as_it_stands)
        assert sorted(store.signals("c", ANN), key=str) == sorted([of_r[1], of_s[0]], key=str)

    def test_with_judge_what_a_rule_had_found_stays_while_it_is_off(self, store: Store) -> None:
        one = delivery("a")
        put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
        judged(store, signal(one, "e1"))
        reparse(store, (one, Parsed(TRAIL, trail(one, "e1"))), judge=True)
        turn = store.progress().turn
        store.mark(Judged(passed={("r", TRAIL): turn}), as_it_stands)
        assert store.signals("r", ANN) == [signal(one, "e1")]
        assert store.progress().marks[TRAIL]["r"] == turn

    def test_with_judge_signals_of_dropped_events_stay(self, store: Store) -> None:
        both = delivery("both")
        put(store, (both, [Parsed(TRAIL, trail(both, "o", start=OLD)), Parsed(TRAIL, trail(both, "n"))]))
        dropped = replace(signal(both, "o"), timestamp=OLD)
        judged(store, dropped, signal(both, "n"))
        store.retain({TRAIL: LIMIT})
        reparse(store, (both, Parsed(TRAIL, trail(both, "n"))), judge=True)
        judged(store)
        assert store.signals("r", ANN) == [dropped]
