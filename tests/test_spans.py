"""Lengths of time as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from siem.problem import Problem
from siem.sigma.spans import span
from siem.spans import length, written


@pytest.mark.parametrize(
    ("text", "units", "wanted"),
    [
        ("15m", "smhd", timedelta(minutes=15)),
        ("0s", "s", timedelta(0)),
        ("2w", "smhdw", timedelta(days=14)),
        ("1M", "smhdwMy", timedelta(days=30)),
        ("1y", "smhdwMy", timedelta(days=365)),
        ("2w", "smhd", None),
        ("m", "smhd", None),
        ("-1m", "smhd", None),
        ("1 m", "smhd", None),
        ("1234567890s", "smhd", None),
        ("१m", "smhd", None),
        ("999999999y", "smhdwMy", None),  # longer than any timedelta
    ],
)
def test_a_length_is_a_number_and_a_unit(text: str, units: str, wanted: timedelta | None) -> None:
    assert length(text, units) == wanted


def test_digits_may_be_limited() -> None:
    assert length("1234567m", "m", digits=6) is None
    assert length("123456m", "m", digits=6) == timedelta(minutes=123_456)


@pytest.mark.parametrize("text", ["24h", "90m", "1s"])
def test_what_is_written_reads_the_same(text: str) -> None:
    assert written(length(text, "smhd") or timedelta(0)) == text


def test_a_rule_with_a_span_beyond_all_is_told() -> None:
    with pytest.raises(Problem, match="`for` cannot be 999999999y"):
        span("999999999y", "for")
