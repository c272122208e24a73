"""Parquet: the same documents as from text, in bounded memory, whatever the file holds."""

from __future__ import annotations

from io import BytesIO

import pyarrow as pa
import pytest
from flows import GOOD, KEY, V2, Outcome, flows, outcome
from pyarrow import parquet

from siem.config import Limits
from siem.parsing.parquet import BATCH_BYTES

PARQUET_KEY = KEY.replace(".log.gz", ".log.parquet")
V5 = V2.replace("log-status", "log-status vpc-id flow-direction pkt-srcaddr tcp-flags type")
NUMBERS = ("version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags")
LINES = [
    f"{GOOD} vpc-1 egress 10.0.0.9 2 IPv4",
    f"{GOOD.replace('ACCEPT', 'REJECT')} - - - - -",
    "2 111122223333 eni-1 - - - - - - - 1793509200 1793509260 - NODATA - - - - -",
    "2 111122223333 eni-2 2001:db8::1 ::1 0 0 58 1 64 1793509200 1793509260 ACCEPT OK - ingress - 0 IPv6",
]


def written(table: pa.Table, **options: object) -> bytes:
    file = BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def table_of(lines: list[str], header: str = V5) -> pa.Table:
    """The lines as AWS writes them: underscores, integers, nulls."""
    rows = [[None if text == "-" else text for text in line.split(" ")] for line in lines]
    names = header.split(" ")
    columns = {
        name.replace("-", "_"): pa.array([row[place] for row in rows], pa.string()).cast(
            pa.int32() if name == "version" else pa.int64() if name in NUMBERS else pa.string()
        )
        for place, name in enumerate(names)
    }
    return pa.table(columns)


def of_table(table: pa.Table, **options: object) -> Outcome:
    return outcome(written(table, **options), PARQUET_KEY)


def without_ids(found: Outcome) -> bytes:
    for document in found.documents:
        found_id = document["event.id"].rpartition("-")[0].encode()
        return found.ndjson.replace(found_id, b"")
    return b""


@pytest.mark.parametrize("options", [{}, {"row_group_size": 1}, {"use_dictionary": False}, {"compression": "gzip"}])
def test_the_same_documents_as_from_text(options: dict[str, object]) -> None:
    from_text, from_parquet = flows(*LINES, header=V5), of_table(table_of(LINES), **options)
    assert from_parquet.ordinals == [0, 1, 3]
    assert from_parquet.tally.skipped == 1
    assert without_ids(from_parquet) == without_ids(from_text)


def test_many_row_groups_count_on() -> None:
    lines = [GOOD.replace("40000", str(number)) for number in range(40_000)]
    found = of_table(table_of(lines, V2), row_group_size=15_000)
    assert [document["source.port"] for document in found.documents] == list(range(40_000))
    assert found.ordinals == list(range(40_000))


def test_a_file_without_rows_is_sound() -> None:
    found = of_table(table_of([]))
    assert (found.tally.records, found.tally.damaged) == (0, None)


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 64 + b"PAR1"])
def test_a_file_without_footer_is_damaged(content: bytes) -> None:
    found = outcome(content, PARQUET_KEY)
    assert found.tally.records == 0
    assert found.tally.damaged is not None
    assert found.tally.damaged.startswith("not a whole Parquet file")


def test_pages_that_are_overwritten_damage_what_follows() -> None:
    lines = [GOOD.replace("40000", str(number % 60_000)) for number in range(40_000)]
    content = bytearray(written(table_of(lines, V2), row_group_size=20_000, compression="zstd"))
    middle = parquet.ParquetFile(BytesIO(bytes(content))).metadata.row_group(1).column(3).dictionary_page_offset
    content[middle : middle + 400] = b"\xff" * 400
    found = outcome(bytes(content), PARQUET_KEY)
    assert found.tally.damaged is not None
    assert 0 < found.tally.events <= 40_000
    assert found.ordinals == list(range(found.tally.events))


def test_names_and_types_that_no_flow_log_has() -> None:
    table = pa.table(
        {
            "end": [1793509260],
            "own_list": pa.array([[1, 2]]),
            "own_flag": [True],
            "own_bytes": pa.array([b"ab"]),
            "own_float": [0.5],
            "own_big": pa.array(["x"], pa.large_string()),
        }
    )
    (document,) = of_table(table).documents
    own = {name.removeprefix("aws.vpcflow."): value for name, value in document.items() if "own-" in name}
    assert own == {"own-list": "[1, 2]", "own-flag": "true", "own-bytes": "ab", "own-float": "0.5", "own-big": "x"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ('a"b', "a column's name is none that this log has"),
        ("a.b", "a column's name is none that this log has"),
        ("srcaddr", None),
    ],
)
def test_hostile_column_names_reach_no_document(name: str, reason: str | None) -> None:
    found = of_table(pa.table({"end": [1793509260], name: ["10.0.0.1"]}))
    assert found.reasons == ([(0, reason)] if reason else [])
    if reason:
        assert found.rejects[0].raw == b"1793509260 10.0.0.1"


def test_two_names_that_become_one_are_refused() -> None:
    found = of_table(pa.table({"vpc_id": ["a"], "vpc-id": ["b"]}))
    assert found.reasons == [(0, "the column vpc-id stands twice in the header")]


def test_text_that_is_none_costs_its_row() -> None:
    raw = pa.array([b"10.0.0.1", b"\xff\xfe", b"10.0.0.\x003", b"10.0.0.4", None], pa.binary())
    text = pa.StringArray.from_buffers(5, raw.buffers()[1], raw.buffers()[2], raw.buffers()[0])
    found = of_table(pa.table({"end": [1793509260] * 5, "srcaddr": text}))
    assert found.ordinals == [0, 3, 4]
    assert found.reasons == [(1, "bytes that are not UTF-8"), (2, "a control character in the line")]
    assert found.rejects[0].raw == b"1793509260 \xff\xfe"


def test_rows_longer_than_the_limit_are_rejected() -> None:
    table = pa.table({"end": [1793509260] * 3, "srcaddr": ["10.0.0.1", "x" * 70_000, "10.0.0.2"]})
    found = outcome(written(table), PARQUET_KEY, limits=Limits(record_bytes=65_536))
    assert found.ordinals == [0, 2]
    assert found.reasons == [(1, "longer than 65,536 bytes (limits.record_bytes)")]


def test_texts_that_repeat_cost_no_more_memory_than_a_batch() -> None:
    long = "x" * 1_000_000
    table = pa.table({"end": [1793509260] * 80, "vpc_id": [long] * 80})
    content = written(table)
    assert len(content) < 1_500_000
    found = list(outcome(content, PARQUET_KEY).blocks)
    assert sum(block.events for block in found) == 80
    assert max(block.events for block in found) <= BATCH_BYTES // len(long)


def test_more_than_an_object_may_hold_is_not_read() -> None:
    content = written(
        pa.table({"end": [1793509260] * 300_000, "srcaddr": ["10.0.0.1"] * 300_000}), use_dictionary=False
    )
    found = outcome(content, PARQUET_KEY, limits=Limits(object_bytes=1_000_000))
    assert found.tally.damaged == "decompressed beyond 1,000,000 bytes (limits.object_bytes)"
    assert found.tally.records == 0
