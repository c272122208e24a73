# ruff: noqa: S101 (these are tests)
"""What every store promises to people who work on alerts, as tests: a part of `siem.testing.store_contract`."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from siem.store.contract import Alert, Judged, Signal, Store
from siem.store.handling import ACKNOWLEDGED, CLOSED, MERGED, OPEN, Action, Disposition, Verb
from siem.testing.deliveries import NOW, START, TRAIL
from siem.testing.judging_contract import ALERT, ANN, BOB, SIGNAL, Settled
from siem.testing.opening import Opening

HOUR = timedelta(hours=1)
WHOLE = replace(
    ALERT,
    text="Ann did \U0001f4a5 {this}",
    values={"user.name": ("ann", "Ann"), "source.ip": ("192.0.2.1",)},
    after_hours=True,
    history=True,
    tier="report",
    channel="night",
)
"""An alert with everything that detection says of it."""

SEEN = Action("1", ALERT.id, "r", Verb.ACKNOWLEDGE, "ann", NOW, "I look at it")
DONE = Action("2", ALERT.id, "r", Verb.CLOSE, "bob", NOW + HOUR, "a drill; 'quoted'", Disposition.TEST)


class HandlingContract(Opening):
    """See `siem.testing.store_contract.StoreContract`."""

    def raised(self, store: Store, *alerts: Alert) -> None:
        store.mark(Judged([SIGNAL]), Settled(*alerts))

    def test_an_alert_keeps_all_that_is_said_of_it(self, store: Store) -> None:
        self.raised(store, WHOLE)
        assert (store.alert(WHOLE.id), store.alerts()) == (WHOLE, [WHOLE])
        assert store.alert("other") is None

    def test_signals_keep_values_and_whether_they_are_history(self, store: Store) -> None:
        signal = replace(SIGNAL, values={"user.name": ("ann",), "a.b": ("1", "2")}, history=True)
        store.mark(Judged([signal]), Settled())
        (kept,) = store.signals("r", ANN)
        assert (kept.history, {name: tuple(texts) for name, texts in kept.values.items()}) == (True, signal.values)

    def test_an_action_changes_the_alert_and_stays_in_the_log(self, store: Store, place: Path) -> None:
        self.raised(store, WHOLE)
        (seen,) = store.act([SEEN])
        assert seen == replace(WHOLE, state=ACKNOWLEDGED, author="ann", note="I look at it", changed=NOW)
        (closed,) = store.act([DONE])
        assert (closed.state, closed.disposition, closed.author) == (CLOSED, Disposition.TEST, "bob")
        (opened,) = store.act([replace(SEEN, id="3", verb=Verb.REOPEN, time=NOW + 2 * HOUR)])
        assert (opened.state, opened.disposition) == (OPEN, None)
        other = self.opened(place)
        assert other.alerts() == [opened]
        assert [action.id for action in other.actions()] == ["1", "2", "3"]
        assert other.actions([WHOLE.id])[:2] == [SEEN, DONE]
        assert (other.actions(["other"]), other.actions([])) == ([], [])
        other.close()

    def test_an_exception_is_logged_and_leaves_the_alert(self, store: Store) -> None:
        self.raised(store, ALERT)
        excepted = replace(SEEN, verb=Verb.EXCEPT)
        assert store.act([excepted]) == [ALERT]
        assert store.actions() == [excepted]

    def test_the_same_action_again_is_the_same_also_after_others(self, store: Store) -> None:
        self.raised(store, ALERT)
        store.act([SEEN])
        (closed,) = store.act([DONE])
        assert store.act([SEEN]) == [closed]
        assert store.actions() == [SEEN, DONE]

    def test_several_alerts_are_handled_together(self, store: Store) -> None:
        two = replace(ALERT, id="2", last=NOW)
        self.raised(store, ALERT, two)
        left = store.act([SEEN, replace(SEEN, id="b", alert="2"), replace(SEEN, id="c", alert="unknown")])
        assert [(alert.id, alert.state) for alert in left] == [("1", ACKNOWLEDGED), ("2", ACKNOWLEDGED)]
        assert [action.id for action in store.actions()] == ["1", "b"]

    def test_an_action_on_a_merged_alert_is_on_its_survivor(self, store: Store) -> None:
        self.raised(store, ALERT, replace(ALERT, id="2", state=MERGED, merged_into=ALERT.id))
        (left,) = store.act([replace(SEEN, alert="2")])
        assert (left.id, left.state) == (ALERT.id, ACKNOWLEDGED)
        assert store.actions() == [SEEN]

    def test_detection_is_asked_with_what_people_did(self, store: Store) -> None:
        self.raised(store, ALERT)
        (closed,) = store.act([DONE])
        settle = Settled(closed)
        late = Signal("r", "e2", START + HOUR, "o", TRAIL, "f", ANN)
        store.mark(Judged([late]), settle)
        assert settle.asked == [("r", [SIGNAL, late], [closed])]
        assert store.mark(Judged([replace(SIGNAL, group=BOB, event_id="e9")]), Settled()) == set()
        assert store.alerts() == [closed]
