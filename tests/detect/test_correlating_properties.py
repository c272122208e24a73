"""Every kind of correlation finds what a brute-force evaluation of the decision finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf, isfinite, nextafter
from random import Random

import brute_force
import pytest
from correlated import START, correlation, table
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from siem.detect.correlating import Correlator
from siem.sigma.correlation import NUMERIC, Correlation, Kind, Threshold
from siem.sigma.tree import And, Exists, Leaf, Node, Not, Or

MICROSECOND = timedelta(microseconds=1)
SPANS = (timedelta(seconds=1), timedelta(seconds=10), timedelta(hours=7), timedelta(hours=30))
RULES = ("a", "b", "c")

numbers = st.one_of(
    st.integers(-4, 4).map(float),
    st.sampled_from([0.1, 0.2, 0.3, 0.7, 1e16, -1e16, 1e16 + 2, 5e-324, 1e300, -1e300, 2.0**53, 1 / 3]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([None, float("inf"), float("nan")]),
)


@st.composite
def parts(draw: st.DrawFn, span: timedelta, slots: int = 3) -> list[brute_force.Part]:
    """Parts whose times lie on the borders of each other's windows, and beside them; some of them twice or more."""
    units = st.sampled_from([timedelta(0), MICROSECOND, span, span + MICROSECOND, span - MICROSECOND, span / 2])
    made: list[brute_force.Part] = []
    time = START
    for number in range(draw(st.integers(1, 9))):
        time += draw(st.one_of(units, st.integers(0, 40).map(lambda hours: timedelta(hours=hours))))
        event = draw(st.one_of(st.just(f"event-{9 - number}"), st.sampled_from(["again-1", "again-2"])))
        for _ in range(draw(st.integers(1, 3))):
            slot, group = draw(st.integers(0, slots - 1)), draw(st.sampled_from(["", "alice"]))
            value = draw(st.sampled_from(["x", "y", "z", "ß", None]))
            made.append(brute_force.Part(slot, group, time, event, value, draw(numbers)))
    return made + draw(st.lists(st.sampled_from(made), max_size=3))


def agree(correlation: Correlation, parts: list[brute_force.Part], rows: int = 1 << 18) -> None:
    found = Correlator(rows).found(correlation, table(parts))
    expected = brute_force.found(correlation, parts)
    assert found.episodes.drop_columns(["id", "times"]).to_pylist() == [
        {
            "group": episode.group,
            "first": episode.first,
            "last": episode.last,
            "count": len(episode.events),
            "events": list(episode.events),
        }
        for episode in expected
    ]
    firings = [(row["group"], row["time"]) for row in found.firings.to_pylist()]
    assert firings == [(episode.group, time) for episode in expected for time in episode.firings]
    ids = found.episodes["id"].to_pylist()
    assert len(set(ids)) == len(ids)
    assert found.firings["event"].to_pylist() == [
        id_ for id_, episode in zip(ids, expected, strict=True) for _ in episode.firings
    ]


def limits(rule: Correlation, made: list[brute_force.Part]) -> st.SearchStrategy[float]:
    """Counts; or the very numbers of windows, the doubles beside them, and others."""
    if rule.kind not in NUMERIC:
        return st.one_of(st.integers(0, 4), st.sampled_from([1.5, 2.5]))
    there = [part for part in made if brute_force.counts(rule, part)]
    windows = [
        brute_force.window(rule.span, [other for other in there if other.group == part.group], part.time)
        for part in there
    ]
    exact = [brute_force.number(rule, window) for window in windows]
    own = st.sampled_from([number for number in exact if isfinite(number)] or [0.0])
    near = own.map(lambda number: nextafter(number, -inf)).filter(isfinite)  # a rule has no other limits
    return st.one_of(own, near, st.integers(-3, 3))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.TEMPORAL_ORDERED])
@examples(300)
@given(data=st.data())
def test_thresholds_of_every_kind_are_as_by_brute_force(kind: Kind, data: st.DataObject) -> None:
    span = data.draw(st.sampled_from(SPANS))
    made = data.draw(parts(span))
    names = data.draw(st.lists(st.sampled_from(["lt", "lte", "gt", "gte", "eq", "neq"]), min_size=1, max_size=3))
    percentile = (
        data.draw(st.sampled_from([0, 25, 50.0, 90, 99.9, 100, 33.3])) if kind is Kind.VALUE_PERCENTILE else None
    )
    rule = correlation(kind, span, RULES, percentile=percentile)
    threshold = Threshold(tuple([(name, data.draw(limits(rule, made))) for name in names]))
    agree(replace(rule, threshold=threshold), made, data.draw(st.integers(1, 9)))


def expressions() -> st.SearchStrategy[Node]:
    leaves: st.SearchStrategy[Node] = st.sampled_from([Leaf(rule, Exists()) for rule in RULES])
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(Not),
            st.lists(inner, max_size=3).map(lambda items: And(tuple(items))),
            st.lists(inner, max_size=3).map(lambda items: Or(tuple(items))),
        ),
        max_leaves=5,
    )


@examples(300)
@given(data=st.data(), expression=st.one_of(st.none(), expressions()))
def test_rules_together_are_as_by_brute_force(data: st.DataObject, expression: Node | None) -> None:
    span = data.draw(st.sampled_from(SPANS))
    agree(correlation(Kind.TEMPORAL, span, RULES, expression=expression), data.draw(parts(span)))


@examples(400)
@given(data=st.data(), ties=st.booleans())
def test_rules_in_order_are_as_by_brute_force(data: st.DataObject, ties: bool) -> None:
    span = data.draw(st.sampled_from(SPANS))
    rules = tuple(data.draw(st.lists(st.sampled_from(RULES), min_size=2, max_size=4)))
    made = data.draw(parts(span, slots=len(rules)))
    agree(correlation(Kind.TEMPORAL_ORDERED, span, rules, ties=ties), made, data.draw(st.integers(1, 9)))


@pytest.mark.parametrize("kind", list(Kind))
@examples(30)
@given(data=st.data(), random=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(kind: Kind, data: st.DataObject, random: Random) -> None:
    span = data.draw(st.sampled_from(SPANS))
    made = data.draw(parts(span))
    shuffled = made + made[:2]
    random.shuffle(shuffled)
    rule = correlation(kind, span, RULES, threshold=Threshold((("gte", 2),)), percentile=50)
    one, other = Correlator().found(rule, table(made)), Correlator().found(rule, table(shuffled))
    assert one.episodes.equals(other.episodes)
    assert one.firings.equals(other.firings)
