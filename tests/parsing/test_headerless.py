"""Lines without a header: which form they are told to be, which columns they have, and what becomes of odd ones."""

from __future__ import annotations

import pytest
from elbs import FORMS, KEYS, LINES, PARSER, balanced, changed
from flows import LIMITS, origin_of

from siem.parsing.quoting import columns_in


@pytest.mark.parametrize("form", FORMS)
def test_the_key_tells_the_form(form: str) -> None:
    found = balanced(LINES[form], form=form)
    assert [event["aws.elb.log"] for event in found.documents] == [form]
    assert PARSER.claims(KEYS[form])


@pytest.mark.parametrize("form", FORMS)
def test_where_the_key_says_nothing_the_line_tells_the_form(form: str) -> None:
    found = balanced("garbage", LINES[form], key="some.log")
    assert [event["aws.elb.log"] for event in found.documents] == [form]
    assert [ordinal for ordinal, _ in found.reasons] == [0]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [None, "some.log"])
def test_a_reject_is_parsed_again_alone(form: str, key: str | None) -> None:
    line = LINES[form].encode()
    again = PARSER.replay(line, 7, origin_of(line, key or KEYS[form]), LIMITS)
    assert again is not None
    assert (again.events, again.records) == (1, 1)


def test_a_line_of_no_form_cannot_be_parsed_again_where_the_key_says_nothing() -> None:
    assert PARSER.replay(b"garbage", 0, origin_of(b"garbage", "some.log"), LIMITS) is None


def test_lines_of_one_moment_are_events_each() -> None:
    line = changed("alb", time="2026-11-01T00:00:00.000000Z")
    tables = [block.batch.arrow() for block in balanced(line, line, line).blocks if block.batch is not None]
    assert [table["aws.elb.time"].to_pylist() for table in tables] == [["2026-11-01T00:00:00.000000Z"] * 3]


def test_older_lines_lack_the_later_columns_and_keep_their_place() -> None:
    columns = LINES["alb"].split(" TID_")[0].split(' "www.example.com"')[0]
    found = balanced(LINES["alb"], columns, LINES["alb"])
    assert found.ordinals == [0, 1, 2]
    assert "tls.client.server_name" not in found.documents[1]
    assert found.documents[1]["http.request.id"] == "1-6ae6b955-2a10e0c5de3fb5abd88ee3c6"


def test_columns_that_nobody_has_documented_are_kept_by_their_number() -> None:
    event = balanced(LINES["alb"], LINES["alb"] + ' "a later column" 42 -').documents[1]
    assert event["aws.elb.column_34"] == "a later column"
    assert event["aws.elb.column_35"] == "42"
    assert PARSER.line(event, 36) == LINES["alb"] + ' "a later column" 42 -'


@pytest.mark.parametrize("form", FORMS)
def test_a_sound_line_can_be_had_back_to_the_byte(form: str) -> None:
    event = balanced(LINES[form], form=form).documents[0]
    assert PARSER.line(event, len(FORMS[form].columns)) == LINES[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("count", [2, 20])
def test_lines_that_are_all_the_same_are_as_many_rows(form: str, count: int) -> None:
    found = balanced(*[LINES[form]] * count, form=form)
    (batch,) = [block.batch for block in found.blocks if block.batch is not None]
    assert (len(found.documents), batch.arrow().num_rows) == (count, count)


def test_a_mark_that_never_closes_costs_its_line_alone() -> None:
    found = balanced(LINES["alb"], LINES["alb"][:260], LINES["alb"])
    assert found.ordinals == [0, 2]
    assert found.reasons == [(1, "a quotation mark that does not close, or text behind one that does")]


def test_lines_of_as_many_marks_but_other_columns_are_read_one_by_one() -> None:
    other = LINES["alb"].replace("10.0.1.15:8080 0.000", "10.0.1.15:8080").replace(' "-" "-"', ' "-" - "-"', 1)
    found = balanced(LINES["alb"], other, LINES["alb"])
    assert found.ordinals == [0, 1, 2]
    assert found.documents[1]["aws.elb.request_processing_time"] == "0.289"


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        (b"", 1), (b"a", 1), (b"a b", 2), (b"a  b", 3), (b'"a b"', 1), (b'"a b" c', 2), (b'"" ""', 2), (b'a"b c', 2),
        (b'"a', 0), (b'a "b', 0), (b'"a"b', 0), (b'"a""b"', 0), (b'"a" ', 2),
    ],
)  # fmt: skip
def test_columns_of_a_line(line: bytes, columns: int) -> None:
    assert columns_in(line) == columns


@pytest.mark.parametrize("status", ["-", "-1", "000", "99", "600", "2000"])
def test_what_is_no_status_stays_a_native_text(status: str) -> None:
    event = balanced(changed("alb", elb_status_code=status)).documents[0]
    assert "http.response.status_code" not in event
    assert event.get("aws.elb.elb_status_code") == (None if status == "-" else status)


def test_a_time_that_was_written_otherwise_is_kept_as_it_was() -> None:
    event = balanced(changed("alb", time="2026-11-01T04:00:21.100000Z")).documents[0]
    assert event["@timestamp"] == "2026-11-01T04:00:21.1Z"
    assert event["aws.elb.time"] == "2026-11-01T04:00:21.100000Z"
    assert event["event.start"] == "2026-11-01T04:00:21.232662Z"
    assert "aws.elb.request_creation_time" not in event
