"""JSON records are read in several ways, from the fastest to the most careful: all give the same bytes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.config import Limits
from siem.parsing.guards import keys_in_window
from siem.parsing.json_heads import HEAD_BYTES, HEADS, OFTEN
from siem.parsing.json_reading import Reading
from siem.parsing.json_records import JsonRecords
from siem.parsing.json_table import REMEMBERED_BYTES, REMEMBERED_VALUES, remembered
from siem.run.content import load_registry
from siem.schema import Origin

ORIGIN = Origin("k", "0" * 24, "f" * 64, datetime(2026, 11, 2, tzinfo=UTC))
RECORD: dict[str, Any] = {
    "timestamp": 1793505600007,
    "formatVersion": 1,
    "webaclId": "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/acl/a1",
    "terminatingRuleId": "AWS-SQLi",
    "terminatingRuleType": "GROUP",
    "action": "BLOCK",
    "terminatingRuleMatchDetails": [{"conditionType": "XSS", "matchedData": ['"', "\\"]}],
    "httpSourceName": "ALB",
    "ruleGroupList": [{"ruleGroupId": "own", "terminatingRule": {"ruleId": "one"}}],
    "responseCodeSent": None,
    "httpRequest": {
        "clientIp": "192.0.2.1",
        "headers": [{"name": "Host", "value": "example.com:443"}, {"name": "X-Amzn-Trace-Id", "value": "Root=1-a"}],
        "uri": "/a",
        "args": "q=é",
        "requestId": "request-1",
    },
    "labels": [{"name": "awswaf:a"}],
    "captchaResponse": {"responseCode": 405},
}

scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["(absent)", ' " : \\" :', "ALB"]
)
values = st.recursive(
    scalars | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """The record as it is, or with another value somewhere, another key, or its keys in another order."""
    record = copy.deepcopy(RECORD)
    record["timestamp"] += draw(st.integers(0, 3))
    if draw(st.booleans()):
        path = draw(st.sampled_from(list(places(record))))
        inner: Any = record
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = draw(values)
    if draw(st.integers(0, 4)) == 0:
        record[draw(texts | st.sampled_from(["later", "clientAsn"]))] = draw(values)
    if draw(st.integers(0, 9)) == 0:
        record = dict(draw(st.permutations(list(record.items()))))
    return orjson.dumps(record)


def waf() -> JsonRecords:
    """The parser, which has seen nothing yet."""
    parser = load_registry()[0].parsers["aws.waf"]
    assert isinstance(parser, JsonRecords)
    return replace(parser)


def outcome(parser: JsonRecords, texts: list[bytes], *, together: bool = True) -> tuple[list[bytes], list[Any], Any]:
    """Documents, rejects and columns; all texts together, or one by one with all care."""
    reading = Reading(parser, ORIGIN, Limits())
    if together:
        reading.read([*texts])
    else:
        for text in texts:
            reading._alone(text)
    parsed = reading.parsed()
    rejects = [(reject.ordinal, reject.reason, reject.raw) for reject in parsed.rejects]
    if parsed.batch is None:
        return [], rejects, None
    return parsed.batch.ndjson().splitlines(), rejects, parsed.batch.arrow().to_pylist()


@given(st.lists(records(), min_size=1, max_size=8))
def test_all_ways_give_the_same_bytes(texts: list[bytes]) -> None:
    known, unknown = waf(), replace(waf(), varied=None)
    for _ in range(OFTEN):
        warm = outcome(known, texts)  # from the fourth time on the heads are known
    assert outcome(known, texts) == warm
    assert outcome(unknown, texts) == warm
    assert outcome(waf(), texts, together=False) == warm


@given(st.lists(records(), min_size=1, max_size=6), st.data())
def test_a_document_does_not_depend_on_what_stands_beside_its_record(texts: list[bytes], data: st.DataObject) -> None:
    parser = waf()
    alone = [outcome(parser, [text])[0] for text in texts]
    spoilt = data.draw(st.sampled_from([b'{"timestamp":1,"timestamp":2}', b"[", b'{"timestamp":1e999}', b'{"a":\n1}']))
    together = outcome(parser, [*texts, spoilt, *texts])[0]
    assert [without_id(line) for line in together] == [without_id(line) for lines in alone for line in lines] * 2


def without_id(line: bytes) -> bytes:
    before, _, rest = line.partition(b'"event.id":"')
    return before + rest.partition(b'"')[2]


def is_taken(parser: JsonRecords, texts: list[bytes]) -> bool:
    return Reading(parser, ORIGIN, Limits()).take(texts, b"\n".join(texts))


@pytest.mark.parametrize(
    "text",
    [
        orjson.dumps(RECORD)[:-1] + b',"action":"ALLOW"}',  # behind the head, in which it stands too
        orjson.dumps(RECORD)[:-1] + b',"action" :"ALLOW"}',
        orjson.dumps(RECORD)[:-1] + b',"labels"\t:[]}',
        orjson.dumps(RECORD).replace(b'"uri":"/a"', b'"uri":"/a","uri":"/b"'),
        orjson.dumps(RECORD).replace(b'"name":"Host"', b'"name":"Host","name":"A"'),
        orjson.dumps(RECORD).replace(b'"formatVersion":1', b'"formatVersion":1,"formatVersion":1'),
    ],
)
def test_a_key_that_stands_twice_is_a_reject_and_costs_no_other_record(text: bytes) -> None:
    parser, sound = waf(), orjson.dumps(RECORD)
    for _ in range(OFTEN + 1):
        documents, rejects, _ = outcome(parser, [sound, text, sound])
        assert len(documents) == 2
        assert [(ordinal, raw) for ordinal, _, raw in rejects] == [(1, text)]
        assert "twice" in rejects[0][1]


def test_what_was_known_of_a_head_is_forgotten_where_its_keys_may_stand_behind_it() -> None:
    parser, time, rest = (
        waf(),
        b'{"timestamp":1793505600007',
        orjson.dumps(RECORD)[len(b'{"timestamp":1793505600007') :],
    )
    for _ in range(OFTEN + 2):
        assert len(outcome(parser, [time + b',"later":1' + rest])[0]) == 1
    read_with_care = time + rest[:-1] + b',"later" :2}'
    assert len(outcome(parser, [read_with_care])[0]) == 1
    documents, rejects, _ = outcome(parser, [time + b',"later":1' + rest[:-1] + b',"later":2}'])
    assert not documents
    assert "twice" in rejects[0][1]


@pytest.mark.parametrize("path", [(), ("httpRequest",)])
def test_a_key_that_the_source_added_is_fast_from_the_second_record_on(path: tuple[str, ...]) -> None:
    record = copy.deepcopy(RECORD)
    (record["httpRequest"] if path else record)["added"] = {"a": 1}
    parser, text = waf(), orjson.dumps(record)
    assert not is_taken(parser, [text])
    outcome(parser, [text])
    assert is_taken(parser, [text])
    twice = text.replace(b'"added":{"a":1}', b'"added":{"a":1},"added":{"a":1}')
    assert not is_taken(parser, [twice])


def test_keys_are_counted_unless_white_space_may_stand_before_a_colon() -> None:
    assert keys_in_window(rb'{"a":"b\":c","d : \" : \\":{"e":["x:"]}}') is None
    assert keys_in_window(rb'{"a":"b\":c","d : \" : ":{"e":["x:"]}}') == 3
    assert keys_in_window(b'{"a" :1}') is keys_in_window(b'{"a"  \t:1}') is keys_in_window(rb'{"a\\" :1}') is None
    assert keys_in_window(b"{}") == 0


def test_what_is_remembered_is_bounded() -> None:
    longest = remembered(len)
    for number in range(2 * REMEMBERED_VALUES):
        assert longest[str(number)] == len(str(number))
    assert len(longest) <= REMEMBERED_VALUES
    several = remembered(lambda *names: len(names))
    assert several[("",) * REMEMBERED_BYTES] == REMEMBERED_BYTES
    assert several["a" * (REMEMBERED_BYTES + 1)] == 1
    assert not several
    heads = waf().heads(63)
    assert heads is not None
    for number in range(HEADS + 10):
        for _ in range(OFTEN):
            heads[b',"formatVersion":%d' % number]
    for _ in range(OFTEN):
        heads[b',"formatVersion":"%b"' % (b"a" * HEAD_BYTES)]
    assert 0 < len(heads) <= HEADS
    assert max(map(len, heads)) < HEAD_BYTES
