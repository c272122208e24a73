"""What rules mean in both stores: every case, and rules at random, in packs over what was stored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from agreeing import Both, both
from examples import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from sigma_world import Bytes, cloudtrail, flows
from test_conformance import CASES, DELIVERED, rules_of, texts_of
from test_engines_agree import FLOW_LINE, FLOW_NAMES, TRAIL, TRAIL_NAMES, case, flow_log

from siem.config import Limits
from siem.detect.packs import Packs, Span
from siem.errors import ContentError
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.schema import DatasetFields, LogSource, Origin, decoded
from siem.sigma import Reader, Rule, View, condition
from siem.sigma.tree import And, FieldRef, Leaf, Node, Not, Or
from siem.store.contract import Delivery, Store
from siem.testing.deliveries import delivery, put

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOME = examples(25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
WITH_EVENTS: list[dict[str, Any]] = [dict(param.values[0]) for param in CASES if "events" in param.values[0]]
BELOW = "requestParameters.case"
"""Where the events of cases stand that are of no dataset: in an open payload of a CloudTrail record."""


@pytest.fixture(scope="module")
def stores(opensearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(opensearch, tmp_path_factory.mktemp("stores") / "store") as stores:
        yield stores


@dataclass(frozen=True)
class Stored:
    """An object in both stores: its blocks, and the documents of all of its events, in order."""

    of: Delivery
    blocks: Sequence[Parsed]
    documents: Sequence[Any]

    @classmethod
    def parsed(cls, key: str, data: bytes, dataset: str, registry: Registry) -> Stored:
        """Objects of different keys have different ids, whatever they hold."""
        of = delivery(key)
        origin = Origin(key, of.source.id, of.sha256, NOW)
        blocks = list(registry.parsers[dataset].parse(Bytes(data), origin, Limits()))
        lines = [line for block in blocks if block.batch for line in block.batch.ndjson().splitlines()]
        return cls(of, blocks, list(map(decoded, lines)))


def found(store: Store, rules: Sequence[Rule], fields: DatasetFields, span: Span) -> list[tuple[str, str]]:
    """Rule and event of every match."""
    errors: list[ContentError] = []
    packs = Packs(fields, store.dialect)
    hits = packs.found(store, rules, span, frozenset(), lambda rule, error: errors.append(error))
    matches = sorted([(rule.key, one.hit.event_id) for one in hits for rule in one.rules])
    assert errors == []
    return matches


def expected(rules: Sequence[Rule], fields: DatasetFields, objects: Sequence[Stored]) -> list[tuple[str, str]]:
    """The same by the predicate, one event at a time."""
    reader, judges = Reader(fields), [(rule.key, condition(rule.tree)) for rule in rules]
    documents = [document for stored in objects for document in stored.documents]
    views = [(document["event.id"], View(reader, document)) for document in documents]
    return sorted([(key, id_) for id_, view in views for key, judge in judges if judge(view)])


# Cases


@dataclass(frozen=True)
class Told:
    """A case as stores have it. names: of the events that were stored, in order."""

    case: dict[str, Any]
    rules: Sequence[Rule]
    stored: Stored
    names: Sequence[str]

    def wanted(self, rule: Rule) -> list[str]:
        all_ = self.case["expected"][rule.title] if "file" in self.case else self.case["expected"]
        return [name for name in all_ if name in self.names]


def told(number: int, of: dict[str, Any], registry: Registry, folder: Any) -> Told:
    rules = [replace(rule, key=f"{number} {rule.key}") for rule in rules_of(of, folder).rules]
    dataset, names = of.get("dataset"), list(of["events"])
    if dataset == "aws.vpcflow":
        data = flows(list(of["events"].values()), of.get("header"))
    elif dataset:
        data = DELIVERED[dataset]([json.loads(text) for text in texts_of(of)])
    else:
        rules = [replace(rule, tree=moved(rule.tree)) for rule in rules]
        dataset, data = "aws.cloudtrail", wrapped(texts_of(of))
    stored = Stored.parsed(f"case {number}", data, dataset, registry)
    rejected = {reject.ordinal for block in stored.blocks for reject in block.rejects}
    kept = [name for place, name in enumerate(names) if place not in rejected]
    assert len(stored.documents) == len(kept)
    return Told(of, rules, stored, kept)


def wrapped(texts: Sequence[str]) -> bytes:
    """Records that hold these texts of JSON as they stand."""
    head = '{"eventVersion":"1.09","eventTime":"2026-10-31T23:30:00Z","requestParameters":{"case":'
    return '{{"Records":[{}]}}'.format(",".join([f"{head}{text}}}}}" for text in texts])).encode()


def moved(tree: Node) -> Node:
    """The same condition on fields of the events of cases; one on any field is left as it is."""
    match tree:
        case And(items):
            return And(tuple(map(moved, items)))
        case Or(items):
            return Or(tuple(map(moved, items)))
        case Not(item):
            return Not(moved(item))
        case Leaf(None, _):
            return tree
        case Leaf(field, FieldRef() as test):
            return Leaf(f"{BELOW}.{field}", replace(test, field=f"{BELOW}.{test.field}"))
        case Leaf(field, test):
            return Leaf(f"{BELOW}.{field}", test)
    return tree


def has_keywords(tree: Node) -> bool:
    """It looks at all of a record, and records of cases that are of no dataset were put into others."""
    match tree:
        case And(items) | Or(items):
            return any(map(has_keywords, items))
        case Not(item):
            return has_keywords(item)
        case Leaf(field, _):
            return field is None
    return False


def test_every_case_is_the_same_in_both_stores(
    stores: Both, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rules")
    cases = [told(number, of, registry, folder) for number, of in enumerate(WITH_EVENTS)]
    assert sum([len(of.names) for of in cases]) > 0.97 * sum([len(of["events"]) for of in WITH_EVENTS])
    for store in stores:
        put(store, *[(of.stored.of, list(of.stored.blocks)) for of in cases])
    for dataset in sorted({of.stored.blocks[0].dataset for of in cases}):
        mine = [of for of in cases if of.stored.blocks[0].dataset == dataset]
        check_cases(mine, stores, registry.parsers[dataset].fields)


def check_cases(cases: Sequence[Told], stores: Both, fields: DatasetFields) -> None:
    """Every rule over the events of every case; and over those of its own what the case says."""
    rules = [rule for of in cases for rule in of.rules]
    span = Span([of.stored.of.source.id for of in cases])
    matches = stores.tell(lambda store: found(store, rules, fields, span))
    assert matches == expected(rules, fields, [of.stored for of in cases])
    pairs, wrong = set(matches), dict[str, Any]()
    for of in cases:
        ids = [document["event.id"] for document in of.stored.documents]
        for rule in of.rules:
            names = [name for id_, name in zip(ids, of.names, strict=True) if (rule.key, id_) in pairs]
            if names != of.wanted(rule) and (of.case.get("dataset") or not has_keywords(rule.tree)):
                wrong[of.case["why"]] = names
    assert wrong == {}


# Rules at random


def rules(trees: Sequence[Node]) -> list[Rule]:
    return [
        Rule(key=str(number), title="T", file="r.yml", line=1, tree=tree, logsource=LogSource())
        for number, tree in enumerate(trees)
    ]


def check(trees: Sequence[Node], objects: Sequence[Stored], stores: Both, fields: DatasetFields) -> None:
    """Objects of one example; others stay in the stores."""
    for store in stores:
        put(store, *[(stored.of, list(stored.blocks)) for stored in objects])
    span = Span([stored.of.source.id for stored in objects])
    matches = stores.tell(lambda store: found(store, rules(trees), fields, span))
    assert matches == expected(rules(trees), fields, objects)
    stores.agree([fields.dataset], span.objects)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    """A number that no example had before."""
    return iter(range(1_000_000))


@given(st.lists(case(TRAIL_NAMES.split(), TRAIL), min_size=3, max_size=8), st.booleans())
@SOME
def test_on_cloudtrail(
    registry: Registry, stores: Both, numbers: Iterator[int], drawn: list[tuple[Node, list[Any]]], escaped: bool
) -> None:
    objects = [
        Stored.parsed(f"trail {next(numbers)}", cloudtrail(records, escaped), "aws.cloudtrail", registry)
        for _, records in drawn
    ]
    check([tree for tree, _ in drawn], objects, stores, registry.parsers["aws.cloudtrail"].fields)


@given(st.lists(case(FLOW_NAMES.split(), FLOW_LINE), min_size=3, max_size=8))
@SOME
def test_on_flow_logs(
    registry: Registry, stores: Both, numbers: Iterator[int], drawn: list[tuple[Node, list[Any]]]
) -> None:
    objects = [Stored.parsed(f"flows {next(numbers)}", flow_log(lines), "aws.vpcflow", registry) for _, lines in drawn]
    check([tree for tree, _ in drawn], objects, stores, registry.parsers["aws.vpcflow"].fields)
