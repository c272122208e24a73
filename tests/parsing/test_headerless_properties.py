"""Whatever the lines hold: the parser agrees with a slow one, its two outputs agree, and the lines can be had back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from elb_reference import document, tokens
from elbs import FORMS, KEYS, LINES, PARSER
from examples import examples
from flow_reference import ndjson
from flows import Memory, Outcome, origin_of, outcome
from hypothesis import given
from hypothesis import strategies as st
from test_delimited_properties import as_documents

from siem.parsing import Form, casts, columns, execution, form_reading, web
from siem.schema import ORDER, suits

LETTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=' "')
WORDS = st.one_of(
    st.text(LETTERS, max_size=8),
    st.sampled_from(
        ["-", "", "-1", "0", "007", "200", "404", "599", "600", "4294967296", "99999999999999999999", "\\x22"]
    ),
    st.sampled_from(["TLSv1.3", "tlsv12", "SSLv3", "TLS", "Success", "Failed:ClientCertExpired", "PASS", "FAIL", "é"]),
    st.sampled_from(["Root=1-a", "Self=1-b;Root=1-a;X=y", "Root=", "Self=1-b", "\ufeff", "\u2028", 'a"b']),
    st.ip_addresses().map(str),
)
ENDPOINTS = st.one_of(
    st.tuples(st.ip_addresses(), st.integers(0, 70_000)).map(lambda end: f"{end[0]}:{end[1]}"),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 70_000)).map(lambda end: f"[{end[0]}]:{end[1]}"),
    st.sampled_from(["-", ":", "1.2.3.4:", ":80", "arn:aws:lambda:x:1:function:f:3", "[::1]:80", "a.b:1"]),
)
TIMES = st.one_of(
    st.datetimes().map(lambda time: f"{time.isoformat()}Z"),
    st.datetimes().map(lambda time: time.isoformat()[:19]),
    st.sampled_from(
        ["2026-11-01T04:00:21.431660Z", "2026-13-01T00:00:00Z", "-", "2026-11-01 04:00:21Z", "0000-01-01T00:00:00Z"]
    ),
    st.just("2026-11-01T04:00:21.431662Z"),
)
URLS = st.one_of(
    st.sampled_from(
        ["/a b?c=d", "http://h:80", "https://h:443/a?b?c", "https://[::1]:443/", "http://h:80-", "-", "*", "?"]
    ),
    st.sampled_from(["https://h:443/?", "HTTPS://H/é", "https://h:70000/a", "https://h:443/a-", "a:b", "https://:1/"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"'), max_size=8),
)
REQUESTS = st.one_of(
    st.tuples(
        st.sampled_from(["GET", "-", "P-", ""]),
        URLS,
        st.sampled_from([" HTTP/1.1", " HTTP/2", "- ", " - ", "", " ", "-"]),
    ).map(lambda parts: f"{parts[0]} {parts[1]}{parts[2]}"),
    URLS,
)


def texts(name: str) -> st.SearchStrategy[str]:
    """What a column may hold."""
    if name == "request":
        return REQUESTS
    if name.endswith(":port") or name == "target_addr":
        return st.one_of(ENDPOINTS, WORDS)
    return st.one_of(TIMES, WORDS) if name.endswith("time") else WORDS


@st.composite
def lines(draw: st.DrawFn, form: Form) -> str:
    """A line: sound for the most part, of any length, sometimes with marks where none should be."""
    count = draw(st.one_of(st.just(len(form.columns)), st.integers(form.least - 1, len(form.columns) + 3)))
    row = []
    for name in form.names(count):
        text = draw(texts(name))
        marked = name in form.quoted or (bool(form.quoted) and draw(st.integers(0, 30)) == 0)
        text = text.replace('"', "") if marked else text.replace(" ", "_")
        row.append(f'"{text}"' if marked else text)
    if draw(st.integers(0, 20)) == 0:
        row[draw(st.integers(0, len(row) - 1))] += '"'
    return " ".join(row)


@dataclass(frozen=True)
class Made:
    lines: list[str]
    form: Form = field(repr=False)

    @property
    def content(self) -> bytes:
        return "\n".join([LINES[self.form.name], *self.lines, ""]).encode()

    @property
    def key(self) -> str:
        return KEYS[self.form.name]

    def expected(self) -> list[dict[str, Any] | str]:
        origin = origin_of(self.content, self.key)
        every = [LINES[self.form.name], *self.lines]
        return [document(line, self.form, origin, ordinal) for ordinal, line in enumerate(every)]


@st.composite
def objects(draw: st.DrawFn) -> Made:
    form = FORMS[draw(st.sampled_from(sorted(FORMS)))]
    found = draw(st.lists(lines(form), max_size=8))
    return Made([line for line in found if line.strip(" ")] * draw(st.integers(1, 9)), form)


def fast(made: Made, few: int, window: int) -> Outcome:
    """The parser with Arrow or Python doing the casts, in one block or many."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (casts, columns, execution, web):
            patch.setattr(module, "FEW", few)
        patch.setattr(form_reading, "WINDOW", window)
        return outcome(Memory(made.content), made.key, parser=PARSER)


