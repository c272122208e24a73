"""Delimited lines: which become events, which are rejected or skipped, and under which ordinal."""

from __future__ import annotations

import hashlib

import pytest
from flows import GOOD, KEY, V2, Memory, flows, outcome

from siem.config import Limits
from siem.parsing import Reject

V4 = "start end log-status action srcaddr"
OF_V4 = "1793505600 1793505616 OK REJECT 198.51.100.9"


def text(*lines: str | bytes) -> bytes:
    return b"\n".join([line if isinstance(line, bytes) else line.encode() for line in (V2, *lines, b"")])


def test_ordinals_count_rejects_and_skipped_but_no_blank_lines_and_headers() -> None:
    nodata = "2 111122223333 eni-1 - - - - - - - 1793509200 1793509260 - NODATA"
    found = flows(GOOD, "", nodata, "   ", "garbage", GOOD)
    assert found.ordinals == [0, 3]
    assert found.reasons == [(2, "1 columns, the header has 14")]
    assert (found.tally.records, found.tally.skipped) == (4, 1)


def test_a_reject_keeps_the_line() -> None:
    (reject,) = flows(GOOD, "too short").rejects
    raw = b"too short"
    assert reject == Reject(1, "2 columns, the header has 14", raw, len(raw), hashlib.sha256(raw).hexdigest())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (GOOD.encode().replace(b"eni-1", b"eni\x00"), "a control character in the line"),
        (GOOD.encode().replace(b"eni-1", b"eni\t"), "a control character in the line"),
        (GOOD.encode().replace(b"eni-1", b"eni\r"), "a control character in the line"),
        (GOOD.encode().replace(b"eni-1", b"eni\x7f"), "a control character in the line"),
        (GOOD.encode().replace(b"eni-1", b"eni\xff"), "bytes that are not UTF-8"),
        (GOOD.encode().replace(b"eni-1", b"\xed\xa0\x80"), "bytes that are not UTF-8"),
        (GOOD.encode() + b" more", "15 columns, the header has 14"),
        (GOOD.encode().rpartition(b" ")[0], "13 columns, the header has 14"),
    ],
)
def test_one_bad_line_costs_one_record(line: bytes, reason: str) -> None:
    found = outcome(text(GOOD, line, GOOD))
    assert found.ordinals == [0, 2]
    assert found.reasons == [(1, reason)]
    assert found.rejects[0].raw == line


def test_a_header_that_comes_again_is_no_record() -> None:
    found = outcome(text(GOOD, V2, GOOD))
    assert (found.ordinals, found.rejects) == ([0, 1], [])


def test_a_line_longer_than_the_limit_is_rejected_wherever_blocks_are_cut() -> None:
    long = GOOD.encode().replace(b"eni-1", b"e" * 70_000)
    for size in (1_000, 100_000, 1 << 20):
        found = outcome(Memory(text(GOOD, long, GOOD), size), limits=Limits(record_bytes=65_536))
        assert found.ordinals == [0, 2]
        assert found.reasons == [(1, "longer than 65,536 bytes (limits.record_bytes)")]
        assert (found.rejects[0].size, found.rejects[0].sha256) == (len(long), hashlib.sha256(long).hexdigest())


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    plain = outcome(text(GOOD, GOOD))
    other = outcome(b"\xef\xbb\xbf" + text(GOOD, GOOD).replace(b"\n", b"\r\n"))
    without_ids = [{**document, "event.id": ""} for document in other.documents]
    assert without_ids == [{**document, "event.id": ""} for document in plain.documents]
    assert not other.rejects


def test_a_byte_order_mark_inside_belongs_to_its_line() -> None:
    found = outcome(text("\ufeff" + GOOD))
    assert found.documents[0]["aws.vpcflow.version"] == "\ufeff2"


def test_a_last_line_without_newline_is_a_line() -> None:
    assert len(outcome(text(GOOD, GOOD).removesuffix(b"\n")).documents) == 2
    assert len(outcome(text(GOOD, GOOD).removesuffix(b"\n") + b"\r").documents) == 2


def test_where_an_object_breaks_its_last_line_is_a_reject() -> None:
    found = outcome(Memory(text(GOOD, GOOD)[:-5], damage="the gzip stream ends too early"))
    assert found.ordinals == [0]
    assert found.reasons == [(1, "cut: the object breaks inside the line")]
    assert found.tally.damaged == "the gzip stream ends too early"


def test_an_object_that_breaks_at_once_has_no_records() -> None:
    found = outcome(Memory(b"", damage="not gzip"))
    assert (found.tally.records, found.tally.damaged) == (0, "not gzip")


