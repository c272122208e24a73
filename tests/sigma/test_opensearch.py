"""The query that every kind of test becomes. What a node makes of them is in `test_opensearch_agrees`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from siem.parsing import Registry
from siem.problem import Problems
from siem.schema import ANY_JSON, Clause, DatasetFields, Entry, Extension, Joined, Path
from siem.sigma import clause, projected_leaves
from siem.sigma.detection import detection
from siem.sigma.opensearch import MOST_CLAUSES
from siem.sigma.opensearch.automaton import Automaton, TooComplex
from siem.sigma.opensearch.dsl import size
from siem.sigma.opensearch.lucene import LONGEST, expression
from siem.sigma.tree import And, Leaf, Not, Or, Text, Wild

NOTHING: dict[str, Any] = {"match_none": {}}


def term(field: str, value: object) -> dict[str, Any]:
    return {"term": {field: {"value": value}}}


def prefix(field: str, value: str) -> dict[str, Any]:
    return {"prefix": {field: {"value": value}}}


def wildcard(field: str, value: str) -> dict[str, Any]:
    return {"wildcard": {field: {"value": value}}}


def regexp(field: str, value: str) -> dict[str, Any]:
    return {"regexp": {field: {"value": value}}}


def exists(field: str) -> dict[str, Any]:
    return {"exists": {"field": field}}


def some(*queries: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"should": list(queries), "minimum_should_match": 1}}


def none(*queries: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"must_not": list(queries)}}


def clause_of(selection: str, fields: DatasetFields) -> Clause:
    given = yaml.safe_load(selection)
    problems = Problems()
    definition = given if isinstance(given, dict) and "condition" in given else {"s": given, "condition": "s"}
    tree = detection(definition, {}, problems).tree
    assert not problems.found
    return clause(tree, fields)


NUMBER = r"\-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+\-]?[0-9]+)?"
OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
DERIVED = DatasetFields(
    "aws.waf",
    aliases={
        "c-uri-extension": Extension("url.path"),
        "cs-uri-query": Joined((("", "url.path"), ("?", "url.query"))),
        "cs-cookie": Entry(Path("aws.waf", "httpRequest.headers", "aws.waf", ""), "name", "value", "cookie"),
    },
)
FRACTION = r"\-?[0-9]+[.e][0-9e.+\-]+"
EXACT = [
    ("{eventName: CreateUser}", term("event.action", "createuser")),
    ("{eventName: ''}", term("event.action", "")),
    ("{eventName: [A, b, A]}", {"terms": {"event.action": ["a", "b"]}}),
    ("{eventName: 'Put*'}", prefix("event.action", "put")),
    ("{eventName|endswith: X}", wildcard("event.action", "*x")),
    ("{errorMessage: 'a\\*b?*'}", wildcard("error.message", "a\\*b?*")),
    ("{eventName: '*'}", exists("event.action")),
    ("{userAgent|contains: [Kali, 'a.b']}", regexp("user_agent.original", r"@(kali|a\.b)@")),
    (
        "{userAgent|contains|all: [a, b]}",
        {"bool": {"filter": [wildcard("user_agent.original", t) for t in ("*a*", "*b*")]}},
    ),
    ("{eventName|cased: CreateUser}", term("event.action.raw", "CreateUser")),
    ("{eventName|re: '^A[bc]+'}", regexp("event.action.raw", "A([b-c])+@")),
    ("{eventName|re: 'a|^b$'}", regexp("event.action.raw", "(@a@|b)")),
    ("{errorMessage|re|i: '^x+$'}", regexp("error.message", "(x)+")),
    ("{errorCode: null}", none(exists("error.code"))),
    ("{errorCode|exists: true}", exists("error.code")),
    ("{errorCode|neq: x}", none(term("error.code", "x"))),
    ("{source.ip|cidr: '2001:db8::/32'}", term("source.ip", "2001:db8::/32")),
    (
        "{source.ip|cidr: 10.0.0.0/8}",
        {"bool": {"filter": [term("source.ip", "10.0.0.0/8")], "must_not": [regexp("source.ip.kw", "0{0,4}:@")]}},
    ),
    ("{source.ip: '10.*'}", prefix("source.ip.kw", "10.")),
    ("{sourceIPAddress|cidr: 10.0.0.0/8}", regexp("source.address", rf"10\.{OCTET}\.{OCTET}\.{OCTET}")),
    ("{sourceIPAddress|cidr: 192.0.2.6/31}", regexp("source.address", r"192\.0\.2\.(6|7)")),
    (
        "{'@timestamp|year': 2026}",
        {"range": {"@timestamp": {"gte": "2026-01-01T00:00:00Z", "lte": "2026-12-31T23:59:59.999Z"}}},
    ),
    ("{'@timestamp': 5}", NOTHING),
    ("{'@timestamp|contains': yesterday}", NOTHING),
    (
        "{a: {eventName: x}, b: {awsRegion: y}, c: {errorCode: z}, condition: a and b and not c}",
        {
            "bool": {
                "filter": [term("event.action", "x"), term("cloud.region", "y")],
                "must_not": [term("error.code", "z")],
            }
        },
    ),
]
INEXACT = [
    ("{user.id|cased: AIDA}", term("user.id", "aida")),
    ("{errorMessage|re: '^A'}", regexp("error.message", "a@")),
    (r"{errorMessage|re: '\bk(?=x)'}", regexp("error.message", "@k@")),
    ("{errorCode: 404}", regexp("error.code", f"(404|{FRACTION})")),
    ("{errorCode: 0}", regexp("error.code", rf"(\-?0|{FRACTION})")),
    ("{errorCode: 2.5}", regexp("error.code", FRACTION)),
    ("{errorCode|lt: 5}", regexp("error.code", NUMBER)),
    ("{errorCode|hour: 5}", regexp("error.code", r"[0-9]{4}\-[0-9]{2}\-@")),
    ("{'@timestamp|hour': 5}", exists("@timestamp")),
    ("{'@timestamp|startswith': 2026-}", exists("@timestamp")),
    ("{sourceIPAddress|cidr: '2001:db8::/32'}", regexp("source.address", "[0-9a-f]{0,4}:@")),
    ("{source.ip|cidr: '::/0'}", regexp("source.ip.kw", "[0-9a-f]{0,4}:@")),
    ("{eventName|fieldref: errorCode}", {"bool": {"filter": [exists("event.action"), exists("error.code")]}}),
    ("{requestParameters.bucketName: Mine}", term("siem.leaves", "requestparameters.bucketname=mine")),
    (
        "{requestParameters.a|contains: x}",
        some(wildcard("siem.leaves", "requestparameters.a=*x*"), prefix("siem.leaves", "requestparameters.a.")),
    ),
    ("{requestParameters.a|startswith: x}", prefix("siem.leaves", "requestparameters.a=x")),
    ("{'requestParameters.a*b|startswith': x}", prefix("siem.leaves", "requestparameters.a*b=x")),
    (
        "{requestParameters.a|endswith: '}'}",
        some(wildcard("siem.leaves", "requestparameters.a=*}"), prefix("siem.leaves", "requestparameters.a.")),
    ),
    ("{requestParameters.a|exists: true}", regexp("siem.leaves", r"(requestparameters\.a\=|requestparameters\.a\.)@")),
    (
        "{requestParameters.a|re: '^x$'}",
        some(prefix("siem.leaves", "requestparameters.a."), regexp("siem.leaves", r"requestparameters\.a\=x")),
    ),
    ("{requestParameters.a|lt: 5}", regexp("siem.leaves", rf"requestparameters\.a\={NUMBER}")),
    ("{a: {eventName: x}, b: {extra: y}, condition: a and not b}", term("event.action", "x")),
    ("{a: {extra: y}, condition: not a}", {"match_all": {}}),
    ("{eventName: \"\\u1c8a\"}", term("event.action", "\u1c8a")),
]  # fmt: skip


class TestShapes:
    @pytest.mark.parametrize(("selection", "query"), EXACT)
    def test_that_say_the_same(self, registry: Registry, selection: str, query: dict[str, Any]) -> None:
        given = clause_of(selection, registry.parsers["aws.cloudtrail"].fields)
        assert (given.query, given.exact) == (query, True)

    @pytest.mark.parametrize(("selection", "query"), INEXACT)
    def test_that_find_more(self, registry: Registry, selection: str, query: dict[str, Any]) -> None:
        given = clause_of(selection, registry.parsers["aws.cloudtrail"].fields)
        assert (given.query, given.exact) == (query, False)

    @pytest.mark.parametrize(
        ("selection", "query"),
        [
            ("{destination.port: 22}", term("destination.port", 22)),
            ("{destination.port: '22'}", term("destination.port", 22)),
            ("{destination.port: 22.0}", term("destination.port", 22)),
            ("{destination.port: ['022', '22.0', x, 22.5, 1.0e+30]}", NOTHING),
            ("{destination.port|contains: x}", NOTHING),
            ("{destination.port|cidr: 10.0.0.0/8}", NOTHING),
            ("{destination.port|gt: 22.5}", {"range": {"destination.port": {"gt": 22}}}),
            ("{destination.port|lt: 1.0e+30}", exists("destination.port")),
            ("{destination.port|gt: 1.0e+30}", NOTHING),
            ("{network.bytes|gte: 9007199254740993}", {"range": {"network.bytes": {"gte": 9007199254740993}}}),
        ],
    )
    def test_of_numbers(self, registry: Registry, selection: str, query: dict[str, Any]) -> None:
        given = clause_of(selection, registry.parsers["aws.vpcflow"].fields)
        assert (given.query, given.exact) == (query, True)

    def test_of_columns_beside_the_schema(self, registry: Registry) -> None:
        given = clause_of("{srcaddr: 10.0.0.1, interface-id: eni-1}", registry.parsers["aws.vpcflow"].fields)
        both = some(term("source.ip.kw", "10.0.0.1"), term("siem.leaves", "srcaddr=10.0.0.1"))
        assert given.query == {"bool": {"filter": [both, term("siem.leaves", "interface-id=eni-1")]}}
        assert given.fields == {"source.ip", "aws.vpcflow.srcaddr", "aws.vpcflow.interface-id"}

    def test_of_keywords(self, registry: Registry) -> None:
        given = clause_of("[needle]", registry.parsers["aws.cloudtrail"].fields)
        queries = given.query["bool"]["should"]
        assert wildcard("siem.leaves", "*=*needle*") in queries
        assert wildcard("event.action", "*needle*") in queries
        assert given.fields == {"aws.cloudtrail"}

    def test_of_an_object_whose_leaves_schema_fields_hold(self) -> None:
        fields = DatasetFields("x", native={"tls.version": "tls.version"})
        given = clause_of("{tls|exists: true}", fields)
        assert exists("tls.version") in given.query["bool"]["should"]

    def test_of_records_of_no_dataset_are_exact(self) -> None:
        given = clause_of("{userName: Bob, a|re: '^[0-9]$'}", ANY_JSON)
        assert given.query == {
            "bool": {"filter": [term("siem.leaves", "username|10=bob"), regexp("siem.leaves", r"a\|\=[0-9]")]}
        }
        assert (given.exact, given.fields) == (True, {"userName|10", "a"})
        document = {"userName": "Bob", "a": {"b": 1}, "other": "x"}
        assert projected_leaves(document, given.fields) == {"siem.leaves": ['a|={"b":1}', "userName|10=Bob"]}

    @pytest.mark.parametrize(
        ("selection", "needed"),
        [
            ("{c-uri-extension: [PHP, 'a*']}", some(wildcard("url.path", "*.php"), wildcard("url.path", "*.a*"))),
            ("{c-uri-extension|re: '^a$'}", exists("url.path")),
            (
                r"{cs-uri-query|contains: 'a\?login'}",
                {
                    "bool": {
                        "filter": [
                            exists("url.path"),
                            some(wildcard("url.path", "*login*"), wildcard("url.query", "*login*")),
                        ]
                    }
                },
            ),
            ("{cs-uri-query|re: x}", exists("url.path")),
            ("{cs-cookie|startswith: Session}", prefix("siem.leaves", "httprequest.headers.value=session")),
        ],
    )
    def test_of_what_is_derived(self, registry: Registry, selection: str, needed: dict[str, Any]) -> None:
        given = clause_of(selection, DERIVED)
        assert (given.query, given.exact) == (needed, False)

    def test_text_of_rules_is_only_a_value(self, registry: Registry) -> None:
        hostile = '"}},{"match_all":{}} OR * /.*/ \\" é\n'
        tree = Leaf("requestParameters.x", Text((hostile,)))
        query = json.loads(json.dumps(clause(tree, registry.parsers["aws.cloudtrail"].fields).query))
        assert query == term("siem.leaves", f"requestparameters.x={hostile.lower()}")


class TestSize:
    """A node refuses a search of more than 1,024 clauses, and expressions that take it too long."""

    @pytest.mark.slow
    def test_many_values_are_few_clauses(self, registry: Registry) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        words = [f"word{number}" for number in range(3000)]
        given = clause(Or(tuple([Leaf("userAgent", Text((Wild.ANY, word, Wild.ANY))) for word in words])), fields)
        assert given.exact
        assert given.size == size(given.query) <= 40
        assert all(
            len(part["regexp"]["user_agent.original"]["value"]) <= LONGEST for part in given.query["bool"]["should"]
        )
        given = clause(Or(tuple([Leaf("userAgent", Text((word,))) for word in words])), fields)
        assert given.query == {"terms": {"user_agent.original": words}}

    def test_too_many_clauses_leave_what_is_needed_beside_them(self, registry: Registry) -> None:
        fields = registry.parsers["aws.cloudtrail"].fields
        many = Or(tuple([Leaf("userAgent", Text((f"a{n}", Wild.ONE, "b"))) for n in range(MOST_CLAUSES + 1)]))
        given = clause(many, fields)
        assert (given.query, given.exact) == ({"match_all": {}}, False)
        given = clause(And((many, Leaf("eventName", Text(("x",))))), fields)
        assert (given.query, given.exact) == (term("event.action", "x"), False)

    @pytest.mark.parametrize(
        ("parts", "query"),
        [
            (("a", Wild.ANY, "x" * 3000), prefix("user_agent.original", "a")),
            ((Wild.ANY, "a" * 300, Wild.ANY), wildcard("user_agent.original", f"*{'a' * 50}*")),
            ((Wild.ANY, "a", *[Wild.ONE] * 13), wildcard("user_agent.original", "*a*")),
        ],
    )
    def test_a_pattern_that_costs_too_much_finds_more_instead(
        self, registry: Registry, parts: tuple[str | Wild, ...], query: dict[str, Any]
    ) -> None:
        given = clause(Leaf("userAgent", Text(parts)), registry.parsers["aws.cloudtrail"].fields)
        assert (given.query, given.exact) == (query, False)
        opposite = clause(Not(Leaf("userAgent", Text(parts))), registry.parsers["aws.cloudtrail"].fields)
        assert opposite.query == {"match_all": {}}

    def test_what_is_longer_than_the_index_keeps_is_left_to_the_predicate(self, registry: Registry) -> None:
        given = clause(Leaf("userAgent", Text(("x" * 8192, Wild.ANY))), registry.parsers["aws.cloudtrail"].fields)
        assert (given.query, given.exact) == (NOTHING, True)


class TestExpressions:
    @pytest.mark.parametrize(
        ("pattern", "text"),
        [
            ("", "@@"), ("a.b", "@a[^\n]b@"), ("(?s)a.b", "@a.b@"), ("^(ab|c)$", "(ab|c)"), ("^(|a)$", "(()|a)"),
            ("a{2,}", "@(a){2,}@"), ("a{3}", "@(a){3,3}@"), ("(ab)?c", "@(ab)?c@"), ("a{0}", "@@"), (r"\d", "@[0-9]@"),
            (r"[^\s]", "@[^\t-\r ]@"), (r"[\s\S]", "@.@"), (r"[^\s\S]", "@#@"), (r"\.\"@~", r"@\.\"\@\~@"),
            ("[]a-]", r"@[\-\]a]@"), ("(?i:k)", "@[Kk\u212a]@"), (r"(a)\1", "@a@@"), ("(?!x)a", "@a@"), (r"a\Z", "@a"),
            ("(?m)^a$", "@a@"), ("x^", "@x@"),
        ],
    )  # fmt: skip
    def test_are_written_with_what_lucene_knows(self, pattern: str, text: str) -> None:
        given = expression(pattern, re.NOFLAG, folded=False)
        assert given is not None
        assert given.text == text

    @pytest.mark.parametrize(
        ("pattern", "text", "exact"),
        [
            ("A1", "@a1@", False), ("1", "@1@", True), ("(?i)A", "@a@", True), ("[^A]", "@.@", False),
            ("(?i)[^a]", "@[^a]@", True), (r"\S", "@[^\t-\r ]@", True), ("[A-Z]", "@[a-z]@", False),
            ("(?i)s", "@[sſ]@", True),
        ],
    )  # fmt: skip
    def test_lose_case_with_the_index(self, pattern: str, text: str, exact: bool) -> None:
        given = expression(pattern, re.NOFLAG)
        assert given is not None
        assert (given.text, given.exact) == (text, exact)

    @pytest.mark.slow
    @pytest.mark.parametrize("pattern", ["a" * 1001, "a.{14}b", "((a{100}){100}){100}", "(a|b)*a(a|b){14}"])
    def test_that_a_node_would_refuse_are_not_written(self, pattern: str) -> None:
        assert expression(pattern, re.NOFLAG) is None

    def test_alternatives_do_not_multiply(self) -> None:
        words = "|".join([f"word{number}" for number in range(80)])
        assert expression(words, re.I) is not None

    def test_the_work_of_an_automaton_is_counted(self) -> None:
        automaton = Automaton()
        with pytest.raises(TooComplex):
            automaton.check(automaton.parts((Wild.ANY, "a", *[Wild.ONE] * 12)))