@examples(200)
@given(objects(), st.sampled_from([1, 2, 64]), st.sampled_from([40, 1 << 22]))
def test_the_slow_way_gives_the_same_bytes(made: Made, few: int, window: int) -> None:
    slow = made.expected()
    found = fast(made, few, window)
    for one, other in zip(found.documents, [one for one in slow if isinstance(one, dict)], strict=True):
        assert {name: one.get(name) for name in one | other if one.get(name) != other.get(name)} == {}
    assert found.ndjson == ndjson([one for one in slow if isinstance(one, dict)])
    assert sorted(reject.ordinal for reject in found.rejects) == [
        place for place, one in enumerate(slow) if one == "reject"
    ]
    every = [LINES[made.form.name], *made.lines]
    assert [reject.raw.decode() for reject in found.rejects] == [every[reject.ordinal] for reject in found.rejects]
    assert found.tally.records == len(every)


def test_a_line_is_not_refused_for_the_columns_of_another() -> None:
    """Both have as many marks and end alike."""
    made = Made(
        ['"2026-11-01T04:00:21.431660Z"       ""  ', '"2026-11-01T04:00:21.431660Z"       ""     '],
        FORMS["alb_connection"],
    )
    found = fast(made, 64, 1 << 22)
    assert [document["event.id"].rpartition("-")[2] for document in found.documents] == ["0", "2"]
    assert [reject.ordinal for reject in found.rejects] == [1]


@examples(60)
@given(objects(), st.sampled_from([1, 64]))
def test_documents_and_tables_hold_the_same(made: Made, few: int) -> None:
    found = fast(made, few, 1 << 22)
    tables = [block.batch.arrow() for block in found.blocks if block.batch is not None]
    assert [row for table in tables for row in as_documents(table)] == found.documents
    for table in tables:
        assert all(suits(name, table.schema.field(name).type) for name in table.column_names)
        known = [name for name in table.column_names if name in ORDER]
        assert table.column_names[: len(known)] == sorted(known, key=ORDER.__getitem__)


@examples(60)
@given(objects())
def test_the_line_can_be_had_back(made: Made) -> None:
    found = outcome(made.content, made.key, parser=PARSER)
    every = [LINES[made.form.name], *made.lines]
    for ordinal, event in zip(found.ordinals, found.documents, strict=True):
        columns_ = tokens(every[ordinal], bool(made.form.quoted))
        assert columns_ is not None
        again = PARSER.line(event, len(columns_))
        assert tokens(again, bool(made.form.quoted)) == columns_


@examples(60)
@given(objects())
def test_a_line_parsed_alone_gives_the_same_event(made: Made) -> None:
    origin, limits = origin_of(made.content, made.key), form_reading.Limits()
    found = outcome(made.content, made.key, parser=PARSER)
    every = [LINES[made.form.name], *made.lines]
    again = [PARSER.replay(every[ordinal].encode(), ordinal, origin, limits) for ordinal in found.ordinals]
    alone = [block.batch.ndjson() for block in again if block is not None and block.batch is not None]
    assert b"".join(alone) == found.ndjson


@examples(60)
@given(st.binary(max_size=400), st.sampled_from(sorted(FORMS)), st.integers(1, 50))
def test_any_bytes_come_to_events_or_rejects(body: bytes, form: str, size: int) -> None:
    content = f"{LINES[form]}\n".encode() + body
    found = outcome(Memory(content, size), KEYS[form], parser=PARSER)
    rest = [line for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.strip(b" \r")]
    assert found.tally.records == 1 + len(rest)
    assert found.tally.events >= 1
    assert all(json.loads(line) for line in found.ndjson.splitlines())
