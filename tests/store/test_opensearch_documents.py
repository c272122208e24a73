"""Bulk lines hold the event's own line, and beside it what `additions` says: held against it for every parser."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Batch, Registry, columns
from siem.parsing.batch import text_of
from siem.parsing.casts import FEW
from siem.parsing.columns import Coded, Column, ColumnBatch, Numbered
from siem.run.reading import read
from siem.schema import LEAVES, OVERSIZE, SEQ, DatasetFields, SourceObject, additions, decoded, stripped
from siem.schema.leaves import LONGEST, MOST
from siem.store.opensearch.events import record_leaves
from siem.store.opensearch.events.documents import BulkLines
from siem.store.opensearch.names import Names, Period, begun
from siem.testing.batches import DocumentBatch
from siem.testing.golden import cases, raw_object

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
PARSERS = Path(__file__).parent.parent / "parsers"
CASES = cases(PARSERS)
NAMES = Names("t-", {"aws.cloudtrail": Period.DAY})
FIELDS = DatasetFields(
    "x.y", native={"name": "event.action", "in.path": "url.path", "number": "source.port"}, payloads=frozenset(("p",))
)


def batches(registry: Registry, key: str, content: Path | bytes) -> Iterator[Batch]:
    limits = Limits()
    reading = read(SourceObject("b", key), Delivered(content, limits), registry, limits, NOW)
    return (parsed.batch for parsed in reading if parsed.batch is not None)


def pairs(segment: bytes) -> list[tuple[dict[str, Any], bytes]]:
    """Action and document's line, in turn."""
    lines = segment.split(b"\n")
    assert lines.pop() == b""
    return [(orjson.loads(action), line) for action, line in zip(lines[::2], lines[1::2], strict=True)]


def assert_as_specified(batch: Batch, segment: bytes, fields: DatasetFields, unique_ids: bool, first: int) -> None:
    """Every byte of the documents is the event's line and what the specification adds."""
    found = pairs(segment)
    lines = batch.ndjson().splitlines()
    assert len(found) == len(lines)
    for seq, ((action, line), event) in enumerate(zip(found, lines, strict=True), first):
        document = decoded(event)
        assert line.startswith(event[:-1] + b",")
        assert decoded(line) == {**document, SEQ: seq, **additions(document, fields)}
        assert stripped(decoded(line)) == document
        assert action == {"create": {"_index": index(document), "_id": identity(document, unique_ids)}}


def index(document: dict[str, Any]) -> str:
    return NAMES.of(document["event.dataset"], datetime.fromisoformat(document["@timestamp"]), NOW)


def identity(document: dict[str, Any], unique_ids: bool) -> str:
    if not unique_ids:
        return str(document["event.id"])
    since = datetime.fromisoformat(document["@timestamp"]) - datetime(1970, 1, 1, tzinfo=UTC)
    return f"{document['event.id']}@{(since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds}"


@pytest.mark.parametrize("case", CASES, ids=[f"{case.parent.name}/{case.name}" for case in CASES])
def test_golden_cases(case: Path, registry: Registry) -> None:
    raw = raw_object(case)
    for batch in batches(registry, raw.relative_to(case).as_posix(), raw):
        parser = registry.parsers[batch.dataset]
        lines = BulkLines(parser.fields, NAMES, parser.unique_ids, NOW)
        assert_as_specified(batch, lines.segment(batch, 7), parser.fields, parser.unique_ids, 7)


@pytest.mark.parametrize(
    "names", [[], ["event.id"], ["event.id", "url.path"], ["event.id", "aws.waf"], ["x", "url.path"]]
)
def test_rows_of_documents_are_their_columns(names: list[str], registry: Registry) -> None:
    raw = raw_object(next(case for case in CASES if case.parent.name == "waf"))
    every = list(batches(registry, "WAFLogs/x.log", raw))
    assert every
    for batch in every:
        found = batch.documents()
        assert [tuple(row) for row in found.rows(names)] == [
            tuple(found.column(name)[at] for name in names) for at in range(len(batch))
        ]


