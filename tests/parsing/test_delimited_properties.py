"""Whatever the lines hold: the parser agrees with a slow one, its two outputs agree, and the lines can be had back."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from examples import examples
from flow_reference import document, ndjson
from flows import KEY, PARSER, Memory, Outcome, origin_of, outcome
from hypothesis import given
from hypothesis import strategies as st

from siem.parsing import Delimited, casts, columns, execution, reading
from siem.schema import ORDER, suits

COLUMNS = (
    "version", "account-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start",
    "end", "action", "log-status", "type", "flow-direction", "reject-reason", "region", "instance-id", "pkt-srcaddr",
    "interface-id-of-the-future",
)  # fmt: skip

ODD = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" "), max_size=8)
VALUES = st.one_of(
    ODD,
    st.sampled_from(
        ["-", "", "0", "6", "17", "007", "-7", "4e1", "65535", "65536", "99999999999999999999", "--", '"', "\\"]
    ),
    st.sampled_from(
        ["10.0.0.1", "10.0.0.999", "2001:db8::1", "::ffff:1.2.3.4", "fe80::1%1", "1:2", "ACCEPT", "accept"]
    ),
    st.sampled_from(
        ["OK", "NODATA", "SKIPDATA", "IPv4", "IPv6", "EFA", "efa", "ingress", "srcaddr", "é", "\u2028", "\ufeff"]
    ),
    st.integers(-(1 << 40), 1 << 40).map(str),
    st.integers(1_700_000_000, 1_800_000_000).map(str),
    st.ip_addresses().map(str),
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A header and lines below it. Lines that would be blank or headers themselves are left out."""
    names = draw(st.lists(st.sampled_from(COLUMNS), min_size=2, max_size=len(COLUMNS), unique=True))
    if not PARSER.known.intersection(names):
        names.append("srcaddr")
    lines = draw(st.lists(st.lists(VALUES, min_size=len(names), max_size=len(names)).map(" ".join), max_size=12))
    repeated = draw(st.integers(1, 9))
    return " ".join(names), [line for line in lines if line.strip() and not is_header(line)] * repeated


def is_header(line: str) -> bool:
    return all(token.isascii() and token.islower() and token.replace("-", "").isalpha() for token in line.split(" "))


def content_of(header: str, lines: list[str]) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def expected(content: bytes, header: str, lines: list[str], key: str) -> list[dict[str, Any] | str]:
    return [document(line, header, origin_of(content, key), ordinal) for ordinal, line in enumerate(lines)]


def fast(content: bytes, key: str, few: int, window: int) -> Outcome:
    """The parser with Arrow or Python doing the casts, in one block or many."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (casts, columns, execution):
            patch.setattr(module, "FEW", few)
        patch.setattr(reading, "WINDOW", window)
        return outcome(Memory(content), key)


@examples(300)
@given(
    objects(),
    st.sampled_from([KEY, "vpcflowlogs/untimed.log"]),
    st.sampled_from([1, 2, 64]),
    st.sampled_from([40, 1 << 22]),
)
def test_the_slow_way_gives_the_same_bytes(made: tuple[str, list[str]], key: str, few: int, window: int) -> None:
    header, lines = made
    content = content_of(header, lines)
    slow = expected(content, header, lines, key)
    found = fast(content, key, few, window)
    assert found.ndjson == ndjson([one for one in slow if isinstance(one, dict)])
    assert found.reasons == [(ordinal, one) for ordinal, one in enumerate(slow) if one == "no time"]
    assert [reject.raw.decode() for reject in found.rejects] == [lines[ordinal] for ordinal, _ in found.reasons]
    assert found.tally.skipped == slow.count("skipped")
    assert found.tally.records == len(lines)


@given(objects(), st.sampled_from([1, 64]))
def test_documents_and_tables_hold_the_same(made: tuple[str, list[str]], few: int) -> None:
    found = fast(content_of(*made), KEY, few, 1 << 22)
    tables = [block.batch.arrow() for block in found.blocks if block.batch is not None]
    rows = [row for table in tables for row in as_documents(table)]
    assert rows == found.documents
    for table in tables:
        assert all(suits(name, table.schema.field(name).type) for name in table.column_names)
        assert all(table[name].null_count < table.num_rows for name in table.column_names)
        known = [name for name in table.column_names if name in ORDER]
        assert table.column_names[: len(known)] == sorted(known, key=ORDER.__getitem__)


def as_documents(table: pa.Table) -> list[dict[str, Any]]:
    texts = [column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column for column in table.columns]
    rows = pa.table(dict(zip(table.column_names, texts, strict=True))).to_pylist()
    times = {name for name in table.column_names if pa.types.is_timestamp(table[name].type)}
    return [
        {name: rfc3339(value) if name in times else value for name, value in row.items() if value is not None}
        for row in rows
    ]


def rfc3339(text: str) -> str:
    whole, _, fraction = text.replace(" ", "T").removesuffix("Z").partition(".")
    digits = fraction.rstrip("0")
    return f"{whole}.{digits}Z" if digits else f"{whole}Z"


@given(objects())
def test_the_line_can_be_had_back(made: tuple[str, list[str]]) -> None:
    header, lines = made
    assert isinstance(PARSER, Delimited)
    found = outcome(content_of(header, lines))
    for ordinal, event in zip(found.ordinals, found.documents, strict=True):
        assert PARSER.line(event, header) == lines[ordinal]


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_come_to_events_rejects_or_nothing(body: bytes, size: int) -> None:
    content = b"srcaddr end action\n10.0.0.1 60 ACCEPT\n" + body
    found = outcome(Memory(content, size))
    lines = [line for line in body.replace(b"\r\n", b"\n").split(b"\n") if line.strip(b" \r")]
    assert found.tally.records == 1 + len(lines)
    assert all(json.loads(line) for line in found.ndjson.splitlines())
