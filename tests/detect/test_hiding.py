"""What a filter would have hidden, as people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from watched import HOUR, OTHER, RULE, closing, written

from siem.detect.hiding import affected, hidden, unlike
from siem.store.contract import Alert
from siem.store.handling import MERGED, Disposition
from siem.testing.deliveries import START


def alert(id_: str, start: timedelta = timedelta(0), count: int = 3, user: str = "ann") -> Alert:
    first = START + start
    return Alert(id_, "login", "t", "low", (), {"user.name": user}, first, first + HOUR, count, ("e",))


def test_alerts_go_shrink_and_appear_confirmed_ones_first() -> None:
    gone, confirmed, smaller, same = alert("a"), alert("b", 9 * HOUR), alert("c", 20 * HOUR), alert("d", 40 * HOUR)
    after = [
        alert("c1", 20 * HOUR, 1),
        replace(alert("c2", 20 * HOUR + 2 * HOUR / 3, 1), last=smaller.last),
        same,
        alert("n", user="bob"),
    ]
    actions = [closing(confirmed, Disposition.TRUE), closing(same, Disposition.TRUE), closing(gone, Disposition.FALSE)]
    found = hidden([gone, confirmed, smaller, same], after, [gone, confirmed, same], actions)
    assert [(one.what, one.alert.id, one.left, one.confirmed) for one in found] == [
        ("gone", "b", 0, True),
        ("gone", "a", 0, False),
        ("shrinks", "c", 2, False),
        ("appears", "n", 3, False),
    ]
    assert [one.standing and one.standing.id for one in found] == ["b", "a", None, None]


def test_an_alert_that_lost_an_event_shrinks_though_another_takes_in_as_many_of_its_neighbours() -> None:
    """`suppress: {for: 1h}` over events at 0, 20, 40 and 70 minutes, of which a filter takes the first."""
    begun, next_ = alert("a"), replace(alert("b", 7 * HOUR / 6, 1), events=("d",))
    begun = replace(begun, events=("a", "b", "c"))
    after = replace(alert("c", HOUR / 3, 3), events=("b", "c", "d"))
    found = hidden([begun, next_], [after], [], [])
    assert [(one.what, one.alert.id, one.left) for one in found] == [("shrinks", "a", 2)]


def test_what_hidden_alerts_have_and_the_excepted_one_has_not_is_told_the_rarest_first() -> None:
    def of(id_: str, start: int, address: str, **more: tuple[str, ...]) -> Alert:
        ip = ("source.address", "source.ip")
        return replace(
            alert(id_, start * HOUR), values={**dict.fromkeys(ip, (address,)), "user.name": ("ann",), **more}
        )

    mine, stolen = of("a", 0, "10.0.0.1"), of("d", 30, "192.0.2.66", action=("Stop",))
    there = [mine, of("b", 10, "10.0.0.2"), of("c", 20, "10.0.0.2"), stolen]
    found = hidden(there, [alert("n", user="bob")], [], [])
    assert {name: list(values.items()) for name, values in unlike(found, mine, ["user.name"]).items()} == {
        "source.address": [("192.0.2.66", 1), ("10.0.0.2", 2)]
    }
    assert unlike(found, mine, ["source.address", "source.ip"]) == {}
    many = replace(mine, values={"source.ip": tuple(map(str, range(10)))})
    assert unlike(found, many, []) == {}, "it may have what it does not show"


def test_what_was_confirmed_under_the_id_of_an_alert_that_was_merged_is_confirmed() -> None:
    old, new = alert("old", HOUR), alert("new")
    standing = [replace(old, state=MERGED, merged_into="new"), new]
    (found,) = hidden([new], [], standing, [closing(old, Disposition.TRUE)])
    assert (found.confirmed, found.standing) == (True, new)


def test_an_alert_that_was_closed_as_true_and_then_as_false_is_not_confirmed() -> None:
    one = alert("a")
    actions = [closing(one, Disposition.TRUE), replace(closing(one, Disposition.FALSE), id="later")]
    assert [each.confirmed for each in hidden([one], [], [one], actions)] == [False]


def test_a_rule_reaches_the_correlations_above_it_with_all_that_they_stand_on(tmp_path: Path) -> None:
    both = "title: b\nname: both\ncorrelation: {type: temporal, rules: [login, other], timespan: 5m}\n"
    above = "title: a\nname: above\ncorrelation: {type: event_count, rules: both, timespan: 1h, condition: {gte: 1}}\n"
    third = RULE.replace("login", "third")
    rules = written(tmp_path, RULE, OTHER, third, both, above)
    mine, reached = affected(rules, ["login"])
    assert reached == {"login", "both", "above"}
    assert [one.key for one in mine.own] == ["login", "other", "both", "above"]
    assert affected(rules, ["third"])[1] == {"third"}
