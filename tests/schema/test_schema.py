"""The schema's table, and everything that is derived from it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from siem.schema import ANY_JSON, BY_NAME, FIELDS, Column, DatasetFields, Field, Joined, Kind, arrow_type
from siem.schema import Path as Inside
from siem.schema.arrow import TYPES
from siem.schema.mapping import cased_name, folded_name, index, properties
from siem.schema.page import page

DOCS = Path(__file__).parent.parent.parent / "docs"


def leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Mapping by dotted name."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in tree.items():
        found |= (
            leaves(value["properties"], f"{prefix}{name}.") if "properties" in value else {f"{prefix}{name}": value}
        )
    return found


class TestTable:
    def test_a_name_stands_once_and_so_has_one_type(self) -> None:
        assert len(BY_NAME) == len(FIELDS)

    def test_no_field_is_another_ones_folder(self) -> None:
        for field in FIELDS:
            assert not any(other.name.startswith(f"{field.name}.") for other in FIELDS), field.name

    def test_time_comes_first_and_what_belongs_together_stands_together(self) -> None:
        assert FIELDS[0].name == "@timestamp"
        groups = [name for name, _ in groupby(field.name.split(".")[0] for field in FIELDS)]
        assert len(groups) == len(set(groups))
        assert groups[-1] == "siem"

    def test_every_field_says_what_it_means_in_a_sentence(self) -> None:
        for field in FIELDS:
            assert field.meaning.endswith((".", "…")), field.name


class TestMapping:
    def test_covers_every_field_and_nothing_else(self) -> None:
        assert list(leaves(properties())) == [field.name for field in FIELDS]

    def test_text_is_compared_without_case_and_never_analysed(self) -> None:
        name = leaves(properties())["error.message"]
        assert name == {"type": "keyword", "normalizer": "lc", "ignore_above": 8191}

    def test_shown_text_keeps_its_case_beside(self) -> None:
        for field in FIELDS:
            mapped = leaves(properties())[field.name]
            raw = mapped.get("fields", {}).get("raw")
            assert raw == ({"type": "keyword", "ignore_above": 8191} if field.shown else None), field.name

    def test_an_address_can_be_compared_as_text_too_and_one_that_is_none_loses_no_event(self) -> None:
        assert leaves(properties())["source.ip"] == {
            "type": "ip",
            "ignore_malformed": True,
            "fields": {"kw": {"type": "keyword", "normalizer": "lc", "ignore_above": 8191}},
        }

    def test_numbers_and_times(self) -> None:
        mapped = leaves(properties())
        assert mapped["network.bytes"] == {"type": "long", "ignore_malformed": True}
        assert mapped["@timestamp"] == {"type": "date"}

    def test_each_call_gives_a_tree_of_its_own(self) -> None:
        properties()["event"]["properties"].clear()
        assert leaves(properties())["event.id"]

    def test_an_index_knows_the_record_only_by_its_leaves(self) -> None:
        mapped = leaves(index(JSON)["mappings"]["properties"])
        assert mapped["aws.cloudtrail"] == {"type": "object", "enabled": False}
        assert mapped["siem.leaves"] == {"type": "keyword", "normalizer": "lc", "ignore_above": 8191}
        assert mapped["siem.oversize"] == {"type": "keyword", "ignore_above": 8191}
        assert mapped["siem.seq"] == {"type": "long", "index": False, "doc_values": False}
        assert set(mapped) - {"aws.cloudtrail", "siem.leaves", "siem.oversize", "siem.seq"} == set(BY_NAME)

    def test_an_index_of_any_json_holds_leaves_alone(self) -> None:
        assert list(leaves(index(ANY_JSON)["mappings"]["properties"])) == [
            "siem.leaves",
            "siem.oversize",
            "siem.seq",
        ]

    def test_every_index_defines_the_normalizer_and_maps_nothing_by_itself(self) -> None:
        body = index(JSON)
        assert body["settings"]["analysis"]["normalizer"]["lc"] == {"type": "custom", "filter": ["lowercase"]}
        assert body["mappings"]["dynamic"] is False

    def test_names_of_subfields_are_those_of_the_mapping(self) -> None:
        mapped = leaves(properties())
        for field in FIELDS:
            if field.kind in (Kind.TEXT, Kind.IP):
                assert folded_name(field.name) == field.name + (
                    ".kw" if "kw" in mapped[field.name].get("fields", {}) else ""
                )
            subfields = mapped[field.name].get("fields", {})
            assert cased_name(field.name) == (f"{field.name}.raw" if "raw" in subfields else None)


class TestArrow:
    def test_every_kind_has_a_type(self) -> None:
        assert set(TYPES) == set(Kind)

    def test_native_columns_are_text(self) -> None:
        assert str(arrow_type("aws.vpcflow.log-status")) == "string"
        assert str(arrow_type("@timestamp")) == "timestamp[us, tz=UTC]"


class TestPage:
    def test_is_not_stale(self) -> None:
        assert (DOCS / "schema.md").read_text() == page(), "make docs"

    @pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
    def test_names_every_field_once(self, field: Field) -> None:
        assert page().count(f"\n| `{field.name}` | {field.kind} |") == 1


JSON = DatasetFields(
    "aws.cloudtrail",
    filled=frozenset({"event.action", "source.ip", "user.name"}),
    native={"eventName": "event.action"},
    aliases={"c-ip": "source.ip", "cs-uri": "requestParameters.path", "eventName": "user.name"},
    payloads=frozenset({"requestParameters"}),
)

LINES = DatasetFields(
    "aws.vpcflow",
    filled=frozenset({"source.ip", "network.transport"}),
    native={"srcaddr": "source.ip"},
    aliases={"src_ip": "srcaddr", "proto": "network.transport"},
    nested=False,
)


class TestResolver:
    """Where the values of a rule's field are."""

    def test_a_schema_field_comes_first(self) -> None:
        assert JSON.sources("event.action") == (Column("event.action", Kind.TEXT),)
        assert JSON.sources("source.ip") == (Column("source.ip", Kind.IP),)

    def test_a_schema_field_that_the_parser_does_not_fill_is_looked_for_in_the_record(self) -> None:
        assert JSON.sources("destination.ip") == (
            Inside("aws.cloudtrail", "destination.ip", "aws.cloudtrail", "destination.ip"),
        )

    @pytest.mark.parametrize("name", ["eventName", "aws.cloudtrail.eventName"])
    def test_a_native_name_with_identical_text_is_answered_from_the_schema_field(self, name: str) -> None:
        assert JSON.sources(name) == (Column("event.action", Kind.TEXT),)

    @pytest.mark.parametrize("name", ["userIdentity.type", "aws.cloudtrail.userIdentity.type"])
    def test_any_other_native_name_is_answered_from_the_record(self, name: str) -> None:
        where = Inside("aws.cloudtrail", "userIdentity.type", "aws.cloudtrail", "userIdentity.type")
        assert JSON.sources(name) == (where,)

    def test_an_open_payload_is_a_column_of_its_own(self) -> None:
        column = "aws.cloudtrail.requestParameters"
        assert JSON.sources("requestParameters.bucketName") == (
            Inside("aws.cloudtrail", "requestParameters.bucketName", column, "bucketName"),
        )
        assert JSON.sources("requestParameters") == (Inside("aws.cloudtrail", "requestParameters", column, ""),)
        assert JSON.sources("requestParametersX.a") == (
            Inside("aws.cloudtrail", "requestParametersX.a", "aws.cloudtrail", "requestParametersX.a"),
        )

    def test_an_alias_comes_last_and_leads_to_a_schema_field_or_into_the_record(self) -> None:
        assert JSON.sources("c-ip") == JSON.sources("source.ip")
        assert JSON.sources("cs-uri") == JSON.sources("requestParameters.path")
        assert JSON.sources("eventName") == (Column("event.action", Kind.TEXT),)

    def test_an_alias_may_stand_for_several_values_also_derived_ones(self) -> None:
        joined = Joined((("", "url.path"), ("?", "url.query")))
        fields = DatasetFields("d", frozenset({"url.query"}), aliases={"q": (joined, "url.query"), "j": joined})
        assert fields.sources("q") == (joined, Column("url.query", Kind.TEXT))
        assert fields.sources("j") == (joined,)

    def test_a_native_column_of_lines_stands_beside_the_schema_field_that_has_its_text(self) -> None:
        """A column whose cast failed keeps its text: both places together hold every value."""
        native = Column("aws.vpcflow.srcaddr", Kind.TEXT)
        for name in ("srcaddr", "aws.vpcflow.srcaddr", "src_ip"):
            assert LINES.sources(name) == (Column("source.ip", Kind.IP), native)

    def test_an_unknown_column_of_lines_is_looked_for_under_its_native_name(self) -> None:
        assert LINES.sources("log-status") == (Column("aws.vpcflow.log-status", Kind.TEXT),)
        assert LINES.sources("proto") == (Column("network.transport", Kind.TEXT),)

    def test_any_json_has_its_fields_under_their_own_names(self) -> None:
        assert ANY_JSON.sources("event.action") == (Inside("", "event.action", "", "event.action"),)