texts = st.sampled_from(["Get", "/a", "8080", "", 'q"\\', "é\u2028", "\n\x00", "true", "😀"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=5
)
keys = st.sampled_from(["name", "in", "path", "in.path", "number", "p", "a", "a.b", "a=b", ""]) | texts
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.sampled_from([1.5, -0.0, 1e300]) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
)
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)) | st.datetimes(NOW.replace(tzinfo=None) - timedelta(5))


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    time = draw(times)
    return {
        "@timestamp": (time.isoformat(timespec="microseconds") if time.microsecond else time.isoformat()) + "Z",
        "event.id": draw(st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1, max_size=9)),
        "event.dataset": "x.y",
        "event.action": draw(st.none() | texts),
        "url.path": draw(st.none() | texts),
        "source.port": draw(st.none() | st.sampled_from([0, 1, 8080])),
        "x.y": draw(st.dictionaries(keys, values, max_size=5)),
    }


class TestAnyRecord:
    @given(st.lists(documents(), min_size=1, max_size=4), st.booleans())
    def test_is_written_as_specified(self, given: list[dict[str, Any]], unique_ids: bool) -> None:
        batch = DocumentBatch("x.y", given, ("p",))
        segment = BulkLines(FIELDS, NAMES, unique_ids, NOW).segment(batch, 0)
        assert_as_specified(batch, segment, FIELDS, unique_ids, 0)

    @given(st.lists(documents(), min_size=1, max_size=3), st.sampled_from([1, 2, 2048]))
    def test_is_written_as_specified_where_stretches_repeat(self, given: list[dict[str, Any]], remembered: int) -> None:
        fields = replace(FIELDS, stretches={"name": True, "in": False, "p": True, "a": True})
        batch = DocumentBatch("x.y", [fields_of | {"x.y": record["x.y"]} for record in given for fields_of in given])
        with patch.object(record_leaves, "REMEMBERED", remembered):
            lines = BulkLines(fields, NAMES, False, NOW)
            assert_as_specified(batch, lines.segment(batch, 0), fields, False, 0)
            assert_as_specified(batch, lines.segment(batch, 0), fields, False, 0)

    def test_a_stretch_again_whose_fields_hold_something_else(self) -> None:
        document: dict[str, Any] = {"@timestamp": "2026-11-01T00:00:00Z", "event.id": "1", "event.dataset": "x.y"}
        document |= {"x.y": {"name": "Get", "b": 1, "p": None}}
        fields = replace(FIELDS, stretches={"name": True, "p": False})
        batch = DocumentBatch("x.y", [document | {"event.action": text} for text in ("Get", "Put", "Get")])
        written = pairs(BulkLines(fields, NAMES, False, NOW).segment(batch, 0))
        assert [decoded(line)[LEAVES] for _, line in written] == [["b=1"], ["name=Get", "b=1"], ["b=1"]]

    @pytest.mark.parametrize("inner", [{"p": 1, "q": 2}, [{"r": 0, "p": 1}], {"q": {"r": 0, "p": {"p": 1}}}])
    def test_a_key_that_begins_a_stretch_may_stand_inside(self, inner: Any) -> None:
        document: dict[str, Any] = {"@timestamp": "2026-11-01T00:00:00Z", "event.id": "1", "event.dataset": "x.y"}
        fields = replace(FIELDS, stretches={"a": True, "p": True})
        for record in ({"a": {"r": 1, **inner} if isinstance(inner, dict) else inner}, {"a": inner, "p": inner}):
            batch = DocumentBatch("x.y", [document | {"x.y": record}] * 2)
            assert_as_specified(batch, BulkLines(fields, NAMES, False, NOW).segment(batch, 0), fields, False, 0)

    @pytest.mark.parametrize(
        "record",
        [
            {"name": ["Get", "Put"]},
            {"name": "Get", "in": {"path": "/a"}},
            {"in": {"path": "/a"}, "in.path": "/a"},
            {"in": [{"path": "/a"}, {"path": "/b"}]},
            {"in": {"path": ["/a"]}},
            {"in": "/a"},
            {"number": 8080},
            {"number": "8080"},
            {"name": 1},
            {"name": None, "in": None},
        ],
    )
    def test_what_fields_hold_is_left_out(self, record: dict[str, Any]) -> None:
        document = {"@timestamp": "2026-11-01T00:00:00Z", "event.id": "1", "event.dataset": "x.y", "x.y": record}
        document |= {"event.action": "Get", "url.path": "/a", "source.port": 8080}
        batch = DocumentBatch("x.y", [document])
        assert_as_specified(batch, BulkLines(FIELDS, NAMES, False, NOW).segment(batch, 0), FIELDS, False, 0)

    @pytest.mark.parametrize("letter", ["a", "é", "😀"])
    @pytest.mark.parametrize("more", [0, 1])
    @pytest.mark.parametrize("where", ["error.message", "x.y"])
    def test_long_texts_are_named(self, letter: str, more: int, where: str) -> None:
        units = len(letter.encode("utf-16-le")) // 2
        item = "k=" if where == "x.y" else ""
        text = letter * ((LONGEST - len(item)) // units) + "a" * ((LONGEST - len(item)) % units + more)
        document = {"@timestamp": "2026-11-01T00:00:00Z", "event.id": "1", "event.dataset": "x.y", "x.y": {"b": 1}}
        document[where] = {"k": text} if where == "x.y" else text
        batch = DocumentBatch("x.y", [document])
        segment = BulkLines(FIELDS, NAMES, False, NOW).segment(batch, 0)
        assert_as_specified(batch, segment, FIELDS, False, 0)
        ((_, line),) = pairs(segment)
        assert decoded(line).get(OVERSIZE) == ([item.strip("=") or where] if more else None)


class TestPlaces:
    def written(self, time: str, names: Names = NAMES) -> str:
        document = {"@timestamp": time, "event.id": "1", "event.dataset": "x.y", "x.y": {}}
        ((action, line),) = pairs(BulkLines(FIELDS, names, False, NOW).segment(DocumentBatch("x.y", [document]), 3))
        assert LEAVES not in decoded(line)
        return str(action["create"]["_index"])

    def test_an_index_spans_a_month_or_a_day(self) -> None:
        assert self.written("2026-11-01T00:00:00Z") == "t-events-x.y-2026.11"
        assert self.written("2026-10-31T23:59:59.999999Z") == "t-events-x.y-2026.10"
        by_day = Names("", {"x.y": Period.DAY})
        assert self.written("2026-10-31T23:59:59.999999Z", by_day) == "events-x.y-2026.10.31"

    def test_reach_ends_in_the_middle_of_a_day(self) -> None:
        assert self.written("2026-11-03T12:00:00Z") == "t-events-x.y-2026.11"
        assert self.written("2026-11-03T12:00:00.000001Z") == "t-events-x.y-other"
        kept = Names(kept=timedelta(days=10))
        assert self.written("2026-10-23T12:00:00Z", kept) == "events-x.y-2026.10"
        assert self.written("2026-10-23T11:59:59Z", kept) == "events-x.y-other"
        assert self.written("0001-01-01T00:00:00Z", kept) == "events-x.y-other"

    def test_a_period_that_was_dropped_does_not_come_back(self) -> None:
        dropped = Names().without({"x.y": datetime(2026, 11, 1, tzinfo=UTC)})
        assert self.written("2026-11-01T00:00:00Z", dropped) == "events-x.y-2026.11"
        assert self.written("2026-10-31T23:59:59.999999Z", dropped) == "events-x.y-other"
        assert dropped.of("z", datetime(2026, 10, 1, tzinfo=UTC), NOW) == "events-z-2026.10"

    @pytest.mark.parametrize("name", ["other", "2026", "2026.13", "2026.2.3", "2026.11.01-x", "2026.11.31", ""])
    def test_what_is_no_period(self, name: str) -> None:
        assert begun(name) is None

    def test_periods(self) -> None:
        assert begun("2026.11") == begun("2026.11.01") == datetime(2026, 11, 1, tzinfo=UTC)


words = st.sampled_from(["a", 'q"\\', "é\u2028", "x" * (LONGEST + 1), "-"]) | st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), max_size=5
)


