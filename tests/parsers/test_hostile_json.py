"""Broken and hostile JSON records: nothing raises, every record is counted, and what is not damaged survives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.run.content import load_registry
from siem.run.reading import read
from siem.schema import SourceObject

NOW = datetime(2026, 11, 2, tzinfo=UTC)
REGISTRY = load_registry()[0]


def joined_by(separator: bytes) -> Callable[[list[bytes]], bytes]:
    return lambda records: separator.join(records)


def enveloped(records: list[bytes]) -> bytes:
    return b'{"Records":[%b]}' % b",".join(records)


def call(number: int) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDAEXAMPLE", "sessionContext": {"attributes": None}},
        "eventTime": "2026-11-01T02:24:10Z",
        "eventName": "RunInstances",
        "requestParameters": {"items": [{"min": 1, "names": ["a", True, None]}], "text": 'a "quoted" \\ end'},
        "eventID": f"call-{number}",
        "tlsDetails": {"tlsVersion": "TLSv1.3"},
    }


def web_request(number: int) -> dict[str, Any]:
    return {
        "timestamp": 1793505600000 + number,
        "webaclId": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/cdn-acl/a1",
        "terminatingRuleId": "AWS-SQLi",
        "terminatingRuleType": "GROUP",
        "action": "BLOCK",
        "terminatingRuleMatchDetails": [{"conditionType": "XSS", "matchedData": ['"', "\\"]}],
        "ruleGroupList": [{"ruleGroupId": "own", "terminatingRule": {"ruleId": "one"}}],
        "httpRequest": {
            "clientIp": "192.0.2.1",
            "headers": [{"name": "Host", "value": "example.com:443"}, {"name": "X-Amzn-Trace-Id", "value": "Root=1-a"}],
            "uri": "/a",
            "requestId": f"request-{number}",
        },
        "responseCodeSent": None,
        "captchaResponse": {"responseCode": 405},
    }


@dataclass(frozen=True)
class Source:
    """How objects of a source look: its key, a record by number, where in a document its number shows, the framing."""

    key: str
    record: Callable[[int], dict[str, Any]]
    shown: str
    framed: Callable[[list[bytes]], bytes]


TRAIL = "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/01/123456789012_CloudTrail_us-east-1_20261101T0000Z_a.json"
SOURCES = {
    "CloudTrail": Source(TRAIL, call, "event.id", enveloped),
    "WAF, a record a line": Source(
        "AWSLogs/123456789012/WAFLogs/a/b.log", web_request, "http.request.id", joined_by(b"\n")
    ),
    "WAF, of Firehose": Source("aws-waf-logs-a/b", web_request, "http.request.id", joined_by(b"")),
}
sources = pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)


@dataclass(frozen=True)
class Outcome:
    """What an object came to: the documents of its events, and how many records, events and rejects there were."""

    documents: list[dict[str, Any]]
    records: int
    rejects: int

    def numbers(self, source: Source) -> set[str]:
        return {str(document.get(source.shown)) for document in self.documents}


def outcome(source: Source, body: bytes, registry: Registry = REGISTRY) -> Outcome:
    reading = read(SourceObject("logs", source.key), Delivered(body, Limits()), registry, Limits(), NOW)
    documents: list[dict[str, Any]] = []
    rejects = skipped = 0
    for block in reading:
        rejects, skipped = rejects + len(block.rejects), skipped + block.skipped
        if block.batch is not None:
            made = [orjson.loads(line) for line in block.batch.ndjson().splitlines()]
            assert [put_together(row, block.dataset) for row in block.batch.arrow().to_pylist()] == [
                document[block.dataset] for document in made
            ]
            documents += made
    tally = reading.tally
    assert tally.records == len(documents) + rejects + skipped == tally.events + tally.rejects + tally.skipped
    return Outcome(documents, tally.records, rejects)


def put_together(row: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The record that a row of columns holds: its payloads stand beside it."""
    record: dict[str, Any] = orjson.loads(row[dataset])
    payloads = {name.removeprefix(f"{dataset}."): text for name, text in row.items() if name.startswith(f"{dataset}.")}
    return record | {name: orjson.loads(text) for name, text in payloads.items() if text is not None}


def number(source: Source, at: int) -> str:
    """What shows record `at` in its document."""
    return next(iter(outcome(source, source.framed([orjson.dumps(source.record(at))])).numbers(source)))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def replaced(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(record)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


@pytest.mark.slow
@sources
def test_a_cut_costs_what_it_cuts(source: Source) -> None:
    records = [orjson.dumps(source.record(at)) for at in range(3)]
    body = source.framed(records)
    ends = [body.index(record) + len(record) for record in records]
    known = [number(source, at) for at in range(3)]
    for cut in range(len(body)):
        whole = {name for name, end in zip(known, ends, strict=True) if end <= cut}
        assert outcome(source, body[:cut]).numbers(source) == whole, cut


@sources
@given(data=st.data())
def test_a_value_of_any_type_costs_at_most_its_record(source: Source, data: st.DataObject) -> None:
    record = source.record(1)
    path = data.draw(st.sampled_from(list(places(record))))
    bodies = [source.record(0), replaced(record, path, data.draw(values)), source.record(2)]
    found = outcome(source, source.framed([orjson.dumps(one) for one in bodies]))
    assert found.records == 3
    assert {number(source, 0), number(source, 2)} <= found.numbers(source)


@sources
@given(data=st.data())
def test_flipped_bits_cost_at_most_their_record(source: Source, data: st.DataObject) -> None:
    records = [orjson.dumps(source.record(at)) for at in range(3)]
    damaged = bytearray(records[1])
    for at, bit in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 7)), min_size=1, max_size=3)
    ):
        damaged[at] ^= 1 << bit
    found = outcome(source, source.framed([records[0], bytes(damaged), records[2]]))
    assert {number(source, 0), number(source, 2)} <= found.numbers(source)


@sources
@given(junk=st.binary(max_size=200))
def test_junk_between_records_costs_none(source: Source, junk: bytes) -> None:
    records = [orjson.dumps(source.record(at)) for at in range(2)]
    found = outcome(source, source.framed([records[0], junk, records[1]]))
    assert found.numbers(source) >= {number(source, 0), number(source, 1)}


@sources
@given(junk=st.binary(max_size=400) | texts.map(str.encode) | values.map(orjson.dumps))
def test_any_bytes_come_to_events_rejects_or_nothing(source: Source, junk: bytes) -> None:
    outcome(source, junk)
    outcome(source, source.framed([junk]))


@sources
@given(data=st.data())
def test_the_slow_way_gives_the_same_documents(source: Source, data: st.DataObject) -> None:
    """A record alone, and the same behind one that has to be read with care."""
    record = source.record(1)
    changed = orjson.dumps(replaced(record, data.draw(st.sampled_from(list(places(record)))), data.draw(values)))
    careful = orjson.dumps(source.record(0), option=orjson.OPT_INDENT_2)
    alone, behind = outcome(source, source.framed([changed])), outcome(source, source.framed([careful, changed]))
    for document in (*alone.documents, *behind.documents):
        del document["event.id"], document["event.ingested"]
    assert alone.documents == behind.documents[1:]
