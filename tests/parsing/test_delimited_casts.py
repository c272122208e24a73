"""Casts: what is a value and what is not; Arrow's way and Python's are the same."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.parsing import casts
from siem.parsing.casts import Cast

ALL = ("text", "lower", "address", "integer", "port", "protocol", "transport", "family", "epoch")

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.text("0123456789-+.e", max_size=22),
    st.text("0123456789abcdefABCDEF:.", max_size=40),
    st.integers(-(1 << 65), 1 << 65).map(str),
    st.integers(-300, 70_000).map(str),
    st.ip_addresses().map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded),
    st.sampled_from(
        ["", "0", "-0", "007", "65535", "65536", "255", "256", "IPv4", "EFA", "::", "::1", "1::", "ACCEPT"]
    ),
)


@pytest.mark.parametrize("name", ALL)
@given(texts=st.lists(st.none() | TEXTS, max_size=40))
def test_many_is_one_applied_to_each(name: str, texts: list[str | None]) -> None:
    cast: Cast = getattr(casts, name)
    expected = [None if text is None else cast.one(text) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(casts, "FEW", 1)
        patch.setattr(casts, "MANY", 1)
        assert cast.many(pa.array(texts, pa.string())).to_pylist() == expected


@pytest.mark.parametrize("name", ALL)
@given(text=TEXTS)
def test_an_exact_cast_gives_the_very_text_or_nothing(name: str, text: str) -> None:
    cast: Cast = getattr(casts, name)
    if cast.exact:
        assert cast.one(text) in (text, None)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("integer", "0", "0"),
        ("integer", "-7", "-7"),
        ("integer", "9223372036854775807", "9223372036854775807"),
        ("integer", "9223372036854775808", None),
        ("integer", "007", None),
        ("integer", "4e1", None),
        ("integer", "-0", None),
        ("integer", "٣", None),
        ("integer", "9" * 5_000, None),
        ("port", "65535", "65535"),
        ("port", "65536", None),
        ("port", "-7", None),
        ("address", "10.0.0.999", None),
        ("address", "010.0.0.1", None),
        ("address", "2001:db8::1", "2001:db8::1"),
        ("address", "2001:DB8:0::1", "2001:DB8:0::1"),
        ("address", "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("address", "fe80::1%eth0", None),
        ("transport", "6", "tcp"),
        ("transport", "58", "ipv6-icmp"),
        ("transport", "06", None),
        ("protocol", "256", None),
        ("epoch", "1793509260", "2026-11-01T05:01:00Z"),
        ("epoch", "-62135596800", "0001-01-01T00:00:00Z"),
        ("epoch", "-62135596801", None),
        ("epoch", "253402300799", "9999-12-31T23:59:59Z"),
        ("epoch", "253402300800", None),
        ("epoch", "1793509260000", None),
        ("epoch", "1793509260.0500009", "2026-11-01T05:01:00.05Z"),
        ("epoch", "1793509260.000", "2026-11-01T05:01:00Z"),
        ("epoch", "1793509260.", None),
        ("epoch", "1793509260.5e1", None),
        ("epoch", "-1.5", None),
        ("lower", "ACCEPT", "accept"),
        ("lower", "É", "É"),
        ("family", "IPv6", "ipv6"),
        ("family", "192.0.2.1", "ipv4"),
        ("family", "garbage", None),
    ],
)
def test_values(name: str, text: str, value: str | None) -> None:
    assert getattr(casts, name).one(text) == value
