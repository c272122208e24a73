"""Hostile CloudTrail objects: cut, flipped, filled with junk, fed in any blocks. Nothing sound is lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing import Parsed, Parser, Reject, Tally, json_records
from siem.run.content import load_registry
from siem.schema import ORDER, Origin, arrow_type

PARSER: Parser = load_registry(None)[0].parsers["aws.cloudtrail"]
PAYLOADS = ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails")
LIMITS = Limits()
FEW = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
OPENED, CLOSED = b'{"Records":[', b"]}"


@dataclass(frozen=True)
class Cut:
    """Content cut into blocks at `places`; breaks after its end where `damage` is given."""

    content: bytes
    places: Sequence[int] = ()
    damage: str | None = None

    def head(self) -> bytes:
        return self.content[: 64 << 10]

    def blocks(self) -> Iterator[bytes]:
        ends = [*sorted(self.places), len(self.content)]
        for start, end in zip([0, *ends], ends, strict=False):
            yield self.content[start:end]
        if self.damage:
            raise Damaged(self.damage)

    def file(self) -> BinaryIO:
        return BytesIO(self.content)


@dataclass(frozen=True)
class Outcome:
    blocks: list[Parsed]
    documents: list[dict[str, Any]]
    rejects: list[Reject]
    tally: Tally

    @property
    def ids(self) -> list[str]:
        return [document["event.id"] for document in self.documents]


def outcome(content: Cut, window: int = json_records.WINDOW) -> Outcome:
    """What the parser makes of it, in windows of so many bytes; the sums hold, and a line is a document."""
    ingested = datetime(2026, 11, 1, 12, tzinfo=UTC)
    origin = Origin("k.json", "0123456789abcdef01234567", hashlib.sha256(content.content).hexdigest(), ingested)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_records, "WINDOW", window)
        blocks = list(PARSER.parse(content, origin, LIMITS))
    tally, documents, rejects = Tally(), list[dict[str, Any]](), list[Reject]()
    for block in blocks:
        tally.add(block)
        rejects += block.rejects
        if block.batch is not None:
            lines = block.batch.ndjson().splitlines(keepends=True)
            assert len(lines) == len(block.batch)
            assert all(line.endswith(b"}\n") for line in lines)
            documents += map(json.loads, lines)
    assert tally.records == len(documents) + len(rejects) + tally.skipped
    for document in documents:
        known = [name for name in document if name in ORDER]
        assert list(document) == [*sorted(known, key=ORDER.__getitem__), "aws.cloudtrail"]
    return Outcome(blocks, documents, rejects, tally)


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(
        ['"', "\\", '\\"', '":', '}],{"', '{"eventVersion":', '},{"eventVersion":"1.08"', "]}", "\u2028", "\0"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.floats(-1e9, 1e9), TEXTS),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXTS, below, max_size=3),
    max_leaves=6,
)


@st.composite
def record(draw: st.DrawFn) -> dict[str, Any]:
    """A sound record without its id, as free as AWS is in it."""
    found: dict[str, Any] = {"eventVersion": draw(st.sampled_from(["1.08", "1.11"]))}
    found["userIdentity"] = draw(st.one_of(VALUES, st.just({"type": "Root", "accountId": "111122223333"})))
    found["eventTime"] = "2026-11-01T00:00:00Z"
    odd = ["eventName", "errorCode", "sourceIPAddress", "userAgent", "eventSource", "awsRegion", "readOnly", "newKey"]
    for name in draw(st.lists(st.sampled_from([*odd, *PAYLOADS, "tlsDetails", "resources"]), unique=True, max_size=6)):
        found[name] = draw(VALUES)
    return found


def written(found: Sequence[dict[str, Any]], *, ascii_only: bool = True) -> list[bytes]:
    return [
        json.dumps(one | {"eventID": f"id-{number}"}, separators=(",", ":"), ensure_ascii=ascii_only).encode()
        for number, one in enumerate(found)
    ]


RECORDS = st.lists(record(), min_size=1, max_size=5)
WINDOWS = st.sampled_from([1, 40, 300, json_records.WINDOW])


def ids(count: int) -> list[str]:
    return [f"id-{number}" for number in range(count)]


def stable(found: Outcome) -> list[tuple[int, str, bytes]]:
    return [(reject.ordinal, reject.reason, reject.raw) for reject in found.rejects]


@FEW
@given(RECORDS, st.booleans(), st.sampled_from(["compact", "lines"]), st.data())
def test_blocks_make_no_difference(
    made: list[dict[str, Any]], ascii_only: bool, form: str, data: st.DataObject
) -> None:
    """Cut anywhere into blocks and windows, also inside a character or an escape: the same events."""
    texts = written(made, ascii_only=ascii_only)
    content = OPENED + b",".join(texts) + CLOSED if form == "compact" else b"\n".join([*texts, b""])
    whole = outcome(Cut(content))
    assert whole.ids == ids(len(made))
    assert (whole.rejects, whole.tally.damaged) == ([], None)
    places = data.draw(st.lists(st.integers(0, len(content)), max_size=6))
    pieces = outcome(Cut(content, places), data.draw(WINDOWS))
    assert pieces.documents == whole.documents
    assert (stable(pieces), pieces.tally.damaged) == ([], None)


@FEW
@given(RECORDS, st.sampled_from([None, 1, "\t"]), st.data())
def test_white_space_and_the_order_of_keys_make_no_difference(
    made: list[dict[str, Any]], indent: int | str | None, data: st.DataObject
) -> None:
    """Pretty-printed, keys sorted, other keys around the list: the same events, whatever the blocks."""
    numbered = [one | {"eventID": f"id-{number}"} for number, one in enumerate(made)]
    around = data.draw(st.sampled_from([{}, {"zTail": [{"a": "]}"}]}]))
    content = json.dumps({"Records": numbered} | around, indent=indent, sort_keys=data.draw(st.booleans())).encode()
    places = data.draw(st.lists(st.integers(0, len(content)), max_size=4))
    found = outcome(Cut(content, places), data.draw(WINDOWS))
    assert found.ids == ids(len(made))
    assert (found.rejects, found.tally.damaged) == ([], None)


@settings(parent=FEW, max_examples=4)
@given(st.lists(record(), min_size=1, max_size=3))
def test_an_object_cut_at_every_byte_keeps_what_came_before(made: list[dict[str, Any]]) -> None:
    texts = written(made)
    content = OPENED + b",".join(texts) + CLOSED
    ends = [len(OPENED) + sum(map(len, texts[: number + 1])) + number for number in range(len(texts))]
    for end in range(len(OPENED), len(content)):
        found = outcome(Cut(content[:end], damage="cut"))
        whole = sum(place <= end for place in ends)
        assert found.ids == ids(whole)
        assert found.tally.damaged is not None
        assert len(found.rejects) <= 1


@FEW
@given(st.lists(record(), min_size=2, max_size=5), st.data())
def test_a_flipped_bit_costs_the_record_that_it_is_in(made: list[dict[str, Any]], data: st.DataObject) -> None:
    texts = written(made)
    struck = data.draw(st.integers(0, len(texts) - 1))
    place = data.draw(st.integers(0, len(texts[struck]) - 1))
    flipped = bytearray(texts[struck])
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    texts[struck] = bytes(flipped)
    found = outcome(Cut(OPENED + b",".join(texts) + CLOSED))
    others = [one for number, one in enumerate(ids(len(made))) if number != struck]
    assert [one for one in found.ids if one in others] == others
    assert found.tally.records >= len(made)


JUNK = st.one_of(
    st.sampled_from([b"null", b"5", b'"text"', b"[1]", b"{}", b"garbage", b"{", b'{"a', b"<html>", b"\x00", b"\xff"]),
    st.sampled_from(
        [b'{"eventVersion":', b'{"eventVersion":"1.08"}', b'{"eventVersion":"1.08","eventTime":1e999}', b":"]
    ),
    st.binary(min_size=1, max_size=8).filter(lambda raw: not set(raw) & set(b'",]}\\ \t\r\n')),
)


@FEW
@given(RECORDS, st.lists(JUNK, min_size=1, max_size=5), st.data())
def test_junk_between_records_is_rejected_and_costs_no_record(
    made: list[dict[str, Any]], junk: list[bytes], data: st.DataObject
) -> None:
    texts = written(made)
    for one in junk:
        # In front of a record: behind the last one nothing tells where junk that opens a bracket ends.
        texts.insert(data.draw(st.integers(0, len(texts) - 1)), one)
    found = outcome(Cut(OPENED + b",".join(texts) + CLOSED))
    assert found.ids == ids(len(made))
    assert len(found.rejects) >= 1


@settings(parent=FEW, max_examples=150)
@given(st.binary(max_size=300), st.booleans(), WINDOWS, st.lists(st.integers(0, 300), max_size=3))
def test_any_bytes_come_to_an_outcome(body: bytes, inside: bool, window: int, places: list[int]) -> None:
    content = OPENED + body if inside else body
    outcome(Cut(content, [place for place in places if place <= len(content)]), window)


@FEW
@given(RECORDS, st.booleans())
def test_documents_and_tables_hold_the_same(made: list[dict[str, Any]], ascii_only: bool) -> None:
    found = outcome(Cut(OPENED + b",".join(written(made, ascii_only=ascii_only)) + CLOSED))
    tables = [block.batch.arrow() for block in found.blocks if block.batch is not None]
    assert [row for table in tables for row in as_documents(table)] == found.documents
    for table in tables:
        known = [name for name in table.column_names if name in ORDER]
        assert known == sorted(known, key=ORDER.__getitem__)
        assert all(table.schema.field(name).type == arrow_type(name) for name in known)


def as_documents(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as `ndjson` has them: payloads back in their records."""
    texts = [column.cast(pa.string()) if pa.types.is_timestamp(column.type) else column for column in table.columns]
    times = {name for name in table.column_names if pa.types.is_timestamp(table[name].type)}
    documents = []
    for row in pa.table(dict(zip(table.column_names, texts, strict=True))).to_pylist():
        own = json.loads(row.pop("aws.cloudtrail"))
        for key in PAYLOADS:
            if (payload := row.pop(f"aws.cloudtrail.{key}", None)) is not None:
                assert own[key] is None
                own[key] = json.loads(payload)
        fields = {name: rfc3339(value) if name in times else value for name, value in row.items() if value is not None}
        documents.append(fields | {"aws.cloudtrail": own})
    return documents


def rfc3339(text: str) -> str:
    return text.replace(" ", "T").replace(".000000", "").removesuffix("Z") + "Z"
