"""The tool for golden cases: says what differs, and writes only what changed."""

from __future__ import annotations

import gzip
from pathlib import Path

import orjson
import pytest

from siem.parsing import Registry
from siem.testing.golden import assert_golden, cases, write

KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_a.json.gz"
RECORD = {
    "eventVersion": "1.08",
    "eventTime": "2026-11-01T00:00:00Z",
    "eventName": "GetObject",
    "eventID": "e-1",
    "requestParameters": {"n": 1.50},
}


@pytest.fixture
def case(tmp_path: Path, registry: Registry) -> Path:
    raw = tmp_path / "cloudtrail" / "one" / KEY
    raw.parent.mkdir(parents=True)
    raw.write_bytes(gzip.compress(orjson.dumps({"Records": [RECORD, 7]})))
    write(tmp_path / "cloudtrail" / "one", registry)
    return tmp_path / "cloudtrail" / "one"


def test_what_was_written_holds(case: Path, registry: Registry) -> None:
    assert_golden(case, registry)
    assert cases(case.parent.parent) == [case]


def test_expected_side_tells_counts_and_events_but_not_when_it_was_read(case: Path) -> None:
    counts = orjson.loads((case / "expected.json").read_bytes())
    assert counts["rejects"] == [{"ordinal": 1, "reason": "not an object"}]
    assert (counts["dataset"], counts["records"], counts["events"], counts["skipped"]) == ("aws.cloudtrail", 2, 1, 0)
    (line,) = (case / "expected.ndjson").read_bytes().splitlines()
    document = orjson.loads(line)
    assert document["event.id"] == "e-1"
    assert document["aws.cloudtrail"] == RECORD
    assert "event.ingested" not in document


def test_a_difference_names_event_and_field(case: Path, registry: Registry) -> None:
    expected = case / "expected.ndjson"
    expected.write_bytes(expected.read_bytes().replace(b'"event.action":"GetObject"', b'"event.action":"PutObject"'))
    with pytest.raises(AssertionError, match=r'event 1 event\.action\n  - "PutObject"\n  \+ "GetObject"'):
        assert_golden(case, registry)


def test_a_missing_event_a_field_too_many_and_another_order_differ(case: Path, registry: Registry) -> None:
    expected = case / "expected.ndjson"
    sound = expected.read_bytes()
    expected.write_bytes(sound + sound)
    with pytest.raises(AssertionError, match=r"event 2\n  - \{.*\n  \+ \(absent\)"):
        assert_golden(case, registry)
    expected.write_bytes(sound.replace(b'"event.action"', b'"event.extra":1,"event.action"'))
    with pytest.raises(AssertionError, match=r"event 1 event\.extra\n  - 1\n  \+ \(absent\)"):
        assert_golden(case, registry)
    document = orjson.loads(sound)
    expected.write_bytes(orjson.dumps(dict(reversed(document.items()))) + b"\n")
    with pytest.raises(AssertionError, match="the same fields in another order"):
        assert_golden(case, registry)


def test_counts_differ_by_name(case: Path, registry: Registry) -> None:
    expected = case / "expected.json"
    expected.write_bytes(expected.read_bytes().replace(b'"skipped": 0', b'"skipped": 3'))
    with pytest.raises(AssertionError, match=r"expected\.json skipped\n  - 3\n  \+ 0"):
        assert_golden(case, registry)


def test_a_case_that_holds_no_object_or_two_is_an_error(case: Path, registry: Registry) -> None:
    (case / "second.log").write_text("x")
    with pytest.raises(ValueError, match="one raw object, this one 2"):
        assert_golden(case, registry)


def test_writing_again_changes_nothing(case: Path, registry: Registry) -> None:
    assert not write(case, registry)
