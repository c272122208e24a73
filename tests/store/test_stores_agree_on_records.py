"""Records of any kind, delivered to both stores: what each makes of them is the same, to the digit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from agreeing import Both, both
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from siem.config import Limits
from siem.detect.packs import Packs, Span
from siem.errors import ContentError
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.problem import Problems
from siem.run.reading import read
from siem.schema import OVERSIZE, DatasetFields, LogSource, SourceObject, additions
from siem.schema.leaves import LONGEST
from siem.sigma import Reader, Rule, View, condition
from siem.sigma.detection import detection
from siem.store.contract import LedgerRow, State, Store
from siem.testing.deliveries import found

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOME = examples(25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def stores(opensearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(opensearch, tmp_path_factory.mktemp("stores") / "store") as stores:
        yield stores


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """A number that no example had before: objects and ids of one are not those of another."""
    return iter(range(1_000_000))


def taken(store: Store, objects: Mapping[str, bytes], dataset: str, registry: Registry) -> list[LedgerRow]:
    """Deliver objects, each under its key, in one commit."""
    with store.writing(NOW) as writing:
        for key, content in objects.items():
            reading = read(SourceObject("logs", key), Delivered(content, Limits()), registry, Limits(), NOW, dataset)
            for parsed in reading:
                parser = registry.parsers[dataset]
                writing.add(reading.delivery, parsed, parser.version, parser.unique_ids)
            assert reading.state is not State.FAILED
            writing.finish(reading.delivery, reading.state, reading.reason, dataset)
        return writing.commit()


def check(stores: Both, objects: Mapping[str, bytes], dataset: str, registry: Registry) -> list[LedgerRow]:
    rows = stores.tell(lambda store: taken(store, objects, dataset, registry))
    assert len(rows) == len(objects)
    stores.agree([dataset], [row.object for row in rows])
    stores.tell(lambda store: [one for one in store.rejects() if one.key in objects])
    check_rules(stores, Span([row.object for row in rows]), registry.parsers[dataset].fields)
    return rows


CONDITIONS = """\
  eventName|contains: a
  eventName: '*'
  userAgent|re: '[x-z]+$'
  sourceIPAddress|cidr: 10.0.0.0/8
  errorCode|exists: true
  requestParameters|contains: x
  requestParameters.a|exists: true
  requestParameters.a|cased: true
  requestParameters.a: 1.5
  requestParameters.a.b|endswith: '0'
  requestParameters.v|startswith: x
  requestParameters.k7: 7
  requestParameters.a|gte: 2
  requestParameters.b: null
  requestParameters.a|fieldref: requestParameters.b
  responseElements.a: ''
  userIdentity.userName|re: '^.+$'
  httpRequest.a|contains: e
  action|re: '^[^x]*$'
  action: [BLOCK, ALLOW, '«*', reject]
  srcaddr|cidr: 10.0.0.0/8
  dstport|lt: 23
  interface-id|endswith: e
