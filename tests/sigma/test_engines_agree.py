"""Random rules over random records: SQL never misses what the predicate finds, and is exact where it says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest
from examples import examples
from hypothesis import HealthCheck, assume, event, given
from hypothesis import strategies as st
from sigma_world import World, cloudtrail, dispatched, found

from siem.parsing import Registry
from siem.problem import Problems
from siem.schema import scalar_text
from siem.sigma.bounds import FEW
from siem.sigma.detection import detection
from siem.sigma.tree import Node

MANY = examples(1200, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])

MORE = [f"value {number}" for number in range(FEW)]
"""With these a list is asked as a whole."""

SAMPLES = """a|A|ab|true|False|null|22|22.0|2.2e1|1e999|-0|10.0.0.1|10.0.0.256|2001:db8::1|a b||\\u0061|{"a":1}
2026-10-31T23:10:00Z|2026-10-31T23:10:00+02:00""".replace("\n", "|").split("|")
SOUP = "aAbBkKsSiI1.\\*?%_/-\"' :,{}[]\n\tſİıΣσς\u212aéÉß😀$^|+()0e5"
TEXT = st.text(alphabet=SOUP, max_size=6) | st.sampled_from(SAMPLES)
NUMBER = st.sampled_from([0, 1, -1, 5, 22, 22.0, 2.5, -0.0, 1e16, 2**53, 2**53 + 1, 2**63, 10**30, 0.1])
SCALAR = TEXT | NUMBER | st.booleans() | st.none()
KEYS = st.sampled_from(["a", "b", "c", "A", "a.b", "b.c", "é", "x/y", 'q"'])
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
RECORD = st.dictionaries(KEYS, VALUE, max_size=4)

FIELDS = ["a", "b", "A", "a.b", "a.b.c", "b.c", "a.é", "a.x/y", 'q"']
EDGE = st.sampled_from(["", "|contains", "|startswith", "|endswith"])
EXPRESSIONS = r"""a ^a a$ ^$ k [a-k] [^s] i+ \w \W \d\s? \b \B a.b (a|b)* a{2} (?=a) (a)\1 é [é-ü] (?i:a) ^[^\w] $ s|K
a*?b x{0,3} \. [[] [\]] (?s:.)b [\W\d]a a++ ^\S+$ (?m:^b) [a-zé]+ (?<!a)b"""
CONDITIONS = ["a", "a", "not a", "a and not b", "a or b", "not (a and b)", "not (a or not b)", "all of them"]


@dataclass(frozen=True)
class Lines:
    """Lines of selections about such fields; their values resemble what the records hold, so that many match."""

    fields: list[str]
    held: list[tuple[str, str]]

    def field(self, draw: st.DrawFn) -> tuple[str, list[str]]:
        """A field, often one that the records have, and texts that it may hold."""
        if self.held and draw(st.integers(0, 4)):
            field, text = draw(st.sampled_from(self.held))
            return field, [text]
        return draw(st.sampled_from([*self.fields, ""])), [text for _, text in self.held]

    def value(self, draw: st.DrawFn, texts: list[str]) -> str:
        """One of the texts, as it is or a little changed; or any text."""
        text = draw(st.sampled_from(texts)) if texts and draw(st.integers(0, 5)) else draw(TEXT)
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        match draw(st.sampled_from(["same", "case", "part", "one", "any", "escaped", "other"])):
            case "case":
                return text.swapcase()
            case "part":
                return text[start:end]
            case "one":
                return text[:start] + "?" + text[start + 1 :]
            case "any":
                return text[:start] + "*" + text[end:]
            case "escaped":
                return re.sub(r"([*?\\])", r"\\\1", text)
            case "other":
                return text[:start] + draw(st.sampled_from("_%?*\\")) + text[start + 1 :]
        return text

    def number(self, draw: st.DrawFn, texts: list[str]) -> int | float:
        near = [int(text) for text in texts if re.fullmatch("-?[0-9]{1,30}", text)]
        if not near or draw(st.integers(0, 3)) == 0:
            return draw(NUMBER)
        return draw(st.sampled_from(near)) + draw(st.sampled_from([0, 0, 1, -1, 0.5, -0.5]))

    def expression(self, draw: st.DrawFn, texts: list[str]) -> str:
        if not texts or draw(st.booleans()):
            return draw(st.sampled_from(EXPRESSIONS.split()))
        text = draw(st.sampled_from([*texts, texts[0].swapcase()]))
        return draw(st.sampled_from(["{}", "^{}$", "^{}", "{}$", "[{}]", r"\b{}"])).format(re.escape(text[:8]) or "a")

    def line(self, draw: st.DrawFn) -> tuple[str, Any]:
        field, texts = self.field(draw)
        kinds = ["text", "text", "text", "number", "re", "re", "compare", "exists", "cidr", "time", "ref", "encoded"]
        match draw(st.sampled_from(kinds)):
            case "text":
                tail = draw(st.sampled_from(["", "", "|cased", "|all", "|neq", "|windash"]))
                values = [self.value(draw, texts) for _ in range(draw(st.integers(1, 2)))]
                return field + draw(EDGE) + tail, values + draw(st.sampled_from([[], [], MORE]))
            case "number":
                return field, draw(st.sampled_from([self.number(draw, texts), None, True, False, "22"]))
            case "re":
                return field + "|re" + draw(st.sampled_from(["", "|i", "|i", "|m", "|s"])), self.expression(draw, texts)
            case "compare":
                return field + "|" + draw(st.sampled_from(["lt", "lte", "gt", "gte"])), self.number(draw, texts)
            case "exists":
                return field + "|exists", draw(st.booleans())
            case "cidr":
                return field + "|cidr", draw(st.sampled_from(["10.0.0.0/8", "0.0.0.0/0", "10.0.0.1", "2001:db8::/32"]))
            case "time":
                parts = [("hour", 23), ("day", 31), ("month", 10), ("minute", 10), ("week", 44), ("year", 2026)]
                part, value = draw(st.sampled_from(parts))
                return f"{field}|{part}", value
            case "ref":
                tail = draw(st.sampled_from(["", "|neq", "|startswith", "|contains", "|endswith", "|cased"]))
                return field + "|fieldref" + tail, draw(st.sampled_from(self.fields))
        coded = draw(st.sampled_from(["|base64", "|base64offset", "|wide"]))
        return field + coded + draw(EDGE), self.value(draw, texts)

    def selection(self, draw: st.DrawFn) -> Any:
        mappings = [dict([self.line(draw) for _ in range(draw(st.integers(1, 2)))]) for _ in range(2)]
        return draw(
            st.sampled_from([mappings[0], mappings[0], mappings, [self.value(draw, [text for _, text in self.held])]])
        )


def pairs(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of a record as field and text."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from pairs(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from pairs(item, path)
    elif value is not None:
        yield path, scalar_text(value)


@st.composite
def case(draw: st.DrawFn, fields: list[str], records: st.SearchStrategy[Any]) -> tuple[Node, list[Any]]:
    """A rule, and records that it may well match."""
    given_records = draw(st.lists(records, min_size=1, max_size=4))
    lines = Lines(fields, [pair for record in given_records for pair in pairs(record) if len(pair[1]) < 60])
    condition = draw(st.sampled_from(CONDITIONS))
    definition = {"a": lines.selection(draw), "b": lines.selection(draw), "condition": condition}
    problems = Problems()
    tree = detection(definition, {}, problems).tree
    assume(not problems.found)
    return tree, given_records


def check(tree: Node, world: World, connection: duckdb.DuckDBPyConnection) -> None:
    answer = found(tree, world, connection)
    event(f"exact: {answer.exact}, found: {bool(answer.predicate)}")
    answer.check()
    if world.batches:
        assert dispatched(tree, world) == answer.predicate, "the dispatch finds something else than the rule"


@given(case(FIELDS, RECORD | VALUE))
@MANY
def test_on_any_json(connection: duckdb.DuckDBPyConnection, drawn: tuple[Node, list[Any]]) -> None:
    tree, records = drawn
    check(tree, World.of_json([json.dumps(record) for record in records]), connection)


TRAIL_NAMES = """eventName errorCode userAgent user_agent.original @timestamp sourceIPAddress source.ip extra extra.a
requestParameters requestParameters.a requestParameters.a.b requestParameters.x/y userIdentity.userName user.name
aws.cloudtrail.eventName responseElements.b.c"""
OPTIONAL_TEXT = st.none() | TEXT
TRAIL = st.fixed_dictionaries(
    {},
    optional={
        "errorCode": OPTIONAL_TEXT,
        "userAgent": OPTIONAL_TEXT,
        "sourceIPAddress": OPTIONAL_TEXT,
        "requestParameters": VALUE,
        "responseElements": VALUE,
        "extra": VALUE,
        "userIdentity": st.fixed_dictionaries({"type": st.just("IAMUser"), "userName": TEXT}),
    },
)


@given(case(TRAIL_NAMES.split(), TRAIL), st.booleans())
@MANY
def test_on_cloudtrail(
    registry: Registry, connection: duckdb.DuckDBPyConnection, drawn: tuple[Node, list[Any]], escaped: bool
) -> None:
    tree, records = drawn
    check(tree, World.parsed(registry.parsers["aws.cloudtrail"], cloudtrail(records, escaped)), connection)


@pytest.mark.parametrize("key", ["x/y", "x"])
def test_a_slash_may_be_escaped_in_json(registry: Registry, connection: duckdb.DuckDBPyConnection, key: str) -> None:
    data = cloudtrail([{"requestParameters": {key: "a/b"}}]).replace(b"/", rb"\/")
    for line in (f"requestParameters.{key}|exists", f"requestParameters.{key}|contains"):
        definition = {"a": {line: True if "exists" in line else "a/b"}, "condition": "a"}
        tree = detection(definition, {}, problems := Problems()).tree
        world = World.parsed(registry.parsers["aws.cloudtrail"], data)
        answer = found(tree, world, connection)
        answer.check()
        assert (problems.found, answer.predicate, dispatched(tree, world)) == ([], [0], [0])


FLOW_NAMES = """srcaddr source.ip dstport destination.port action event.action interface-id protocol start @timestamp
bytes network.bytes vpc-id src_ip network.transport network.iana_number"""
FLOW_VALUES = st.tuples(
    st.sampled_from(["10.0.0.1", "192.0.2.1", "2001:db8::1", "-", "bad"]),
    st.sampled_from(["22", "0", "-", "65535", "022", "x"]),
    st.sampled_from(["6", "17", "-", "255"]),
    st.sampled_from(["40", "-", "5", "9007199254740993", "1e3"]),
    st.sampled_from(["ACCEPT", "REJECT", "-"]),
    st.sampled_from(["eni-1", "a_b", "22", "22.0", "9007199254740993", "2026-10-31T23:10:00Z"]),
)
FLOW_HEADER = "srcaddr dstport protocol bytes action interface-id"
FLOW_LINE = FLOW_VALUES.map(lambda values: dict(zip(FLOW_HEADER.split(), values, strict=True)))


def flow_log(lines: list[dict[str, str]]) -> bytes:
    rows = [" ".join(line.values()) + " 1793488200 1793488260 OK" for line in lines]
    return "\n".join([f"{FLOW_HEADER} start end log-status", *rows, ""]).encode()


@given(case(FLOW_NAMES.split(), FLOW_LINE))
@MANY
def test_on_flow_logs(registry: Registry, connection: duckdb.DuckDBPyConnection, drawn: tuple[Node, list[Any]]) -> None:
    tree, lines = drawn
    check(tree, World.parsed(registry.parsers["aws.vpcflow"], flow_log(lines)), connection)
