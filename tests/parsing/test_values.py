"""Times and addresses, as every parser reads them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.parsing import address, moment

ODD = (
    "010.1.1.1",
    "1.2.3",
    "1.2.3.4 ",
    "fe80::1%eth0",
    "2001:db8::g",
    "1.2.3.4\n",
    "١.2.3.4",
    "a\x00",
    "",
    "0x1.2.3.4",
)
SOUP = st.text(st.sampled_from("0123456789abcdefABCDEF:.% x"), max_size=45)


@given(
    st.one_of(st.ip_addresses().map(str), st.ip_addresses(v=6).map(lambda ip: ip.exploded), SOUP, st.sampled_from(ODD))
)
def test_an_address_is_what_the_standard_library_takes_without_a_zone(text: str) -> None:
    try:
        ip_address(text)
        expected = text if "%" not in text else None
    except ValueError:
        expected = None
    assert address(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01T02:10:00Z", "2026-11-01T02:10:00Z"),
        ("2026-11-01T11:10:00.120+09:00", "2026-11-01T02:10:00.12Z"),
        ("2026-11-01T02:10:00.1234567Z", "2026-11-01T02:10:00.123456Z"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"),  # a leap second
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-01T02:10:00", None),
        ("9999-12-31T23:59:60Z", None),
        ("yesterday", None),
    ],
)
def test_a_moment_is_written_one_way(text: str, expected: str | None) -> None:
    assert moment(text) == expected
