"""What the decision on correlations says of borders, one statement at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import brute_force
import pytest
from correlated import START, at_least, correlation, table

from siem.detect.correlating import EVIDENCE, Correlator, Found
from siem.sigma.correlation import Correlation, Kind, Threshold
from siem.sigma.tree import And, Exists, Leaf, Not

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def part(after: timedelta, event: str, slot: int = 0, group: str = "", **values: Any) -> brute_force.Part:
    return brute_force.Part(slot, group, START + after, event, **values)


def found(rule: Correlation, parts: Sequence[brute_force.Part]) -> Found:
    return Correlator().found(rule, table(parts))


def fired(rule: Correlation, parts: Sequence[brute_force.Part]) -> list[timedelta]:
    """At what times after the start."""
    times: list[datetime] = found(rule, parts).firings["time"].to_pylist()
    return [time - START for time in times]


def evidence(rule: Correlation, parts: Sequence[brute_force.Part]) -> list[list[str]]:
    events: list[list[str]] = found(rule, parts).episodes["events"].to_pylist()
    return events


def numbers(*values: float) -> list[brute_force.Part]:
    """One a second."""
    return [part(timedelta(seconds=place), f"e{place}", number=value) for place, value in enumerate(values)]


TWO = correlation(Kind.EVENT_COUNT, MINUTE, threshold=at_least(2))


def test_a_window_has_both_its_ends() -> None:
    assert fired(TWO, [part(0 * MINUTE, "a"), part(MINUTE, "b")]) == [MINUTE]


def test_a_microsecond_more_is_outside_of_the_window() -> None:
    assert fired(TWO, [part(0 * MINUTE, "a"), part(MINUTE + MICROSECOND, "b")]) == []


def test_everything_at_the_same_time_is_in_the_window() -> None:
    result = found(TWO, [part(0 * MINUTE, "b"), part(0 * MINUTE, "a")])
    assert result.firings["time"].to_pylist() == [START]
    assert result.episodes["events"].to_pylist() == [["a", "b"]]


def test_groups_do_not_see_each_other() -> None:
    assert fired(TWO, [part(0 * MINUTE, "a", group="x"), part(0 * MINUTE, "b", group="y")]) == []


def test_an_event_that_two_rules_match_counts_once() -> None:
    rule = correlation(Kind.EVENT_COUNT, MINUTE, ("a", "b"), threshold=at_least(2))
    assert fired(rule, [part(0 * MINUTE, "one", slot=0), part(0 * MINUTE, "one", slot=1)]) == []


def test_an_episode_of_a_chain_counts_once_however_often_it_fired() -> None:
    assert fired(TWO, [part(0 * MINUTE, "episode"), part(MINUTE / 2, "episode"), part(MINUTE, "other")]) == [MINUTE]


def test_values_are_counted_once_each() -> None:
    rule = correlation(Kind.VALUE_COUNT, MINUTE, threshold=at_least(2))
    same = [part(0 * MINUTE, "a", value="x"), part(MINUTE / 2, "b", value="x")]
    assert fired(rule, same) == []
    assert fired(rule, [*same, part(MINUTE, "c", value="y")]) == [MINUTE]


def test_an_event_may_have_several_values() -> None:
    rule = correlation(Kind.VALUE_COUNT, MINUTE, threshold=at_least(2))
    parts = [part(0 * MINUTE, "a", value="x"), part(0 * MINUTE, "a", value="y")]
    assert fired(rule, parts) == [0 * MINUTE]
    assert evidence(rule, parts) == [["a"]]


def test_an_event_without_a_value_is_no_part() -> None:
    rule = correlation(Kind.VALUE_COUNT, MINUTE, threshold=at_least(1))
    assert evidence(rule, [part(0 * MINUTE, "a"), part(0 * MINUTE, "b", value="x")]) == [["b"]]


def test_nothing_at_all_never_fires() -> None:
    rule = correlation(Kind.EVENT_COUNT, MINUTE, threshold=Threshold((("lt", 2),)))
    assert fired(rule, []) == []
    assert fired(rule, [part(0 * MINUTE, "a"), part(MINUTE, "b")]) == [0 * MINUTE]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        ((("gte", 2), ("lte", 3)), [2, 3]),
        ((("gt", 1.5), ("lt", 3)), [2]),
        ((("eq", 2),), [2]),
        ((("neq", 2),), [1, 3, 4]),
        ((("eq", 1.5),), []),
        ((("gte", 1), ("gte", 2), ("neq", 3)), [2, 4]),
    ],
)
def test_all_limits_of_a_threshold_hold(limits: tuple[tuple[str, float], ...], sizes: list[int]) -> None:
    rule = correlation(Kind.EVENT_COUNT, HOUR, threshold=Threshold(limits))
    parts = [part(place * MINUTE, f"e{place}") for place in range(1, 5)]
    assert fired(rule, parts) == [size * MINUTE for size in sizes]


def test_a_sum_is_exact_and_rounded_once() -> None:
    rule = correlation(Kind.VALUE_SUM, HOUR, threshold=Threshold((("eq", 1),)))
    assert fired(rule, numbers(*[0.1] * 10)) == [timedelta(seconds=9)]


def test_a_huge_number_that_left_the_window_leaves_nothing_behind() -> None:
    rule = correlation(Kind.VALUE_SUM, timedelta(seconds=1), threshold=Threshold((("eq", 3),)))
    assert fired(rule, numbers(1e16, 1e300, 1.5, 1.5)) == [timedelta(seconds=3)]


def test_an_average_of_equal_numbers_is_that_number() -> None:
    rule = correlation(Kind.VALUE_AVG, HOUR, threshold=Threshold((("eq", 0.1),)))
    assert fired(rule, numbers(0.1, 0.1, 0.1)) == [timedelta(seconds=place) for place in range(3)]


def test_a_sum_that_no_double_holds_is_beyond_every_limit() -> None:
    rule = correlation(Kind.VALUE_SUM, HOUR, threshold=Threshold((("gt", 1.7976931348623157e308),)))
    assert fired(rule, numbers(1.7e308, 1.7e308)) == [timedelta(seconds=1)]


def test_a_percentile_lies_between_the_closest_ranks() -> None:
    rule = correlation(Kind.VALUE_PERCENTILE, HOUR, threshold=Threshold((("eq", 13.6),)), percentile=90)
    assert fired(rule, numbers(10, 14)) == [timedelta(seconds=1)]


def test_a_median_of_an_even_number_is_the_middle_of_two() -> None:
    rule = correlation(Kind.VALUE_MEDIAN, HOUR, threshold=Threshold((("eq", 2.5),)))
    assert fired(rule, numbers(4, 3, 2, 1)) == [timedelta(seconds=3)]


@pytest.mark.parametrize("kind", [Kind.VALUE_MEDIAN, Kind.VALUE_AVG])
def test_what_lies_in_the_middle_of_two_doubles_is_the_even_one(kind: Kind) -> None:
    even, odd = 1.0, math.nextafter(1, 2)
    beyond = math.nextafter(odd, 2)
    for pair, middle in (((even, odd), even), ((odd, beyond), beyond)):
        rule = correlation(kind, HOUR, threshold=Threshold((("eq", middle),)))
        assert timedelta(seconds=1) in fired(rule, numbers(*pair))


def test_a_percentile_is_exact_where_doubles_are_not() -> None:
    """In doubles it is 0.5499999999999999, whichever way it is interpolated."""
    rule = correlation(Kind.VALUE_PERCENTILE, HOUR, threshold=Threshold((("eq", 0.55),)), percentile=30)
    assert fired(rule, numbers(0.1, 1.6)) == [timedelta(seconds=1)]


def test_equal_numbers_of_one_event_count_once() -> None:
    rule = correlation(Kind.VALUE_SUM, HOUR, ("a", "b"), threshold=Threshold((("eq", 5),)))
    parts = [part(0 * MINUTE, "one", slot, number=5.0) for slot in (0, 1)]
    assert fired(rule, parts) == [0 * MINUTE]
    assert fired(rule, [*parts, part(0 * MINUTE, "two", number=5.0)]) == []


def test_a_number_that_is_not_finite_is_no_part() -> None:
    rule = correlation(Kind.VALUE_SUM, HOUR, threshold=at_least(1))
    assert evidence(rule, numbers(float("inf"), float("nan"), 1)) == [["e2"]]


def test_all_rules_are_wanted_where_there_is_no_condition() -> None:
    rule = correlation(Kind.TEMPORAL, MINUTE, ("a", "b"))
    assert fired(rule, [part(0 * MINUTE, "x"), part(0 * MINUTE, "y")]) == []
    assert fired(rule, [part(0 * MINUTE, "x", slot=1), part(MINUTE, "y", slot=0)]) == [MINUTE]


def test_one_event_may_stand_for_several_rules() -> None:
    rule = correlation(Kind.TEMPORAL, MINUTE, ("a", "b"))
    assert fired(rule, [part(0 * MINUTE, "x", slot=0), part(0 * MINUTE, "x", slot=1)]) == [0 * MINUTE]


def test_a_condition_of_words_is_asked_of_the_window() -> None:
    leaf = {rule: Leaf(rule, Exists()) for rule in "abc"}
    rule = correlation(Kind.TEMPORAL, MINUTE, ("a", "b", "c"), expression=And((leaf["a"], leaf["b"], Not(leaf["c"]))))
    both = [part(0 * MINUTE, "x", slot=0), part(MINUTE, "y", slot=1)]
    assert fired(rule, both) == [MINUTE]
    assert fired(rule, [*both, part(MINUTE, "z", slot=2)]) == []


ORDER = correlation(Kind.TEMPORAL_ORDERED, MINUTE, ("a", "b"))
TIES = correlation(Kind.TEMPORAL_ORDERED, MINUTE, ("a", "b"), ties=True)


def test_rules_in_order_fire_at_the_last_one() -> None:
    parts = [part(0 * MINUTE, "x"), part(MINUTE / 2, "y", slot=1), part(MINUTE, "z", slot=1)]
    assert fired(ORDER, parts) == [MINUTE / 2, MINUTE]


def test_rules_in_the_wrong_order_do_not_fire() -> None:
    assert fired(ORDER, [part(0 * MINUTE, "x", slot=1), part(MINUTE, "y", slot=0)]) == []


def test_equal_times_are_in_order_only_with_ties() -> None:
    parts = [part(0 * MINUTE, "x", slot=0), part(0 * MINUTE, "y", slot=1)]
    assert fired(ORDER, parts) == []
    assert fired(TIES, parts) == [0 * MINUTE]


def test_the_whole_order_lies_in_the_window() -> None:
    rule = correlation(Kind.TEMPORAL_ORDERED, MINUTE, ("a", "b", "c"))
    steps = [part(0 * MINUTE, "x"), part(MINUTE / 2, "y", slot=1)]
    assert fired(rule, [*steps, part(MINUTE, "z", slot=2)]) == [MINUTE]
    assert fired(rule, [*steps, part(MINUTE + MICROSECOND, "z", slot=2)]) == []


def test_a_later_start_counts_where_the_first_one_is_too_old() -> None:
    parts = [part(0 * MINUTE, "old"), part(MINUTE, "new"), part(2 * MINUTE, "y", slot=1)]
    assert evidence(ORDER, parts) == [["new", "y"]]


def test_a_rule_that_is_named_twice_wants_two_events() -> None:
    twice = correlation(Kind.TEMPORAL_ORDERED, MINUTE, ("a", "a"))
    ties = correlation(Kind.TEMPORAL_ORDERED, MINUTE, ("a", "a"), ties=True)
    one = [part(0 * MINUTE, "x", slot) for slot in (0, 1)]
    assert fired(twice, one) == fired(ties, one) == []
    assert fired(twice, [*one, *(part(MINUTE, "y", slot) for slot in (0, 1))]) == [MINUTE]
    assert fired(ties, [*one, *(part(0 * MINUTE, "y", slot) for slot in (0, 1))]) == [0 * MINUTE]


def test_an_order_begins_at_the_first_part_of_its_first_rule() -> None:
    parts = [part(0 * MINUTE, "before", slot=1), part(MINUTE / 2, "x"), part(MINUTE, "y", slot=1)]
    [row] = found(ORDER, parts).episodes.to_pylist()
    assert (row["first"], row["events"]) == (START + MINUTE / 2, ["x", "y"])


def test_what_came_at_the_time_of_that_part_belongs_to_it_too() -> None:
    parts = [part(0 * MINUTE, "w", slot=1), part(0 * MINUTE, "x"), part(MINUTE, "y", slot=1)]
    assert evidence(ORDER, parts) == evidence(ORDER, parts[::-1]) == [["w", "x", "y"]]


ANY = correlation(Kind.EVENT_COUNT, HOUR, threshold=at_least(1))


def test_firings_whose_windows_touch_are_one_episode() -> None:
    assert evidence(ANY, [part(0 * HOUR, "a"), part(HOUR, "b")]) == [["a", "b"]]
    assert evidence(ANY, [part(0 * HOUR, "a"), part(HOUR + MICROSECOND, "b")]) == [["a"], ["b"]]


def test_an_episode_says_when_it_began_when_it_last_fired_and_how_much_it_has() -> None:
    [row] = found(TWO, [part(0 * MINUTE, "a"), part(MINUTE, "b"), part(3 * MINUTE, "c")]).episodes.to_pylist()
    assert row.pop("id")
    assert row.pop("times") == [START, START + MINUTE]
    assert row == {"group": "", "first": START, "last": START + MINUTE, "count": 2, "events": ["a", "b"]}


def test_what_fires_behind_a_cut_is_told_although_its_opener_is_of_the_episode_before() -> None:
    rule = correlation(Kind.TEMPORAL_ORDERED, 30 * HOUR, ("a", "b"))
    opener, late = part(0 * HOUR, "a", slot=0), [part(28 * HOUR, "c", slot=0), part(29 * HOUR, "d", slot=1)]
    parts = [opener, part(HOUR, "b1", slot=1), part(26 * HOUR, "b2", slot=1), *late]
    assert evidence(rule, parts) == [["a", "b1"], ["b2", "c", "d"]]


def test_an_episode_ends_24_hours_after_its_first_firing() -> None:
    hourly = [part(hours * HOUR, f"e{hours:02}") for hours in range(60)]
    assert [len(events) for events in evidence(ANY, hourly)] == [25, 25, 10]


def test_an_event_belongs_to_the_first_episode_that_has_it() -> None:
    rule = correlation(Kind.EVENT_COUNT, 30 * HOUR, threshold=at_least(2))
    parts = [part(hours * HOUR, f"e{hours:02}") for hours in (0, 1, 25, 26, 40)]
    assert evidence(rule, parts) == [["e00", "e01", "e25"], ["e26", "e40"]]


def test_an_order_that_goes_on_after_the_cut_has_what_is_new() -> None:
    rule = correlation(Kind.TEMPORAL_ORDERED, 48 * HOUR, ("a", "b"))
    parts = [part(0 * HOUR, "a"), part(HOUR, "b1", slot=1), part(26 * HOUR, "b2", slot=1)]
    assert evidence(rule, parts) == [["a", "b1"], ["b2"]]


def test_evidence_is_in_order_of_time_and_id_and_no_longer_than_its_limit() -> None:
    parts = [part(0 * MINUTE, f"{number:04}") for number in range(1_200)]
    parts += [part(-MINUTE, "last in the alphabet: z")]
    [row] = found(ANY, parts[::-1]).episodes.to_pylist()
    assert row["count"] == 1_201
    assert row["events"] == [parts[-1].event, *[f"{number:04}" for number in range(EVIDENCE - 1)]]


def test_firings_are_parts_of_an_outer_correlation() -> None:
    parts = [part(hours * HOUR, f"e{hours}", group="alice") for hours in (0, 1, 5)]
    firings, episodes = found(ANY, parts).firings, found(ANY, parts).episodes
    assert firings["group"].to_pylist() == ["alice"] * 3
    first, again, other = firings["event"].to_pylist()
    assert first == again
    assert [first, other] == episodes["id"].to_pylist()


def test_the_id_of_an_episode_is_of_its_correlation_and_of_its_events_alone() -> None:
    other = replace(ANY, key="other")
    later = [part(0 * HOUR, "a"), part(HOUR, "b")]
    [id_] = found(ANY, later[:1]).firings["event"].to_pylist()
    assert found(ANY, later).firings["event"].to_pylist() == [id_, id_]
    assert found(other, later[:1]).firings["event"].to_pylist() != [id_]


def test_columns_that_the_kind_does_not_need_may_be_absent() -> None:
    parts = table([part(0 * MINUTE, "a"), part(MINUTE, "b")]).select(["group", "time", "event"])
    assert len(Correlator().found(TWO, parts).episodes) == 1


def test_spans_longer_than_all_times_hold_everything() -> None:
    rule = correlation(Kind.EVENT_COUNT, timedelta(days=365 * 2_000), threshold=at_least(3))
    years = [part(timedelta(days=365 * 300 * number), f"e{number}", group=f"g{number % 2}") for number in range(6)]
    assert fired(rule, years) == [timedelta(days=365 * 1200), timedelta(days=365 * 1500)]


def test_times_that_are_too_far_apart_for_one_axis_are_looked_at_in_pieces() -> None:
    rule = correlation(Kind.EVENT_COUNT, timedelta(days=365 * 3_000), threshold=at_least(2))
    far = timedelta(days=365 * 2_900)
    parts = [part(after, f"{group}{after}", group=f"g{group:03}") for group in range(300) for after in (0 * far, far)]
    result = found(rule, parts)
    assert result.episodes["group"].to_pylist() == [f"g{group:03}" for group in range(300)]
    assert result.episodes["count"].to_pylist() == [2] * 300


def test_text_of_events_is_only_ever_text() -> None:
    group, event = "'; DROP TABLE parts; --", '"\\\x00\u202e'
    [row] = found(ANY, [part(0 * MINUTE, event, group=group)]).episodes.to_pylist()
    assert (row["group"], row["events"]) == (group, [event])