@st.composite
def column_batches(draw: st.DrawFn) -> ColumnBatch:
    """Rows with native columns that have gaps; times near the end of reach."""
    rows = draw(st.integers(1, 6))

    def column(texts: st.SearchStrategy[str | None]) -> Coded:
        values = pa.array(draw(st.lists(texts, min_size=rows, max_size=rows)), pa.string())
        return Coded(values, None) if draw(st.booleans()) else Coded(values, None).recoded()

    time = st.sampled_from([0, 1, 500_000, 86_400 * 10**6]).map(
        lambda micros: text_of(NOW + timedelta(days=1, microseconds=micros) - timedelta(hours=draw(st.integers(0, 60))))
    )
    found: dict[str, Column] = {"@timestamp": column(time)}
    found["event.id"] = Numbered("f-", np.arange(3, 3 + rows)) if draw(st.booleans()) else column(words)
    found["event.dataset"] = Coded.constant("x.y")
    found["error.message"] = column(st.none() | words)
    natives = draw(st.lists(st.sampled_from(["b", "a", "c.d", "e-f"]), unique=True))
    gaps = st.none() | st.sampled_from(["a", "-"])
    found |= {f"x.y.{name}": column(draw(st.sampled_from([words, gaps, gaps, st.none()]))) for name in natives}
    return ColumnBatch("x.y", rows, found)


