"""A real OpenSearch node is asked what the predicate is asked."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import HealthCheck, event, given
from hypothesis import strategies as st
from opensearch_world import Server, judged, judged_each
from sigma_world import World, cloudtrail
from test_conformance import CASES, rules_of, world_of
from test_engines_agree import FIELDS, FLOW_LINE, FLOW_NAMES, RECORD, TRAIL, TRAIL_NAMES, VALUE, case, flow_log
from test_regex import CLASSES

from siem.parsing import Registry
from siem.parsing.values import address
from siem.schema import OVERSIZE, Clause, DatasetFields, additions, fold
from siem.schema.leaves import LONGEST, units
from siem.sigma import clause
from siem.sigma.opensearch.characters import every, uppers
from siem.sigma.regex import compiled
from siem.sigma.tree import Cidr, Exists, Leaf, Node, Not, Or, Regex, Text, Wild

pytestmark = pytest.mark.slow
WITH_EVENTS = [param for param in CASES if "events" in param.values[0]]
MANY = examples(400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def server(opensearch: str) -> Iterator[Server]:
    server = Server(opensearch)
    yield server
    server.close()


@pytest.mark.parametrize("case", WITH_EVENTS)
def test_case(case: dict[str, Any], tmp_path: Path, registry: Registry, server: Server) -> None:
    world, names = world_of(case, registry), list(case["events"])
    for rule in rules_of(case, tmp_path).rules:
        answer = judged(rule.tree, world, server)
        answer.check()
        expected = case["expected"][rule.title] if "file" in case else case["expected"]
        assert [names[row] for row in answer.verified] == expected


def documents(server: Server, fields: DatasetFields, given: Sequence[dict[str, Any]]) -> tuple[str, list[str]]:
    name = server.index(fields)
    return name, server.put(name, [{**document, **additions(document, fields)} for document in given])


class TestPack:
    """Several rules in one search, each a named clause."""

    def named(self, server: Server, name: str, clauses: Sequence[Clause], ids: Sequence[str]) -> dict[str, set[str]]:
        should = [{"bool": {"filter": [each.query], "_name": str(n)}} for n, each in enumerate(clauses)]
        query = {"bool": {"filter": [{"ids": {"values": ids}}], "should": should, "minimum_should_match": 1}}
        body = json.dumps({"query": query, "size": len(ids), "_source": False})
        hits = server.call("POST", f"/{name}/_search?allow_partial_search_results=false", body)["hits"]["hits"]
        return {hit["_id"]: set(hit["matched_queries"]) for hit in hits}

    def test_each_finds_what_it_finds_alone(self, tmp_path: Path, registry: Registry, server: Server) -> None:
        cases = [param.values[0] for param in WITH_EVENTS if param.values[0].get("dataset") == "aws.cloudtrail"]
        fields = registry.parsers["aws.cloudtrail"].fields
        clauses = [clause(rules_of(case, tmp_path).rules[0].tree, fields) for case in cases]
        name, ids = documents(
            server, fields, [document for case in cases for document in world_of(case, registry).documents]
        )
        together = self.named(server, name, clauses, ids)
        for number, each in enumerate(clauses):
            alone = set(server.search(name, each.query, ids))
            assert {place for place, names in together.items() if str(number) in names} == alone

    def test_sizes_add_up_to_what_a_node_allows(self, registry: Registry, server: Server) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        texts = [Leaf("userAgent", Text((f"a{n}", Wild.ONE, "b"))) for n in range(1024)]
        clauses = [clause(Or(tuple(texts[at : at + 128])), fields) for at in range(0, 1024, 128)]
        assert sum([each.size for each in clauses]) == 1024
        assert self.named(server, server.index(fields), clauses, ["none"]) == {}


def check(tree: Node, world: World, server: Server) -> None:
    answer = judged(tree, world, server)
    event(f"exact: {answer.clause.exact}, found: {bool(answer.predicate)}")
    answer.check()


@given(case(FIELDS, RECORD | VALUE))
@MANY
def test_on_any_json(server: Server, drawn: tuple[Node, list[Any]]) -> None:
    tree, records = drawn
    check(tree, World.of_json([json.dumps(record) for record in records]), server)


@given(case(TRAIL_NAMES.split(), TRAIL), st.booleans())
@MANY
def test_on_cloudtrail(registry: Registry, server: Server, drawn: tuple[Node, list[Any]], escaped: bool) -> None:
    tree, records = drawn
    check(tree, World.parsed(registry.parsers["aws.cloudtrail"], cloudtrail(records, escaped)), server)


@given(case(FLOW_NAMES.split(), FLOW_LINE))
@MANY
def test_on_flow_logs(registry: Registry, server: Server, drawn: tuple[Node, list[Any]]) -> None:
    tree, lines = drawn
    check(tree, World.parsed(registry.parsers["aws.vpcflow"], flow_log(lines)), server)


class TestCharacters:
    """What the emitter takes for granted of every character."""

    def test_all_fold_on_the_node_as_here(self, registry: Registry, server: Server) -> None:
        """But those that came into Unicode after this Python."""
        letters = "".join([letter for letter in every() if unicodedata.category(letter) != "Cn"])
        texts = [letters[at : at + 4000] for at in range(0, len(letters), 4000)]
        name, ids = documents(server, registry.parsers["aws.cloudtrail"].fields, [{"error.message": t} for t in texts])
        for place, text in zip(ids, texts, strict=True):
            query = {"ids": {"values": [place]}}
            body = {"query": query, "_source": False, "docvalue_fields": ["error.message"]}
            (hit,) = server.call("POST", f"/{name}/_search", json.dumps(body))["hits"]["hits"]
            assert hit["fields"]["error.message"] == [fold(text)]

    @pytest.mark.parametrize("flags", [re.NOFLAG, re.I, re.S])
    def test_classes_take_the_same(self, registry: Registry, server: Server, flags: re.RegexFlag) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        codes = sorted({*range(0x250), *[code for pair in uppers() for code in pair]})
        letters = list(map(chr, codes))
        name, ids = documents(server, fields, [{"error.message": text, "event.action": text} for text in letters])
        for pattern, field in product(
            [*CLASSES, "[^é]", "[ß-ü]", r"[^\n]", "[\\W_]", "[@-Z]", "[!-~]", "[ -/:-A]", "[X-~]", "[^!-/]"],
            ("error.message", "event.action"),
        ):
            given = clause(Leaf(field, Regex(f"^{pattern}$", flags)), fields)
            hits = server.search(name, given.query, ids)
            search = compiled(f"^{pattern}$", flags).search
            found = {letter for letter, place in zip(letters, ids, strict=True) if place in hits}
            wanted = {letter for letter in letters if search(letter)}
            assert wanted <= found, (pattern, field)
            assert not given.exact or wanted == found, (pattern, field)
            assert given.exact or field == "error.message"


class TestLimits:
    """Nothing that a rule may say makes a node refuse the search."""

    PATTERNS = (
        *[(Wild.ANY, "a" * count, Wild.ANY) for count in (100, 150, 190, 200, 300, 8000)],
        *[(Wild.ANY, "ab" * count, Wild.ANY) for count in (100, 200)],
        *[(Wild.ANY, "a", *[Wild.ONE] * count) for count in (8, 9, 10, 11, 12, 13, 100)],
        *[(Wild.ANY, "x", Wild.ONE, Wild.ANY) * count for count in (5, 20, 50)],
        *[tuple(part for word in range(count) for part in (Wild.ANY, f"w{word}")) for count in (5, 20, 100, 300)],
        ("a" * 8191,),
        ("a" * 8190, Wild.ANY),
        ("a" * 8000, Wild.ONE),
        (Wild.ANY, "abcdefgh" * 500),
        ("abc" * 1000, Wild.ANY, "x"),
        ("\x00\ud7ff\ue000\U0010ffff", Wild.ANY),
        tuple([Wild.ONE] * 5000),
    )
    EXPRESSIONS = (
        "a.{9}b", "a.{12}b", "a{1,500}", "(a|b|ab)+c", "(x+x+)+y", "[^a]{300}", "((a{5}){5}){5}", "(.*a){12}",
        "(a?){50}a{50}", "(?:" * 200 + "a" + ")" * 200, "(" * 90 + "a" + "*)" * 90,
        "|".join(f"word{number}" for number in range(100)), r"(?i).*(set).*&&\s?set.*(environment|invoke).*&&.*\"",
        r"\w{3,30}@\w+\.(com|net)", r"[\x00-\U0010ffff]", "\x00", r"[!-~]", r"[ -/:-@]", r"[^!-/]",
    )  # fmt: skip

    @pytest.mark.parametrize("parts", PATTERNS, ids=range(len(PATTERNS)))
    @pytest.mark.parametrize("field", ["userAgent", "requestParameters.x"])
    def test_patterns(self, registry: Registry, server: Server, parts: tuple[str | Wild, ...], field: str) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        server.search(server.index(fields), clause(Leaf(field, Text(parts)), fields).query, ())

    @pytest.mark.parametrize("pattern", EXPRESSIONS, ids=range(len(EXPRESSIONS)))
    @pytest.mark.parametrize("field", ["userAgent", "errorMessage", "requestParameters.x"])
    def test_expressions(self, registry: Registry, server: Server, pattern: str, field: str) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        server.search(server.index(fields), clause(Leaf(field, Regex(pattern)), fields).query, ())

    def test_many_values(self, registry: Registry, server: Server) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        for count, parts in product((10, 3_000, 70_000), [("w{}",), (Wild.ANY, "w{}", Wild.ANY), ("w{}", Wild.ANY)]):
            if count > 3_000 and len(parts) > 1:
                continue
            texts = [tuple([p if isinstance(p, Wild) else p.format(n) for p in parts]) for n in range(count)]
            tree = Or(tuple([Leaf("requestParameters.x", Text(text)) for text in texts]))
            record = {"aws.cloudtrail": {"requestParameters": {"x": f"w{count - 1}"}}}
            name, ids = documents(server, fields, [record])
            assert set(server.search(name, clause(tree, fields).query, ids)) == set(ids)

    @pytest.mark.parametrize("letter", ["x", "é", "\uffff", "😀", "Ⱥ"])
    def test_the_index_keeps_all_that_is_not_oversize(self, registry: Registry, server: Server, letter: str) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        longest = letter * (LONGEST // units(letter))
        name, ids = documents(server, fields, [{"error.message": longest}, {"error.message": longest + letter}])
        assert set(server.search(name, {"exists": {"field": "error.message"}}, ids)) == {ids[0]}
        assert set(server.search(name, {"exists": {"field": OVERSIZE}}, ids)) == {ids[1]}

    def test_depth(self, registry: Registry, server: Server) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        tree: Node = Leaf("eventName", Exists())
        for number in range(60):
            tree = Not(Or((tree, Leaf("userAgent", Text((f"w{number}", Wild.ONE))))))
        server.search(server.index(fields), clause(tree, fields).query, ())


ADDRESSES = st.ip_addresses().map(str) | st.ip_addresses(network="::ffff:0:0/96").flatmap(
    lambda address: st.sampled_from(
        [str(address), address.exploded, f"::ffff:{address.ipv4_mapped}", f"0:0::FFFF:{address.ipv4_mapped}"]
    )
)


@given(st.lists(ADDRESSES | st.sampled_from(["10.1.2.3", "::1", "fe80::1"]), min_size=1, max_size=4), st.data())
@MANY
def test_networks(registry: Registry, server: Server, texts: list[str], data: st.DataObject) -> None:
    near = ip_address(data.draw(st.sampled_from(texts)))
    network = ip_network(f"{near}/{data.draw(st.integers(0, near.max_prefixlen))}", strict=False)
    fields = registry.parsers["aws.cloudtrail"].fields
    rows = [{"source.ip": address(text), "source.address": text} for text in texts]
    assert all(row["source.ip"] for row in rows)
    trees = [Leaf(field, Cidr(network)) for field in ("source.ip", "source.address")]
    for answer in judged_each(trees, World(fields, rows), server):
        answer.check()


ATOMS = [
    r"a",
    r"A",
    r"k",
    r"1",
    r"\.",
    r".",
    r"[a-k]",
    r"[^a]",
    r"[^A-K1]",
    r"\w",
    r"\W",
    r"\d",
    r"[\W1]",
    r"é",
    r"[@-Z]",
    r"-",
    r"^",
    r"$",
    r"\b",
    r"(?=a)",
    r"s",
]
EXPRESSION = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: (
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "++"])).map(
            "(?:{0[0]}){0[1]}".format
        )
        | st.lists(inner, min_size=2, max_size=3).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map("|".join).map("({})".format)
        | inner.map("(?i:{})".format)
        | inner.map("^{}$".format)
    ),
    max_leaves=6,
)


@given(
    EXPRESSION, st.sampled_from([re.NOFLAG, re.I, re.M, re.S]), st.lists(st.text("aAkK1.éÉ-@\nſ\u212a bs", max_size=6))
)
@MANY
def test_expressions_at_random(
    registry: Registry, server: Server, pattern: str, flags: re.RegexFlag, texts: list[str]
) -> None:
    fields = registry.parsers["aws.cloudtrail"].fields
    rows = [
        {"error.message": text, "event.action": text, "aws.cloudtrail": {"requestParameters": {"x": text}}}
        for text in ["", *texts]
    ]
    names = ("errorMessage", "eventName", "requestParameters.x")
    trees = [Leaf(name, Regex(pattern, flags)) for name in names]
    for name, answer in zip(names, judged_each(trees, World(fields, rows), server), strict=True):
        event(f"{name} exact: {answer.clause.exact}, found: {bool(answer.predicate)}")
        answer.check()
