"""What an OpenSearch document holds beside the event."""

from __future__ import annotations

import pytest

from siem.schema import LEAVES, OVERSIZE, DatasetFields, additions, decoded
from siem.schema.leaves import LONGEST, MOST, NAME

JSON = DatasetFields("aws.cloudtrail", native={"eventName": "event.action", "tls.version": "tls.version"})
LINES = DatasetFields("aws.vpcflow", native={"srcaddr": "source.ip"}, nested=False)


def leaves(record: str) -> list[str]:
    return additions({"aws.cloudtrail": decoded(record)}, JSON).get(LEAVES, [])


class TestLeaves:
    def test_keys_are_joined_and_positions_dropped(self) -> None:
        assert leaves('{"a": {"b": [{"c": 1}, {"c": "x"}, ["y"]]}}') == ["a.b.c=1", "a.b.c=x", "a.b=y"]

    def test_a_dotted_key_equals_nesting(self) -> None:
        assert leaves('{"a.b": 1, "": {"": 2}}') == ["a.b=1", ".=2"]
        assert leaves('{"": 1, "a": {"": 2}}') == ["=1", "a.=2"]

    def test_scalars_keep_the_text_in_which_they_were_written(self) -> None:
        written = '{"a": 22.0, "b": 2e1, "c": true, "d": "A=b", "e": ""}'
        assert leaves(written) == ["a=22.0", "b=2e1", "c=true", "d=A=b", "e="]

    def test_what_is_empty_has_none(self) -> None:
        assert additions({"aws.cloudtrail": {"a": None, "b": [], "c": {}}}, JSON) == {}
        assert additions({}, JSON) == {}

    def test_what_a_schema_field_holds_is_left_out_only_where_its_text_is_the_same(self) -> None:
        record = {"eventName": "Put", "x": "Put"}
        assert additions({"event.action": "Put", "aws.cloudtrail": record}, JSON) == {LEAVES: ["x=Put"]}
        assert additions({"aws.cloudtrail": record}, JSON) == {LEAVES: ["eventName=Put", "x=Put"]}
        nested = {"eventName": ["Put", "Get"]}
        assert additions({"event.action": "Put", "aws.cloudtrail": nested}, JSON) == {LEAVES: ["eventName=Get"]}

    def test_of_delimited_logs_they_are_the_columns_beside_the_schema(self) -> None:
        document = {"source.ip": "192.0.2.1", "aws.vpcflow.log-status": "OK", "aws.vpcflow.a.b": "x", "aws.vpc": "y"}
        assert additions(document, LINES) == {LEAVES: ["log-status=OK", "a.b=x"]}


class TestOversize:
    @pytest.mark.parametrize("letter", ["x", "é", "\uffff", "😀"])
    def test_names_what_the_index_leaves_out_and_nothing_else(self, letter: str) -> None:
        longest = letter * (LONGEST // (2 if letter == "😀" else 1))
        assert additions({"error.message": longest}, JSON) == {}
        assert additions({"error.message": longest + letter}, JSON) == {OVERSIZE: ["error.message"]}

    def test_a_leaf_counts_with_its_path(self) -> None:
        record = {"ab": "x" * (LONGEST - 3)}
        assert OVERSIZE not in additions({"aws.cloudtrail": record}, JSON)
        record = {"ab": ["x" * (LONGEST - 2)] * 2}
        assert additions({"aws.cloudtrail": record}, JSON)[OVERSIZE] == ["ab"]

    def test_leaves_that_are_too_many_are_left_out(self) -> None:
        """Each names its whole path, so that a little JSON can be a lot of leaves."""
        path = "k" * 4_000
        count = MOST // len(f"{path}=1")
        few, many = (
            {"aws.cloudtrail": {path: [1] * some}, "error.message": "x" * 9_000} for some in (count, count + 1)
        )
        assert additions(few, JSON) == {LEAVES: [f"{path}=1"] * count, OVERSIZE: ["error.message"]}
        assert additions(many, JSON) == {OVERSIZE: ["error.message", LEAVES]}

    def test_a_name_is_short_enough_to_be_indexed(self) -> None:
        (name,) = additions({"aws.cloudtrail": {"k" * LONGEST: 1}}, JSON)[OVERSIZE]
        assert name == "k" * NAME

    def test_numbers_and_unknown_keys_are_no_indexed_texts(self) -> None:
        assert additions({"network.bytes": 1, "unknown": "x" * (LONGEST + 1)}, JSON) == {}
