"""The predicate, the dispatch of many rules, and the projection of records of no dataset."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from siem.parsing import Registry
from siem.schema import ANY_JSON, decoded
from siem.sigma import KEYWORDS, Dispatch, Rule, compiled, load_rules, projected
from siem.sigma.gates import required
from siem.sigma.tree import And, Leaf, Not, Or, Text, Wild


def rules_of(folder: Path, *detections: str) -> tuple[Rule, ...]:
    for number, detection in enumerate(detections):
        text = f"title: T{number}\nname: r{number}\nlogsource: {{}}\ndetection: {detection}\n"
        (folder / f"{number:03}.yml").write_text(text)
    loaded = load_rules([folder])
    assert loaded.refused == ()
    return loaded.rules


def leaf(field: str, *parts: str | Wild) -> Leaf:
    return Leaf(field, Text(parts))


def test_what_a_rule_requires() -> None:
    a, b, c = leaf("f", "A"), leaf("f", "b"), leaf("g", "c")
    assert required(a) == {"f": {"a"}}
    assert required(Or((a, b))) == {"f": {"a", "b"}}
    assert required(And((Or((a, b)), c, a))) == {"f": {"a"}, "g": {"c"}}
    assert required(Or((And((a, c)), And((b, leaf("h", "x")))))) == {"f": {"a", "b"}}
    assert required(Or((a, c))) == {}
    assert required(Not(a)) == {}
    assert required(leaf("f", "a", Wild.ANY)) == {}
    assert required(And(())) == {}
    assert required(Or(())) == {}


def test_dispatch_finds_what_the_rules_find_one_by_one(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        "{s: {eventName: CreateUser}, condition: s}",
        "{s: {eventName: [DeleteUser, createuser], f: x}, condition: s}",
        "{s: {eventSource: iam}, n: {eventName: CreateUser}, condition: s and not n}",
        "{s: {f|contains: x}, condition: s}",
        "{s: [x], condition: s}",
        "{s: {f: null}, condition: s}",
    )
    documents = [
        {"eventName": "CreateUser", "f": "x"},
        {"eventName": ["DeleteUser", "other"], "f": "x"},
        {"eventSource": "IAM", "eventName": "Get"},
        {"eventSource": "iam", "eventName": "CREATEUSER"},
        {},
    ]
    dispatch = Dispatch(rules, ANY_JSON)
    for document in documents:
        alone = [rule.key for rule in rules if compiled(rule.tree, ANY_JSON)(document)]
        assert [rule.key for rule in dispatch.matching(document)] == alone
    assert [rule.key for rule in dispatch.matching(documents[0])] == ["r0", "r1", "r3", "r4"]


def test_dispatch_works_on_a_datasets_own_names(tmp_path: Path, registry: Registry) -> None:
    (rule,) = rules_of(tmp_path, "{s: {eventName: CreateUser}, condition: s}")
    dispatch = Dispatch([rule], registry.parsers["aws.cloudtrail"].fields)
    assert dispatch.matching({"event.action": "CreateUser"}) == [rule]
    assert dispatch.matching({"eventName": "CreateUser"}) == []


def test_projection_has_a_column_for_each_that_a_query_names() -> None:
    document = decoded('{"a": {"b": [1, 2.50, null, "x"]}, "User": true, "user": "y"}')
    columns = ["a.b", "a", "User|1", "user", "gone", KEYWORDS]
    values = projected(document, columns)
    assert list(values) == columns
    assert values["a.b"] == ["1", "2.50", "x"]
    assert values["a"] == ['{"b":[1,2.50,null,"x"]}']
    assert (values["User|1"], values["user"], values["gone"]) == (["true"], ["y"], [])
    assert sorted(values[KEYWORDS]) == ["1", "2.50", "true", "x", "y"]


def test_a_document_that_another_reader_decoded_can_be_judged(tmp_path: Path) -> None:
    (rule,) = rules_of(tmp_path, "{s: {f: '22.5'}, condition: s}")
    assert compiled(rule.tree, ANY_JSON)(json.loads('{"f": 22.5}'))


@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*a*a*b", "*?a*?a*?a*?a*?a*?a*b", "a*a*a*a*a*a*a*?b"])
def test_wildcards_take_time_in_proportion_to_the_text(tmp_path: Path, pattern: str) -> None:
    (rule,) = rules_of(tmp_path, f"{{s: {{f: '{pattern}'}}, condition: s}}")
    matches = compiled(rule.tree, ANY_JSON)
    begun = time.perf_counter()
    assert not matches({"f": "a" * 50_000})
    assert time.perf_counter() - begun < 2


def test_a_reference_between_long_arrays_does_not_look_at_every_pair(tmp_path: Path) -> None:
    (rule,) = rules_of(tmp_path, "{s: {f|fieldref: g}, condition: s}")
    document = {name: [f"{name}{number}" for number in range(20_000)] for name in "fg"}
    begun = time.perf_counter()
    assert not compiled(rule.tree, ANY_JSON)(document)
    assert time.perf_counter() - begun < 2
