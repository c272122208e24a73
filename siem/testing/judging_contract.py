# ruff: noqa: S101 (these are tests)
"""What every store promises to detection, as tests: a part of `siem.testing.store_contract`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from siem.parsing.batch import Parsed
from siem.store.contract import Again, Alert, Judged, Progress, Signal, Store
from siem.store.handling import MERGED
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    as_it_stands,
    delivery,
    flows,
    put,
    reject,
    trail,
    waiting,
)
from siem.testing.opening import Opening

ANN, BOB = {"user.name": "ann", "cloud.account.id": "1"}, {"user.name": "bob"}
SIGNAL = Signal("r", "e1", START, "o", TRAIL, "f", ANN)
ALERT = Alert("1", "r", "Title", "high", ("attack.t1078",), ANN, START, START, 1, ("e1",))


class Settled:
    """Makes what it is told, and remembers what it was asked."""

    def __init__(self, *alerts: Alert) -> None:
        self.alerts = alerts
        self.asked: list[tuple[str, list[Signal], list[Alert]]] = []

    def __call__(self, rule: str, signals: Sequence[Signal], standing: Sequence[Alert]) -> Sequence[Alert]:
        self.asked.append((rule, list(signals), list(standing)))
        return self.alerts


class JudgingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    # Objects

    def test_a_new_store_has_nothing_to_judge(self, store: Store) -> None:
        assert (store.pending(TRAIL), store.progress(), store.owed(TRAIL)) == ([], Progress(), {})
        assert (store.signals("r", ANN), store.alerts(), store.alerts(merged=True)) == ([], [], [])

    def test_pending_are_a_datasets_objects_with_events_in_the_order_of_turns(self, store: Store) -> None:
        z, a, empty, flow = delivery("z"), delivery("a"), delivery("empty"), delivery("flow")
        put(store, (z, Parsed(TRAIL, trail(z, "e1"))), (flow, Parsed(FLOW, flows(flow, 1))))
        put(store, (a, Parsed(TRAIL, trail(a, "e2"))), (empty, Parsed(TRAIL, None, [reject(0)])))
        first, second = store.pending(TRAIL)
        assert [first.object, second.object] == [z.source.id, a.source.id]
        assert 0 < first.turn < second.turn == store.progress().last[TRAIL] == store.progress().turn
        assert store.progress().last.keys() == {TRAIL, FLOW}
        assert store.pending(TRAIL, first.turn) == [second]
        assert store.pending(TRAIL, most=1) == [first]
        assert store.pending(TRAIL, second.turn) == []
        assert waiting(store, FLOW) == [flow.source.id]

    def test_objects_of_one_commit_have_turns_of_their_own(self, store: Store) -> None:
        objects = [delivery(str(number)) for number in range(5)]
        put(store, *[(of, Parsed(FLOW, flows(of, 1))) for of in objects])
        assert len({of.turn for of in store.pending(FLOW)}) == 5

    def test_a_replay_that_adds_events_gives_a_later_turn(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(FLOW, flows(one, 2), [reject(2), reject(3)])), (two, Parsed(FLOW, flows(two, 1))))
        before, last = store.pending(FLOW)
        store.replay([next(store.rejects())], Parsed(FLOW, None, skipped=1), NOW)
        assert store.pending(FLOW) == [before, last]
        store.replay(list(store.rejects()), Parsed(FLOW, flows(one, 1, first=3)), NOW)
        assert [of.object for of in store.pending(FLOW, last.turn)] == [one.source.id]

    def test_marks_are_of_a_rule_and_a_dataset_and_never_go_back(self, store: Store, place: Path) -> None:
        store.mark(Judged(marks={("r", TRAIL): 7, ("s", TRAIL): 3, ("r", FLOW): 1}), as_it_stands)
        store.mark(Judged(marks={("r", TRAIL): 5, ("s", TRAIL): 4}), as_it_stands)
        other = self.opened(place)
        assert other.progress().marks == {TRAIL: {"r": 7, "s": 4}, FLOW: {"r": 1}}
        other.close()

    def test_what_is_owed_stays_until_it_is_paid(self, store: Store) -> None:
        z, a, flow = delivery("z"), delivery("a"), delivery("flow")
        put(store, *[(of, Parsed(TRAIL, trail(of, of.source.key))) for of in (z, a)])
        put(store, (flow, Parsed(FLOW, flows(flow, 1))))
        owed = [("r", of.source.id) for of in (a, z, flow)]
        store.mark(Judged(owed=[*owed, ("s", z.source.id)]), as_it_stands)
        store.mark(Judged(owed=owed), as_it_stands)
        assert store.owed(TRAIL) == {"r": [z.source.id, a.source.id], "s": [z.source.id]}
        assert store.progress().owing
        store.mark(Judged(paid=[("r", z.source.id), ("s", "unknown")]), as_it_stands)
        assert store.owed(TRAIL) == {"r": [a.source.id], "s": [z.source.id]}
        assert store.owed(FLOW) == {"r": [flow.source.id]}
        assert store.progress().owing
        store.mark(Judged(paid=[("r", a.source.id), ("r", flow.source.id), ("s", z.source.id)]), as_it_stands)
        assert not store.progress().owing

    # Signals

    def test_signals_are_kept_once_and_come_by_rule_and_group(self, store: Store) -> None:
        early, late, bob = replace(SIGNAL, event_id="e2"), replace(SIGNAL, timestamp=NOW), replace(SIGNAL, group=BOB)
        bob = replace(bob, event_id="e9")
        store.mark(Judged([late, early, bob]), as_it_stands)
        store.mark(Judged([late, early]), as_it_stands)
        assert store.signals("r", dict(reversed(ANN.items()))) == [early, late]
        assert store.signals("r", BOB) == [bob]
        assert store.signals("other", ANN) == []

    def test_an_id_at_another_time_is_another_signal(self, store: Store) -> None:
        late = replace(SIGNAL, timestamp=NOW)
        store.mark(Judged([late]), as_it_stands)
        store.mark(Judged([SIGNAL]), as_it_stands)
        assert store.signals("r", ANN) == [SIGNAL, late]

    def test_a_signal_again_takes_the_newer_group_and_fingerprint(self, store: Store) -> None:
        moved = replace(SIGNAL, group=BOB, fingerprint="g")
        store.mark(Judged([SIGNAL]), as_it_stands)
        settle = Settled()
        store.mark(Judged([moved]), settle)
        assert (store.signals("r", ANN), store.signals("r", BOB)) == ([], [moved])
        assert settle.asked == [("r", [moved], [])]  # of both groups

    def test_judging_again_replaces_the_rules_signals_of_the_span(self, store: Store) -> None:
        one, late = delivery("one"), delivery("late")
        put(store, (one, Parsed(TRAIL, trail(one, "x"))))
        turn = store.progress().turn
        put(store, (late, Parsed(TRAIL, trail(late, "y"))))
        hour = timedelta(hours=1)
        inside = replace(SIGNAL, object=one.source.id)
        others = [
            replace(inside, event_id="before", timestamp=START - hour),
            replace(inside, event_id="after", timestamp=START + hour),
            replace(inside, event_id="meanwhile", object=late.source.id),
            replace(inside, event_id="elsewhere", dataset=FLOW),
        ]
        other_rule = replace(inside, rule_id="s")
        store.mark(Judged([inside, other_rule, *others]), as_it_stands)
        new = replace(inside, event_id="new")
        store.mark(Judged([new], Again("r", [TRAIL], START, START + hour, turn)), as_it_stands)
        assert {signal.event_id for signal in store.signals("r", ANN)} == {
            "new",
            *[signal.event_id for signal in others],
        }
        assert store.signals("s", ANN) == [other_rule]
        settle = Settled()
        store.mark(Judged([], Again("r", [TRAIL, FLOW], None, None, store.progress().turn)), settle)
        assert store.signals("r", ANN) == []
        assert settle.asked == [("r", [], [])]

    def test_of_signals_within_something_only_the_first_of_a_group_is_kept(self, store: Store) -> None:
        late = replace(SIGNAL, timestamp=NOW, within={"cloud.account.id": "1"}, values={"user.name": ["ann"]})
        first, tie = replace(late, timestamp=START, event_id="e5"), replace(late, timestamp=START, event_id="e6")
        bob = replace(late, group=BOB)  # of the same event
        settle = Settled()
        store.mark(Judged([late, bob, late]), settle)
        assert settle.asked == [("r", [late, bob], [])]
        store.mark(Judged([tie]), as_it_stands)
        store.mark(Judged([late, first, tie, bob]), as_it_stands)
        assert store.signals("r", {"cloud.account.id": "1"}) == [first, bob]
        assert store.signals("r", ANN) == []

    def test_signals_within_something_are_settled_together_and_only_when_a_first_changes(self, store: Store) -> None:
        ann = replace(SIGNAL, within={"cloud.account.id": "1"})
        bob, other = replace(ann, group=BOB), replace(ann, within={"cloud.account.id": "2"})
        alert = replace(ALERT, within=ann.within)
        assert store.mark(Judged([ann]), Settled(alert)) == {alert.id}
        settle = Settled(alert)
        assert store.mark(Judged([ann, replace(ann, timestamp=NOW)]), settle) == set()
        assert settle.asked == []
        store.mark(Judged([bob]), settle)
        assert settle.asked == [("r", [ann, bob], [alert])]
        settle = Settled()
        store.mark(Judged([other]), settle)
        assert settle.asked == [("r", [other], [])]

    def test_a_first_that_is_judged_again_leaves_what_was_before_the_span(self, store: Store) -> None:
        one = delivery("one")
        put(store, (one, Parsed(TRAIL, trail(one, "x"))))
        hour = timedelta(hours=1)
        ann = replace(SIGNAL, within={}, object=one.source.id)
        bob = replace(ann, group=BOB, timestamp=START + 2 * hour)
        store.mark(Judged([ann, bob]), as_it_stands)
        again = [replace(signal, timestamp=START + 3 * hour) for signal in (ann, bob)]
        store.mark(Judged(again, Again("r", [TRAIL], START + hour, None, store.progress().turn)), as_it_stands)
        assert store.signals("r", {}) == [ann, again[1]]

    # Alerts

    def test_alerts_are_settled_from_all_signals_of_the_groups_that_changed(self, store: Store) -> None:
        late = replace(SIGNAL, event_id="e2", timestamp=NOW)
        assert store.mark(Judged([SIGNAL]), Settled(ALERT)) == {ALERT.id}
        store.mark(Judged([replace(SIGNAL, group=BOB, event_id="e9")]), as_it_stands)
        settle, grown = Settled(replace(ALERT, count=2)), replace(ALERT, count=2)
        assert store.mark(Judged([late]), settle) == {ALERT.id}
        assert settle.asked == [("r", [SIGNAL, late], [ALERT])]
        assert store.mark(Judged([late]), settle) == set()
        assert store.mark(Judged(marks={("r", TRAIL): 1}), settle) == set()
        assert len(settle.asked) == 2
        assert store.alerts() == [grown]

    def test_alerts_are_settled_with_what_others_stored_meanwhile(self, store: Store, place: Path) -> None:
        late = replace(SIGNAL, event_id="e2", timestamp=NOW)
        other = self.opened(place)
        assert store.signals("r", ANN) == other.signals("r", ANN) == []
        other.mark(Judged([SIGNAL]), Settled(ALERT))
        settle = Settled(ALERT)
        store.mark(Judged([late]), settle)
        assert settle.asked == [("r", [SIGNAL, late], [ALERT])]
        other.close()

    def test_an_error_while_settling_leaves_everything_as_it_was(self, store: Store) -> None:
        def fails(*asked: object) -> Sequence[Alert]:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            store.mark(Judged([SIGNAL], marks={("r", TRAIL): 1}), fails)
        assert (store.signals("r", ANN), store.progress().marks) == ([], {})

    def test_alerts_of_a_rule_that_is_not_known_stay(self, store: Store) -> None:
        store.mark(Judged([SIGNAL]), Settled(ALERT))
        assert store.mark(Judged([replace(SIGNAL, event_id="e2")]), lambda *given: None) == set()
        assert store.alerts() == [ALERT]

    def test_alerts_come_newest_first_until_they_are_not_wanted(self, store: Store) -> None:
        new = replace(ALERT, id="2", last=NOW, state="closed")
        store.mark(Judged([SIGNAL]), Settled(ALERT, new))
        assert store.alerts() == [new, ALERT]
        assert store.mark(Judged([SIGNAL]), Settled(ALERT)) == set()
        assert store.alerts() == [ALERT]

    def test_merged_alerts_come_only_if_asked_for(self, store: Store) -> None:
        merged = replace(ALERT, id="2", state=MERGED, merged_into="1", last=NOW)
        assert store.mark(Judged([SIGNAL]), Settled(ALERT, merged)) == {"1"}
        assert store.alerts() == [ALERT]
        assert store.alerts(merged=True) == [merged, ALERT]
