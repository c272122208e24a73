"""Parquet: the same documents as from text, in bounded memory, whatever the file holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from io import BytesIO
from uuid import UUID

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


def overwritten(content: bytes, *groups: int, columns: slice = slice(0, 1)) -> bytes:
    """The file with the first pages of some columns of these row groups destroyed."""
    broken = bytearray(content)
    metadata = parquet.ParquetFile(BytesIO(content)).metadata
    for group in groups:
        for column in range(*columns.indices(metadata.num_columns)):
            chunk = metadata.row_group(group).column(column)
            start = chunk.dictionary_page_offset or chunk.data_page_offset
            broken[start : start + 20] = b"\xff" * 20
    return bytes(broken)


def test_a_broken_row_group_costs_its_own_rows_and_shifts_no_ordinal() -> None:
    lines = [GOOD.replace("40000", str(number)) for number in range(100)]
    content = written(table_of(lines, V2), row_group_size=10, use_dictionary=False, compression="none")
    found = outcome(overwritten(content, 8), PARQUET_KEY)
    sound = [*range(80), *range(90, 100)]
    assert found.ordinals == sound
    assert [document["source.port"] for document in found.documents] == sound
    assert found.tally.rejects == 0
    assert found.tally.damaged is not None
    assert found.tally.damaged.startswith("row group 9 of 10 breaks: ")


def test_damage_names_the_first_broken_row_groups() -> None:
    content = written(table_of([GOOD] * 10, V2), row_group_size=1)
    found = outcome(overwritten(content, *range(1, 9)), PARQUET_KEY)
    assert found.ordinals == [0, 9]
    reasons = (found.tally.damaged or "").split("; ")
    assert [reason.partition(" breaks")[0] for reason in reasons] == [
        "row group 2 of 10", "row group 3 of 10", "row group 4 of 10", "and more",
    ]  # fmt: skip


def test_a_row_group_with_fewer_rows_than_it_says_is_damage() -> None:
    content = bytearray(written(table_of([GOOD] * 100, V2), row_group_size=50))
    for place in range(content.rindex(b"PAR1") - 1, 0, -1):  # from the last row group on: its count, as Thrift has it
        if content[place] == 50 << 1:
            content[place] += 2
            if parquet.ParquetFile(BytesIO(content)).metadata.row_group(1).num_rows == 51:
                break
            content[place] -= 2
    found = outcome(bytes(content), PARQUET_KEY)
    assert found.ordinals == list(range(100))
    assert found.tally.damaged == "row group 2 of 2 has 50 of 51 rows"


def test_rows_before_a_bad_page_of_a_row_group_survive() -> None:
    lines = [GOOD.replace("40000", str(number)) for number in range(60_000)]
    whole = written(
        table_of(lines, V2), row_group_size=50_000, compression="none", use_dictionary=False, data_page_size=1_000
    )
    chunk = parquet.ParquetFile(BytesIO(whole)).metadata.row_group(0).column(2)
    content = bytearray(whole)
    end = chunk.data_page_offset + chunk.total_compressed_size
    content[end - 30_000 : end] = b"\xff" * 30_000
    found = outcome(bytes(content), PARQUET_KEY)
    read = found.tally.events - 10_000
    assert 0 < read < 50_000
    assert found.ordinals == [*range(read), *range(50_000, 60_000)]
    assert found.tally.damaged is not None


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
    ("written_as", "name"),
    [
        ("Extra", "_45_xtra"),
        ("a.b", "a_2e_b"),
        ('a"b\n', "a_22_b_a_"),
        ("é", "_e9_"),
        ("9_lives", "9-lives"),
        ("", "_"),
        ("x" * 65, "x" * 47 + "_9537c5fdf120482f"),
    ],
)
def test_a_name_that_no_header_has_is_kept_escaped(written_as: str, name: str) -> None:
    found = of_table(pa.table({"end": [1793509260], written_as: ["kept"]}))
    assert found.reasons == []
    assert found.documents[0][f"aws.vpcflow.{name}"] == "kept"


def test_names_that_differ_stay_different() -> None:
    names = ["extra", "Extra", "eXtra", "e_xtra", "_45_xtra", "-45-xtra!", "y" * 70, "y" * 71]
    (document,) = of_table(pa.table({"end": [1793509260]} | {name: [name] for name in names})).documents
    assert {value for name, value in document.items() if name.startswith("aws.vpcflow.")} >= set(names)


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


BYTES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(8)]


@pytest.mark.parametrize("kind", BYTES, ids=str)
def test_bytes_that_are_no_text_cost_their_row_however_they_are_held(kind: pa.DataType) -> None:
    values = pa.array([b"10.0.0.1", b"\xff" * 8, None], kind)
    found = of_table(pa.table({"end": [1793509260] * 3, "srcaddr": values, "own": values}))
    assert found.ordinals == [0, 2]
    assert found.documents[0]["source.ip"] == found.documents[0]["aws.vpcflow.own"] == "10.0.0.1"
    assert found.reasons == [(1, "bytes that are not UTF-8")]
    assert found.tally.damaged is None


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_text_is_text_however_it_is_held(kind: pa.DataType) -> None:
    found = of_table(pa.table({"end": [1793509260] * 2, "srcaddr": pa.array(["10.0.0.1", None], kind)}))
    assert [document.get("source.ip") for document in found.documents] == ["10.0.0.1", None]


STORED = UUID("00112233-4455-6677-8899-aabbccddeeff")
MOMENT = datetime(2026, 11, 1, 5, 1)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([STORED.bytes], pa.binary(16))), str(STORED)),
        (pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a":1}'])), '{"a":1}'),
        (pa.array([MOMENT]), "2026-11-01T05:01:00"),
        (pa.array([MOMENT], pa.timestamp("ms", "Asia/Tokyo")), "2026-11-01T05:01:00Z"),
        (pa.array([MOMENT], pa.timestamp("s", "no/zone")), "2026-11-01T05:01:00Z"),
        (pa.array([1_500_000_001], pa.timestamp("ns", "UTC")), "1970-01-01T00:00:01.500000001Z"),
        (pa.array([MOMENT.date()]), "2026-11-01"),
        (pa.array([MOMENT.time()], pa.time32("s")), "05:01:00.000"),
        (pa.array([(1 << 31) - 1], pa.int32()).cast(pa.date32()), "<value out of range: 2147483647>"),
        (pa.array([Decimal("-1.50")]), "-1.50"),
        (pa.array([1.5], pa.float16()), "1.5"),
        (pa.array([[b"\xff\x00", b"a"]]), r'["\\xff\u0000", "a"]'),
        (pa.array([{"at": MOMENT, "n": [1, None]}]), '{"at": "2026-11-01T05:01:00", "n": [1, null]}'),
        (pa.array([[1]], pa.list_(pa.timestamp("ns"))), '["1970-01-01T00:00:00.000000001"]'),
        (pa.array([[1, 2]], pa.list_(pa.int8(), 2)), "[1, 2]"),
        (pa.array([[("k", True)]], pa.map_(pa.string(), pa.bool_())), '[{"key": "k", "value": true}]'),
    ],
    ids=lambda given: str(given.type) if isinstance(given, pa.Array) else "",
)
def test_a_value_of_any_type_is_kept_as_text(values: pa.Array, text: str) -> None:
    column = pa.concat_arrays([values, pa.nulls(1, values.type)])
    found = of_table(pa.table({"end": [1793509260] * 2, "own": column}))
    assert found.tally.damaged is None
    assert [document.get("aws.vpcflow.own") for document in found.documents] == [text, None]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_that_are_timestamps_are_times(unit: str, zone: str | None) -> None:
    ends = pa.array([MOMENT, None, datetime(1969, 12, 31)], pa.timestamp(unit, zone))
    found = of_table(pa.table({"start": pa.array([1793509200] * 3), "end": ends}))
    assert [document["@timestamp"] for document in found.documents] == [
        "2026-11-01T05:01:00Z", "2026-11-01T05:00:00Z", "1969-12-31T00:00:00Z",
    ]  # fmt: skip
    assert [document.get("event.end") for document in found.documents] == [
        "2026-11-01T05:01:00Z", None, "1969-12-31T00:00:00Z",
    ]  # fmt: skip
    assert found.documents[0]["aws.vpcflow.end"] == "1793509260"


def test_the_fraction_of_a_timestamp_is_kept() -> None:
    (document,) = of_table(pa.table({"end": pa.array([1_793_509_260_050_000_001], pa.timestamp("ns"))})).documents
    assert document["@timestamp"] == document["event.end"] == "2026-11-01T05:01:00.05Z"
    assert document["aws.vpcflow.end"] == "1793509260.050000001"


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
    found = list(outcome(content, PARQUET_KEY, limits=Limits(ratio=10_000)).blocks)
    assert sum(block.events for block in found) == 80
    assert max(block.events for block in found) <= BATCH_BYTES // len(long)


def test_more_than_an_object_may_hold_is_not_read() -> None:
    content = written(
        pa.table({"end": [1793509260] * 300_000, "srcaddr": ["10.0.0.1"] * 300_000}), use_dictionary=False
    )
    found = outcome(content, PARQUET_KEY, limits=Limits(object_bytes=1_000_000))
    assert found.tally.damaged == "longer than 1,000,000 bytes (limits.object_bytes)"
    assert found.tally.records == 0


LONG = "x" * 40_000
BOMBS: dict[str, Callable[[], pa.Array]] = {
    "text": lambda: pa.array([LONG] * 1_000),
    "large text": lambda: pa.array([LONG] * 1_000, pa.large_string()),
    "bytes of one size": lambda: pa.array([LONG.encode()] * 1_000, pa.binary(len(LONG))),
    "json": lambda: pa.ExtensionArray.from_storage(pa.json_(), pa.array([LONG] * 1_000)),
    "lists": lambda: pa.array([[LONG] * 10] * 100),
    "one list": lambda: pa.array([[LONG] * 1_000]),
    "structs": lambda: pa.array([{"a": LONG, "b": None}] * 1_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_expands_without_end_is_damaged_where_the_limit_is(name: str) -> None:
    bomb = BOMBS[name]()
    content = written(pa.table({"end": [1793509260] * len(bomb), "own": bomb}), compression="zstd")
    assert len(content) < 4_000
    found = outcome(content, PARQUET_KEY, limits=Limits(record_bytes=10_000_000))
    assert len(found.ndjson) < 17 << 20
    assert found.tally.damaged == "expands to more than 500 times its size (limits.ratio)"
    assert found.ordinals == list(range(found.tally.records))


def test_rows_that_say_nothing_are_counted_too() -> None:
    table = pa.table({name: pa.nulls(400_000, pa.int64()) for name in (*"abcdefghijklmnopqrstuvwxyz", "end", "start")})
    found = outcome(written(table), PARQUET_KEY, limits=Limits(object_bytes=1_000_000))
    assert found.tally.damaged == "longer than 1,000,000 bytes (limits.object_bytes)"
    assert found.tally.records == 1_000_000 // len(table.column_names)


def test_what_the_limit_allows_is_read_to_the_row() -> None:
    table = pa.table({"end": [1793509260] * 1_000, "own": [LONG[:1_000]] * 1_000})
    found = outcome(written(table), PARQUET_KEY, limits=Limits(object_bytes=500_000))
    assert found.tally.damaged == "longer than 500,000 bytes (limits.object_bytes)"
    assert found.ordinals == list(range(500_000 // len(f"1793509260 {LONG[:1_000]}\n")))
