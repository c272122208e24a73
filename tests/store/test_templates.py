"""The templates of a store are what the schema says, and fit what OpenSearch allows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from siem.errors import ConfigError
from siem.parsing import Registry
from siem.schema import FIELDS, DatasetFields
from siem.schema.mapping import index
from siem.store.opensearch.cluster.differences import conflicts, differing, holds, lacking, meets, names, overridden
from siem.store.opensearch.cluster.templates import EVENT_SETTINGS, VERSION, Templates, templates
from siem.store.opensearch.names import Names, Period, States

TRAIL = DatasetFields("aws.cloudtrail")
FLOW = DatasetFields("aws.vpcflow", nested=False)
BOTH = {fields.dataset: fields for fields in (TRAIL, FLOW)}


@pytest.fixture
def made() -> Templates:
    return templates(Names("t-", {"aws.vpcflow": Period.DAY}), BOTH)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """As OpenSearch composes: the later one wins, objects are joined."""
    both = {key: merged(one[key], other[key]) for key in one.keys() & other.keys() if isinstance(one[key], Mapping)}
    return {**one, **other, **both}


def composed(made: Templates, template: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in made.indices[template]["composed_of"]:
        found = merged(found, made.components.get(name, {}).get("template", {}))
    return merged(found, made.indices[template].get("template", {}))


def leaves_of(tree: Mapping[str, Any]) -> int:
    """How OpenSearch counts towards `total_fields.limit`: objects, fields and their subfields."""
    return sum(1 + leaves_of(field.get("properties", {})) + len(field.get("fields", {})) for field in tree.values())


@pytest.mark.parametrize("fields", BOTH.values(), ids=BOTH)
def test_an_index_of_events_is_what_the_emitter_counts_on(made: Templates, fields: DatasetFields) -> None:
    whole = composed(made, f"t-siem-events-{fields.dataset}")
    counted_on = index(fields)
    properties = whole["mappings"]["properties"]
    assert whole["settings"]["index"]["analysis"] == counted_on["settings"]["analysis"]
    assert whole["mappings"]["dynamic"] is counted_on["mappings"]["dynamic"] is False
    assert properties == counted_on["mappings"]["properties"]


@pytest.mark.parametrize("dataset", BOTH)
def test_a_family_says_what_its_components_come_to(made: Templates, dataset: str) -> None:
    (family,) = [family for family in made.families if family.dataset == dataset]
    assert composed(made, family.template)["mappings"] == family.mappings


def test_every_field_of_the_schema_is_mapped_once(made: Templates) -> None:
    base = list(names(made.components["t-siem-events"]["template"]["mappings"]["properties"]))
    assert sorted(base) == sorted([*(field.name for field in FIELDS), "siem.leaves", "siem.oversize", "siem.seq"])


def test_indices_have_room_for_twice_as_many_fields(made: Templates) -> None:
    tree = composed(made, "t-siem-events-aws.cloudtrail")["mappings"]["properties"]
    assert leaves_of(tree) * 2 <= int(EVENT_SETTINGS["mapping"]["total_fields"]["limit"])


def test_indices_are_named_as_events_are_written(made: Templates) -> None:
    template = made.indices["t-siem-events-aws.vpcflow"]
    assert template["index_patterns"] == ["t-events-aws.vpcflow-*"]
    assert template["template"]["aliases"] == {"t-events": {}, "t-events-aws.vpcflow": {}}
    assert template["_meta"]["period"] == "day"
    assert made.indices["t-siem-events-aws.cloudtrail"]["_meta"]["period"] == "month"


def test_what_people_add_comes_last(made: Templates) -> None:
    order = made.indices["t-siem-events-aws.vpcflow"]["composed_of"]
    own = ["t-siem-events@custom", "t-siem-events-aws.vpcflow@custom"]
    assert order == ["t-siem-events", "t-siem-events-aws.vpcflow", *own]
    assert made.custom == ("t-siem-events@custom", "t-siem-events-aws.cloudtrail@custom", own[1])
    assert not set(made.custom) & made.components.keys()


def test_state_has_an_index_each(made: Templates) -> None:
    for kind in States:
        template = made.indices[f"t-siem-{kind}"]
        assert template["index_patterns"] == [f"t-siem-{kind}"]
        assert composed(made, f"t-siem-{kind}")["mappings"]["dynamic"] is False
        assert composed(made, f"t-siem-{kind}")["settings"]["index"]["refresh_interval"] == "1s"


def test_every_template_says_whose_it_is(made: Templates) -> None:
    for body in (*made.components.values(), *made.indices.values()):
        assert body["version"] == VERSION
        assert holds(body["_meta"], {"product": "hinomi", "version": VERSION})


def test_every_shipped_dataset_has_templates(registry: Registry) -> None:
    fields = {dataset: parser.fields for dataset, parser in registry.parsers.items()}
    assert {family.dataset for family in templates(Names(), fields).families if family.dataset} == fields.keys()


def test_templates_that_change_have_another_version() -> None:
    """If this fails you changed the templates, perhaps by changing the schema: raise VERSION, and write the new digest
    beside it. An older program then knows that it must not put its own over yours."""
    made = templates(Names(), BOTH)
    written = orjson.dumps([made.components, made.indices], option=orjson.OPT_SORT_KEYS)
    assert (VERSION, hashlib.sha256(written).hexdigest()[:16]) == (3, "707fe075051fcd7c")


@pytest.mark.parametrize("dataset", ["AWS.trail", "a b", "a/b", "", "_a", "a*", "a,b", "é", "x" * 101, "a."])
def test_a_dataset_that_no_index_can_be_named_after_is_refused(dataset: str) -> None:
    with pytest.raises(ConfigError, match="no index can have that name"):
        templates(Names(), {dataset: DatasetFields(dataset)})


@pytest.mark.parametrize("dataset", ["source", "source.ip", "source.ip.x", "siem.leaves", "siem.seq"])
def test_a_dataset_may_not_stand_in_a_schema_fields_place(dataset: str) -> None:
    with pytest.raises(ConfigError, match="rename it"):
        templates(Names(), {dataset: DatasetFields(dataset)})


def test_datasets_whose_patterns_meet_are_refused() -> None:
    pair = {name: DatasetFields(name) for name in ("linux", "linux-auth")}
    with pytest.raises(ConfigError, match=r"events-linux-\* means the indices of both"):
        templates(Names(), pair)
    templates(Names(), {name: DatasetFields(name) for name in ("linux", "linux.auth", "linux2")})


KEYWORD, NUMBER = {"type": "keyword"}, {"type": "long"}


class TestDifferences:
    def test_paths_that_differ(self) -> None:
        assert list(differing({"a": {"b": 1, "c": [2]}, "d": 3}, {"a": {"b": 1, "c": [4]}, "e": 5})) == [
            "a.c",
            "d",
            "e",
        ]

    def test_a_field_that_is_missing_is_added_with_its_parents(self) -> None:
        wanted = {"a": {"properties": {"b": KEYWORD, "c": NUMBER}}, "d": {"properties": {"e": KEYWORD}}}
        there = {"a": {"properties": {"b": {**KEYWORD, "boost": 1}}}, "x": NUMBER}
        added = {"a": {"properties": {"c": NUMBER}}, "d": {"properties": {"e": KEYWORD}}}
        assert lacking(wanted, there) == added
        assert list(names(added)) == ["a.c", "d.e"]
        assert lacking(wanted, wanted) == {}

    def test_a_subfield_that_is_missing_is_added(self) -> None:
        shown = {**KEYWORD, "fields": {"raw": KEYWORD}}
        assert lacking({"a": shown}, {"a": KEYWORD}) == {"a": shown}
        assert lacking({"a": KEYWORD}, {"a": shown}) == {}

    def test_another_type_is_a_conflict_and_nothing_to_add(self) -> None:
        wanted = {"a": {"properties": {"b": {**KEYWORD, "normalizer": "lc"}, "c": NUMBER}}, "d": KEYWORD}
        there = {"a": {"properties": {"b": KEYWORD, "c": {"type": "text"}}}, "d": {"properties": {"e": NUMBER}}}
        told = [
            ("a.b", "keyword with normalizer lc", "keyword"),
            ("a.c", "long", "text"),
            ("d", "keyword", "object"),
        ]
        assert list(conflicts(wanted, there)) == told
        assert lacking(wanted, there) == {}

    def test_an_object_that_is_looked_into_is_a_conflict(self) -> None:
        closed = {"type": "object", "enabled": False}
        there = {"a": {"properties": {"b": KEYWORD}}}
        assert list(conflicts({"a": closed}, there)) == [("a", "object that is not indexed", "object")]
        assert list(conflicts({"a": {"properties": {"b": KEYWORD}}}, {"a": closed})) == [
            ("a", "object", "object that is not indexed")
        ]

    def test_whatever_is_less_than_we_say_is_overridden(self) -> None:
        wanted = {"a": {"properties": {"b": {**KEYWORD, "ignore_above": 9}}}}
        assert list(overridden(wanted, {"a": {"properties": {"b": {**KEYWORD, "ignore_above": 8}}}})) == ["a.b"]
        assert list(overridden(wanted, {})) == ["a.b"]
        more = {"a": {"properties": {"b": {**KEYWORD, "ignore_above": 9, "doc_values": False}}}, "c": NUMBER}
        assert list(overridden(wanted, more)) == []

    @pytest.mark.parametrize(
        "pattern",
        [
            "*",
            "events-*",
            "events-a-*",
            "events-a-2026.11",
            "events-a-*.11",
            "e*-a-2026.11",
            "*-other",
            "events-a-*x*y",
        ],
    )
    def test_patterns_that_take_an_index_of_ours(self, pattern: str) -> None:
        assert meets("events-a-*", pattern)

    @pytest.mark.parametrize("pattern", ["events-ab-*", "events-a", "event-*", "logs-*", "events-a.b-*", "events-b-*"])
    def test_patterns_that_do_not(self, pattern: str) -> None:
        assert not meets("events-a-*", pattern)

    def test_patterns_over_a_name(self) -> None:
        assert [meets("siem-log", pattern) for pattern in ("siem-*", "*log", "siem-log", "siem-log*")] == [True] * 4
        assert [meets("siem-log", pattern) for pattern in ("siem-logs", "siem-l", "siem.log", "?iem-*")] == [False] * 4
