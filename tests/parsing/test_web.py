"""Request lines and endpoints taken apart, and the casts of web logs: one by one and as Arrow does it."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.parsing import web
from siem.parsing.casts import FEW, Cast, rfc3339
from siem.parsing.columns import Coded

NOTHING = (None,) * 5
REQUESTS = {
    "GET https://h:443/a?b=c HTTP/2.0": (
        "GET", "2.0", "https://h:443/a?b=c", "https", "h", "443", "/a", "b=c"),
    "GET https://h:443/ HTTP/1.1": ("GET", "1.1", "https://h:443/", "https", "h", "443", "/", None),
    "GET https://h:443/a b HTTP/1.1": ("GET", "1.1", "https://h:443/a b", "https", "h", "443", "/a b", None),
    "GET http://[::1]:80/ HTTP/1.1": ("GET", "1.1", "http://[::1]:80/", "http", "[::1]", "80", "/", None),
    "GET https://h:443/\\x22?\\x22 HTTP/1.1": (
        "GET", "1.1", "https://h:443/\\x22?\\x22", "https", "h", "443", "/\\x22", "\\x22"),
    "- http://h-1.example.com:80- ": (
        None, None, "http://h-1.example.com:80", "http", "h-1.example.com", "80", None, None),
    "- - - ": (None, None, None, *NOTHING),
    "CONNECT h:443 HTTP/1.1": ("CONNECT", "1.1", "h:443", *NOTHING),
    "GET /a?b HTTP/1.0": ("GET", "1.0", "/a?b", None, None, None, "/a", "b"),
    "nonsense": (None, None, None, *NOTHING),
}  # fmt: skip
ENDPOINTS = {
    "192.0.2.1:443": ("192.0.2.1", "443"),
    "2001:db8::1:443": ("2001:db8::1", "443"),
    "[2001:db8::1]:443": ("2001:db8::1", "443"),
    "arn:aws:lambda:r:1:function:f:3": (None, None),
    "443": (None, None),
}


@pytest.mark.parametrize(("parts", "expected"), [(web.request, REQUESTS), (web.endpoint, ENDPOINTS)])
@pytest.mark.parametrize("times", [1, FEW])
def test_parts(parts: web.Parts, expected: dict[str, tuple[str | None, ...]], times: int) -> None:
    column = Coded(pa.array([*expected, None] * times, pa.string()), None)
    found = parts.of("x", column)
    rows = [*expected.values(), (None,) * len(parts.names)] * times
    for place, part in enumerate(parts.names):
        coded = found[f"x.{part}"]
        assert coded.values(pa.string(), len(rows)).to_pylist() == [row[place] for row in rows]


CASTS = [
    (web.http_outcome, {"101": "success", "200": "success", "304": "success", "404": "failure", "-1": None}),
    (web.tls_version, {"TLSv1.3": "1.3", "tlsv12": "1.2", "SSLv3": "3.0", "TLSv1": "1.0", "x": None}),
    (web.tls_protocol, {"TLSv1.3": "tls", "tlsv12": "tls", "SSLv3": "ssl", "1.3": None, "tls": None}),
    (web.trace_root, {"Root=1-a": "1-a", "Self=1-b;Root=1-a;X=y": "1-a", "Root=": None, "Self=1-b": None, "": None}),
    (rfc3339, {
        "2026-11-01T04:00:21.431662Z": "2026-11-01T04:00:21.431662Z",
        "2026-11-01T04:00:21.100000Z": "2026-11-01T04:00:21.1Z",
        "2026-11-01T04:00:21": "2026-11-01T04:00:21Z",
        "2026-11-01T04:00:21+09:00": "2026-10-31T19:00:21Z",
        "2026-02-30T04:00:21Z": None,
        "2026-13-01T04:00:21Z": None,
        "0000-01-01T00:00:00Z": None,
        "": None,
    }),
]  # fmt: skip


@pytest.mark.parametrize(("cast", "expected"), CASTS)
@pytest.mark.parametrize("times", [1, FEW])
def test_casts(cast: Cast, expected: dict[str, str | None], times: int) -> None:
    texts = pa.array([*expected, None] * times, pa.string())
    assert cast.texts(texts).to_pylist() == [*expected.values(), None] * times


@given(
    st.lists(
        st.tuples(st.datetimes(min_value=datetime(1, 1, 1)), st.integers(0, 26), st.sampled_from("0123456789-:TZ. ")),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_times_are_read_alike_one_by_one_and_together(made: list[tuple[datetime, int, str]], spoiled: bool) -> None:
    texts = [time.isoformat(timespec="microseconds") + "Z" for time, _, _ in made]
    if spoiled:
        texts = [text[:at] + mark + text[at + 1 :] for text, (_, at, mark) in zip(texts, made, strict=True)]
    many = texts * FEW + [texts[0]]
    assert rfc3339.texts(pa.array(many)).to_pylist() == [rfc3339.one(text) for text in many]


def test_times_in_normal_form_are_left_as_they_are() -> None:
    texts = pa.array([f"2026-11-01T04:00:{second:02}.431662Z" for second in range(60)] * 2)
    assert rfc3339.texts(texts).equals(texts)