"""
TREES = [
    tree
    for line in CONDITIONS.splitlines()
    for name in ("s", "not s")
    if (tree := detection({"s": yaml.safe_load(line), "condition": name}, {}, Problems()).tree)
] + [
    detection({"s": [word], "condition": name}, {}, Problems()).tree
    for word in ("xx", "a*", "1.5", "é?", "")
    for name in ("s", "not s")
]
RULES = [
    Rule(key=str(at), title="T", file="r.yml", line=1, tree=tree, logsource=LogSource())
    for at, tree in enumerate(TREES)
]


def check_rules(stores: Both, span: Span, fields: DatasetFields) -> None:
    """Rules find the same in both stores, and what the predicate finds."""
    matches = stores.tell(lambda store: matched(store, span, fields))
    hits = list(found(stores.folder, fields.dataset, objects=span.objects, documents=True))
    judges, reader = [(rule.key, condition(rule.tree)) for rule in RULES], Reader(fields)
    views = [(hit, View(reader, hit.document or {})) for hit in hits]
    assert matches == sorted(
        [(key, hit.event_id, hit.timestamp) for hit, view in views for key, judge in judges if judge(view)]
    )


def matched(store: Store, span: Span, fields: DatasetFields) -> list[tuple[str, str, datetime]]:
    errors: list[ContentError] = []
    hits = Packs(fields, store.dialect).found(store, RULES, span, (), lambda rule, error: errors.append(error))
    matches = sorted([(rule.key, one.hit.event_id, one.hit.timestamp) for one in hits for rule in one.rules])
    assert errors == []
    return matches


def joined(members: Mapping[str, str]) -> str:
    return "{" + ",".join([f"{json.dumps(key)}:{value}" for key, value in members.items()]) + "}"


# JSON as anybody may write it

NUMBERS = "1.50 2e1 -0 -0.0 1e999 1E-400 0.1 100 9007199254740993 18446744073709551616 1234567890123456789012345678901"
OTHERS = r"""true false null "" "1.50" "true" "\u0061" "\/" "\u00e9\u0301" "\ud83d\ude00" "\u0000" "*" "a=b" "a.b"
"2026-11-01T00:00:00Z" "10.0.0.1" "::ffff:10.0.0.1" "AWS\u0020Internal" "\"{}[]" "\u2028" "\t" "İſς" """
WRONG = r"""007 NaN "\ud800" """
SCALARS = [*[*NUMBERS.split(), *OTHERS.split()] * 5, *WRONG.split()]
LENGTHS = st.sampled_from([LONGEST // 2, LONGEST - 40, LONGEST - 1, LONGEST, LONGEST + 1, 40_000])
SHORT = re.compile("«([0-9]+)([* ])(deep|keys|.)»", re.DOTALL)
LONG = st.tuples(st.sampled_from(["x", "é", "\uffee", "😀", "Ⱥ"]), LENGTHS).map("«{0[1]}*{0[0]}»".format)
TEXT = st.text(max_size=12).map(json.dumps) | st.text(max_size=12).map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
KEY = st.sampled_from(["a", "b", "A", "a.b", "b=c", "", " ", "é", "x/y", "eventName", "siem.object", "name", "\u0000"])
MANY, DEEP = st.integers(1_000, 3_000).map("«{} keys»".format), st.integers(30, 70).map("«{} deep»".format)
VALUE: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(SCALARS) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.dictionaries(KEY, inner, max_size=4).map(joined)
        | st.tuples(KEY, inner, inner).map(lambda of: f"{{{json.dumps(of[0])}:{of[1]}, {json.dumps(of[0])} :{of[2]}}}")
    ),
    max_leaves=10,
)
ANY = st.one_of(VALUE, VALUE, VALUE, VALUE, LONG, MANY, DEEP)


def spelled(text: str) -> bytes:
    """What examples say in short, so that they can be read."""
    return SHORT.sub(lambda found: long(int(found[1]), found[3]), text).encode("utf-8", "surrogatepass")


def long(count: int, what: str) -> str:
    if what == "deep":
        return '{"d":' * count + "[1.0]" + "}" * count
    if what == "keys":
        return "{" + ",".join([f'"k{n}":{n}' for n in range(count)]) + "}"
    return json.dumps(what * count)


TIMES = """2026-11-01T00:00:00Z 2026-10-31T23:59:59.999999Z 2026-11-01T00:00:00.0005Z 2026-11-01T02:00:00+02:00
    1969-12-31T23:59:59Z 0001-01-01T00:00:00Z 0999-06-01T00:00:00.5Z 9999-12-31T23:59:59.999999Z never"""
TIME = st.sampled_from(TIMES.split()).map(json.dumps)


RECORD = st.fixed_dictionaries(
    {"eventVersion": st.just('"1.09"'), "eventTime": TIME},
    optional={
        **dict.fromkeys(("eventName", "awsRegion", "errorCode", "sourceIPAddress", "userAgent"), ANY),
        **dict.fromkeys(("requestParameters", "responseElements", "additionalEventData", "extra"), ANY),
        "recipientAccountId": st.just('"111122223333"') | VALUE,
        "userIdentity": VALUE | st.fixed_dictionaries({"type": VALUE, "userName": VALUE, "arn": VALUE}).map(joined),
        "eventID": st.sampled_from(["one", "two", "Two", "tw\u0131"]),
    },
)


@given(st.lists(st.lists(RECORD, min_size=1, max_size=5), min_size=1, max_size=4))
@SOME
def test_cloudtrail(
    registry: Registry, stores: Both, numbers: Iterator[int], objects: list[list[dict[str, str]]]
) -> None:
    """Ids come again in other records, which are duplicates where the time is the same too."""
    example = next(numbers)
    delivered = {}
    for place, records in enumerate(objects):
        named = [{key: f'"{example}-{of}"' if key == "eventID" else of for key, of in one.items()} for one in records]
        text = f'{{"Records":[{",".join(map(joined, named))}]}}'
        delivered[f"{example}/{place}"] = spelled(text)
    check(stores, delivered, "aws.cloudtrail", registry)


REQUEST = st.fixed_dictionaries(
    {"timestamp": st.sampled_from(["1793491200000", "1793491200001", '"now"', "1e15", "-1"])},
    optional={"action": ANY, "webaclId": ANY, "httpRequest": ANY, "ruleGroupList": ANY, "labels": ANY},
)


@given(st.lists(REQUEST, min_size=1, max_size=6))
@SOME
def test_waf(registry: Registry, stores: Both, numbers: Iterator[int], records: list[dict[str, str]]) -> None:
    text = "\n".join([joined({"formatVersion": "1", **record}) for record in records])
    check(stores, {f"waf {next(numbers)}": spelled(text)}, "aws.waf", registry)


WORDS = "- 0 22 022 65536 1e3 10.0.0.1 ::1 bad REJECT é x*? %20 1793491200 99999999999999999999"
WORD = st.sampled_from(WORDS.split())


@given(st.lists(st.lists(WORD, min_size=13, max_size=15), min_size=1, max_size=8), LENGTHS)
@SOME
def test_flow_logs(
    registry: Registry, stores: Both, numbers: Iterator[int], lines: list[list[str]], longest: int
) -> None:
    header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    good = f"2 1 {'e' * longest} 10.0.0.1 10.0.0.2 1 2 6 1 40 1793491200 1793491260 ACCEPT OK"
    ends = [" ".join([*line[:10], "1793491200", "1793491260", *line[12:]]) for line in lines]
    text = "\n".join([f"{header} log-status", good, *map(" ".join, lines), *ends, ""])
    check(stores, {f"flows {next(numbers)}": text.encode()}, "aws.vpcflow", registry)


def test_a_value_of_every_length_about_the_longest_is_there_and_known_as_too_long(
    registry: Registry, stores: Both, tmp_path: Path
) -> None:
    """The items of leaves are `requestParameters.v=…`."""
    before = len("requestParameters.v=")
    lengths = range(LONGEST - before - 2, LONGEST - before + 3)
    records = [joined({**BASIS, "requestParameters": json.dumps({"v": "x" * length})}) for length in lengths]
    text = f'{{"Records":[{",".join(records)}]}}'.encode()
    (row,) = check(stores, {"lengths": text}, "aws.cloudtrail", registry)
    fields = registry.parsers["aws.cloudtrail"].fields
    documents: list[Any] = [
        hit.document for hit in found(stores.cluster, "aws.cloudtrail", objects=[row.object], documents=True)
    ]
    long = [OVERSIZE in additions(document, fields) for document in documents]
    held = [len(document["aws.cloudtrail"]["requestParameters"]["v"]) for document in documents]
    assert sorted(zip(held, long, strict=True)) == [(at, at + before > LONGEST) for at in lengths]


BASIS = {"eventVersion": '"1.09"', "eventTime": '"2026-11-01T00:00:00Z"', "eventName": '"List"'}


def test_keys_that_are_long_beside_many_values(registry: Registry, stores: Both) -> None:
    """A leaf names its whole path: 60 KB of JSON would be 125 MB of leaves, more than a node takes in."""
    parameters = json.dumps({"k" * 5_000: list(range(25_000)), "a": 1})
    text = f'{{"Records":[{joined({**BASIS, "requestParameters": parameters})}]}}'.encode()
    (row,) = check(stores, {"paths": text}, "aws.cloudtrail", registry)
    assert (row.events, row.rejects) == (1, 0)