def test_another_header_names_the_columns_of_the_lines_that_follow() -> None:
    found = flows(GOOD, V4, OF_V4, OF_V4, V2, GOOD)
    assert [document["event.action"] for document in found.documents if "source.port" not in document] == ["reject"] * 2
    assert sorted(found.ordinals) == [0, 1, 2, 3]
    assert not found.rejects


def test_another_header_of_as_many_columns_is_seen_too() -> None:
    found = flows(GOOD, " ".join(reversed(V2.split(" "))), " ".join(reversed(GOOD.split(" "))))
    first, second = found.documents
    assert first | {"event.id": ""} == second | {"event.id": ""}


def test_without_a_header_every_line_is_rejected() -> None:
    found = outcome(f"{GOOD}\n{GOOD}\n".encode())
    assert found.reasons == [(0, "no header line"), (1, "no header line")]


def test_a_header_that_comes_late_names_what_follows() -> None:
    found = outcome(f"{GOOD}\n{V2}\n{GOOD}\n".encode())
    assert found.reasons == [(0, "no header line")]
    assert found.ordinals == [1]


def test_lines_below_columns_that_no_flow_log_has_are_rejected() -> None:
    found = flows("1 2 3", "4 5 6", header="a b c")
    assert found.reasons == [(ordinal, "the header has no column of this log") for ordinal in (0, 1)]


def test_a_column_that_stands_twice_is_named() -> None:
    found = flows("1 2 3", header="srcaddr dstaddr srcaddr")
    assert found.reasons == [(0, "the column srcaddr stands twice in the header")]


def test_a_header_with_thousands_of_columns_is_refused() -> None:
    names = " ".join(["srcaddr", *(f"c{number}" for number in range(1_000))])
    assert flows("1 2 3", header=names).reasons == [(0, "the header has more than 1,000 columns")]


def test_an_object_with_hundreds_of_headers_costs_no_more_than_a_hundred_blocks() -> None:
    lines = [line for number in range(300) for line in (f"srcaddr end c{number}", f"10.0.0.1 {1793509200 + number} x")]
    found = flows(*lines)
    assert len(found.documents) == 99  # the object's own header was the first of the hundred
    assert {reason for _, reason in found.reasons} == {"the object has more than 100 headers"}
    assert len(found.blocks) <= 101


@pytest.mark.parametrize("content", [b"", b"\n\n", V2.encode(), V2.encode() + b"\n", b"\r\n \n"])
def test_nothing_below_a_header_is_no_record(content: bytes) -> None:
    assert outcome(content).tally.records == 0


@pytest.mark.parametrize("size", [1, 7, 64, 1_000])
def test_where_blocks_are_cut_does_not_matter(size: int) -> None:
    content = text(GOOD, "garbage", GOOD.replace("ACCEPT", "REJECT"), "", GOOD)
    assert outcome(Memory(content, size)).ndjson == outcome(content).ndjson
    assert outcome(Memory(content, size)).reasons == outcome(content).reasons


def test_time_is_end_else_start_else_the_key_s_else_a_reject() -> None:
    late, bad = "99999999999999999999", "soon"
    lines = [f"{start} {end} 10.0.0.1" for start, end in (("60", "120"), ("60", late), (bad, "-"), ("-", "007"))]
    found = flows(*lines, header="start end srcaddr")
    assert [document["@timestamp"] for document in found.documents] == [
        "1970-01-01T00:02:00Z",
        "1970-01-01T00:01:00Z",
        "2026-11-01T05:00:00Z",
        "2026-11-01T05:00:00Z",
    ]
    timeless = flows(*lines, header="start end srcaddr", key=KEY.replace("_20261101T0500Z_", "_"))
    assert timeless.ordinals == [0, 1]
    assert timeless.reasons == [(2, "no time"), (3, "no time")]
    assert timeless.rejects[0].raw == b"soon - 10.0.0.1"


def test_a_key_whose_time_is_none_gives_none() -> None:
    assert flows("10.0.0.1", header="srcaddr", key=KEY.replace("1101T0500", "1399T9999")).reasons == [(0, "no time")]


def test_a_hostile_block_is_read_in_time_that_grows_with_its_size() -> None:
    found = flows(*["x" * (number % 7) + " y" for number in range(50_000)], GOOD)
    assert len(found.rejects) == 50_000
    assert found.ordinals == [50_000]


@pytest.mark.slow
def test_short_lines_that_become_long_documents_come_in_several_blocks() -> None:
    found = outcome(b"srcaddr\n" + b"x\n" * 300_000)
    assert found.ordinals == list(range(300_000))
    assert max(block.events for block in found.blocks) <= 130_000


def test_rejects_come_in_several_blocks() -> None:
    found = outcome(V2.encode() + b"\n" + b"x\n" * 25_000)
    assert [ordinal for ordinal, _ in found.reasons] == list(range(25_000))
    assert max(len(block.rejects) for block in found.blocks) == 10_000
