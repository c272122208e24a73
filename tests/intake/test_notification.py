"""What a message says, in every form that notifications take, and in forms that they do not."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest import DATA, MANIFEST

from siem.intake.notification import LONGEST, Named, Notice, notice

BUCKET = "example-log-archive"
MESSAGES = [entry for entry in MANIFEST["files"] if entry["kind"] == "notification"]
RECORDED = {"cloudtrail-digest-created.json"}
"""Ignored says the manifest, recorded say its notes: an object without events, which has to be in the ledger."""

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200).filter(
    lambda key: not {".", ".."} & set(key.split("/"))
)


def said(body: str | bytes, *buckets: str) -> Notice:
    return notice(body, buckets or (BUCKET,))


def record(key: Any, bucket: Any = BUCKET, **more: Any) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, **more}},
    }


def records(*given: Any) -> str:
    return json.dumps({"Records": given})


def why(found: Notice) -> str:
    (refusal,) = found.refused
    return refusal.reason


def test_there_are_all_56_messages() -> None:
    assert len(MESSAGES) == 56
    assert {entry["key"] for entry in MESSAGES} == {path.name for path in (DATA / "notifications").iterdir()}


@pytest.mark.parametrize("entry", MESSAGES, ids=lambda entry: entry["key"])
def test_a_message_comes_to_what_the_manifest_says(entry: dict[str, Any]) -> None:
    found = said((DATA / "notifications" / entry["key"]).read_bytes())
    keys = [named.key for named in found.objects]
    assert {named.bucket for named in found.objects} <= {BUCKET}
    if entry["key"] in RECORDED:
        assert len(keys) == 1
        assert "/CloudTrail-Digest/" in keys[0]
    elif entry["key"] == "huge-many-records.json":
        assert len(set(keys)) == 1_200
    else:
        assert set(keys) == set(entry["objects"])
    assert bool(found.refused) == (entry["action"].startswith("refuse"))
    if entry["action"] == "ignore" and not keys and entry["key"] != "s3-empty-records.json":
        assert found.ignored


def test_a_message_as_sqs_hands_it_over_says_the_same_as_its_bytes() -> None:
    for entry in MESSAGES:
        body = (DATA / "notifications" / entry["key"]).read_bytes()
        if entry["key"] != "invalid-utf8.json":
            assert said(body.decode()) == said(body)


def test_an_object_that_is_named_twice_is_one_and_two_versions_are_two() -> None:
    body = records(record("a"), record("a", versionId="1"), record("a", versionId="1"), record("a", versionId="2"))
    assert said(body).objects == (Named(BUCKET, "a"), Named(BUCKET, "a", "1"), Named(BUCKET, "a", "2"))


def test_a_part_that_is_refused_leaves_the_others() -> None:
    found = said(records(record("good"), record(7), record("evil", bucket="other"), 5, record("good too")))
    assert [named.key for named in found.objects] == ["good", "good too"]
    assert len(found.refused) == 3
    assert [refusal.named for refusal in found.refused if refusal.named] == [Named("other", "evil")]


@given(KEYS)
def test_a_key_comes_out_as_it_was_however_it_is_encoded(key: str) -> None:
    expected = (Named(BUCKET, key),) if len(key.encode()) <= 1_024 else ()
    for encoded in (quote_plus(key), quote(key, safe=""), quote(key), quote_plus(key, safe="/*")):
        assert said(records(record(encoded))).objects == expected
    event = {"source": "aws.s3", "detail-type": "Object Created", "detail": {}}
    event["detail"] = {"bucket": {"name": BUCKET}, "object": {"key": key}}
    assert said(json.dumps(event)).objects == expected
    assert said(json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": [key]})).objects == expected
    enveloped = json.dumps({"Type": "Notification", "Message": records(record(quote_plus(key)))})
    assert said(enveloped).objects == expected


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["Records", "s3", "bucket", "name", "object", "key", "detail", "Message", "Type", "s3Bucket"]
                ),
                x,
            )
        ),
    )
)
def test_any_json_is_an_answer_and_never_an_error(document: Any) -> None:
    found = said(json.dumps(document))
    assert found.refused or not found.objects


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(body: bytes) -> None:
    assert said(body).objects == ()


@pytest.mark.parametrize("key", ["../other/key", "a/../../b", "./a", "a/.", "..", "%2e%2e/other"])
def test_a_key_that_is_a_path_elsewhere_is_refused_and_named(key: str) -> None:
    (refusal,) = said(records(record(key))).refused
    assert refusal.named is not None
    assert "another object" in refusal.reason


def test_dots_inside_of_names_are_names() -> None:
    assert said(records(record("a..b/...c/d."))).objects == (Named(BUCKET, "a..b/...c/d."),)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"Records":[],"Records":[]}', "a name twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"Records":' + "[" * 100_000 + "]" * 100_000 + "}", "nested too deeply"),
        ("[" + "1" * 5_000 + "]", "no JSON"),
        ('{"Records":[NaN]}', "no number"),
        (" " * (LONGEST + 1), "longer than"),
        (
            json.dumps({"Type": "Notification", "Message": json.dumps({"Type": "Notification", "Message": "{}"})}),
            "form",
        ),
        (records(record("%FF")), "not UTF-8"),
        (records(record("")), "no text of 1 to"),
        (records(record("k" * 1_025)), "no text of 1 to"),
        (records(record("é" * 513)), "no text of 1 to"),
        (records(record("a", versionId=5)), "version"),
        (records(record("a", versionId="v" * 1_025)), "version"),
        (records(record("a", bucket="x/../y")), "bucket's name"),
        (json.dumps({"s3Bucket": BUCKET, "s3ObjectKey": ["\ud800"]}), "no text"),
    ],
)
def test_what_is_not_right_is_refused_with_a_reason(body: str, reason: str) -> None:
    assert reason in why(said(body))


def test_a_bucket_is_read_if_it_is_in_the_list_letter_by_letter() -> None:
    for bucket in ("example-log-archive2", "EXAMPLE-log-archive", "example-log"):
        assert said(records(record("a", bucket=bucket))).objects == ()
    assert notice(records(record("a")), ()).objects == ()