class TestColumns:
    @given(column_batches(), st.booleans(), st.sampled_from([0, FEW]))
    def test_are_written_as_specified(self, batch: ColumnBatch, unique_ids: bool, few: int) -> None:
        fields = DatasetFields("x.y", nested=False)
        with patch.object(columns, "FEW", few):
            lines = BulkLines(fields, NAMES, unique_ids, NOW)
            segment = lines.segment(batch, 5)
            assert_as_specified(batch, segment, fields, unique_ids, 5)
            assert lines.counts(batch) == Counter([action["create"]["_index"] for action, _ in pairs(segment)])

    def test_come_in_pieces_of_whole_events(self, registry: Registry) -> None:
        header = (
            b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
        )
        line = b"\n2 123456789012 eni-1 192.0.2.1 192.0.2.2 1 2 6 1 40 1793491200 1793491260 ACCEPT"
        batch, *_ = batches(registry, "AWSLogs/123456789012/vpcflowlogs/x.log", header + line * 20_000)
        parser = registry.parsers[batch.dataset]
        pieces = list(BulkLines(parser.fields, NAMES, parser.unique_ids, NOW).segments(batch, 0))
        assert len(batch) > 9_000
        assert len(pieces) > 2
        assert all(piece.count(b"\n") % 2 == 0 and piece.endswith(b"}\n") for piece in pieces)
        assert max(map(len, pieces)) < 4 << 20
        assert [decoded(line)[SEQ] for _, line in pairs(b"".join(pieces))] == list(range(len(batch)))


@pytest.mark.parametrize(("letters", "values"), [(3_900, 1_000), (3_900, 1_100), (3_900, 2_500), (5_000, 25_000)])
def test_leaves_that_are_too_many_are_left_out(registry: Registry, letters: int, values: int) -> None:
    """Of events of 6 to 110 KB."""
    record = {"eventVersion": "1.09", "eventTime": "2026-11-01T00:00:00Z", "p": {"k" * letters: [1] * values}}
    (batch,) = batches(registry, f"AWSLogs/{TRAIL_KEY}", orjson.dumps({"Records": [record]}))
    fields = registry.parsers["aws.cloudtrail"].fields
    segment = BulkLines(fields, NAMES, True, NOW).segment(batch, 0)
    assert_as_specified(batch, segment, fields, True, 0)
    assert (b'"siem.leaves":' in segment) == (letters * values < MOST)


TRAIL_KEY = "111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_a.json"
