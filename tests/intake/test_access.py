"""Buckets that are not simply ours: whose role is assumed, who pays, and what is set for a whole account."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from aws import AWS
from pydantic import ValidationError

from siem.aws import S3
from siem.config import Access, Settings
from siem.testing.proxy import Proxy, Request

ROLE = "arn:aws:iam::000000000000:role/siem-reader"


@pytest.fixture
def seen(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """Every request that is made."""
    requests: list[Request] = []
    with Proxy(aws.url, lambda request: requests.append(request)).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield requests


def read(aws: AWS, bucket: str, access: Access) -> bytes:
    aws.bucket(bucket)
    aws.put(bucket, "a", b"bytes")
    with S3(access=access).fetched(bucket, "a") as content:
        assert isinstance(content, bytes)
        return content


def test_a_role_is_assumed_with_its_external_id_and_signs_requests(aws: AWS, seen: list[Request]) -> None:
    assert read(aws, "of-a-role", Access(role=ROLE, external_id="hinomi-7")) == b"bytes"
    assumed, got = seen
    asked = parse_qs(assumed.body.decode())
    assert (asked["Action"], asked["RoleArn"], asked["ExternalId"]) == (["AssumeRole"], [ROLE], ["hinomi-7"])
    assert "Credential=test/" in assumed.headers["authorization"]
    assert "Credential=test/" not in got.headers["authorization"]
    assert got.headers["x-amz-security-token"]


def test_a_role_is_assumed_once_for_many_objects(aws: AWS, seen: list[Request]) -> None:
    aws.bucket("many")
    aws.put("many", "a", b"bytes")
    client = S3(access=Access(role=ROLE))
    for _ in range(3):
        with client.fetched("many", "a"):
            pass
    assert [request.what for request in seen] == ["POST /", *["GET /many/a"] * 3]


def test_whose_bucket_it_is_and_who_pays_is_said_with_every_request(aws: AWS, seen: list[Request]) -> None:
    access = Access(account="000000000000", requester_pays=True)
    assert read(aws, "paid", access) == b"bytes"
    (got,) = seen
    assert got.headers["x-amz-request-payer"] == "requester"
    assert got.headers["x-amz-expected-bucket-owner"] == "000000000000"


def test_an_object_that_kms_encrypted_is_read_as_any_other(aws: AWS) -> None:
    key = aws.kms.create_key()["KeyMetadata"]["KeyId"]
    aws.bucket("encrypted")
    aws.s3.put_object(Bucket="encrypted", Key="a", Body=b"bytes", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    with S3().fetched("encrypted", "a") as content:
        assert content == b"bytes"


def test_a_bucket_has_what_is_set_for_it_and_else_for_its_account() -> None:
    settings = Settings(
        access={
            "logs": Access(account="111122223333", region="eu-west-1"),
            "other": Access(account="111122223333", role=f"{ROLE}-2"),
            "111122223333": Access(role=ROLE, region="us-west-2"),
        }
    )
    assert settings.access_to("logs") == Access(account="111122223333", role=ROLE, region="eu-west-1")
    assert settings.access_to("other").role == f"{ROLE}-2"
    assert settings.access_to("ours") == Access()


def test_what_cannot_be_a_role_or_an_account_is_told() -> None:
    for wrong in ({"role": "reader"}, {"account": "1"}):
        with pytest.raises(ValidationError):
            Access.model_validate(wrong)
