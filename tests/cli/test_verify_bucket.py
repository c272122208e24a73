"""Proofs over S3: listings, metadata, keys that nobody has, seals under Object Lock."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from aws import AWS
from botocore.exceptions import ClientError
from siem_command import lines, siem

from siem.config import OURS
from siem.prove.anchor import anchor_of

pytestmark = pytest.mark.slow  # every test starts processes

ROOT = Path(__file__).parents[2]
DIGESTS = ROOT / "tests" / "data" / "digests"
KEYS = ("--public-keys", DIGESTS / "list-public-keys.json")


def uploaded(aws: AWS, folder: Path, name: str | None = None) -> str:
    """A bucket with what a folder has, and the metadata beside it."""
    bucket = aws.bucket(name or f"proof-{uuid.uuid4().hex[:12]}")
    metadata: dict[str, Any] = json.loads(folder.with_name(f"{folder.name}.object-metadata.json").read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = path.relative_to(folder).as_posix()
        aws.s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), Metadata=metadata.get(key, {}))
    return bucket


def findings(done: Any) -> set[tuple[str, str]]:
    return {(one["kind"], one["key"]) for one in lines(done) if one["type"] == "finding"}


def test_a_bucket_is_proven_and_what_is_deleted_or_written_again_is_named(aws: AWS, tmp_path: Path) -> None:
    bucket = uploaded(aws, ROOT / "samples" / "bucket")
    place = (f"s3://{bucket}", *KEYS, "--store", tmp_path / "store")
    siem("ingest", f"s3://{bucket}", "--store", tmp_path / "store")
    assert findings(siem("verify", *place)) == set()
    keys = [one["Key"] for one in aws.s3.list_objects_v2(Bucket=bucket)["Contents"]]
    gone = next(key for key in keys if "waflogs" in key)
    other = next(key for key in keys if "vpcflowlogs" in key)
    aws.s3.delete_object(Bucket=bucket, Key=gone)
    body = aws.s3.get_object(Bucket=bucket, Key=other)["Body"].read()
    aws.put(bucket, other, body[:-1] + bytes([body[-1] ^ 1]))
    assert findings(siem("verify", *place, code=1)) == {("not-in-bucket", gone), ("changed", other)}


@pytest.mark.parametrize("chain", ["valid", "modified-log", "deleted-log", "missing-digest", "forged-signature"])
def test_chains_in_a_bucket_come_to_what_they_come_to_in_a_folder(aws: AWS, tmp_path: Path, chain: str) -> None:
    bucket, code = uploaded(aws, DIGESTS / chain), int(chain != "valid")
    in_bucket = siem("verify", f"s3://{bucket}", *KEYS, cwd=tmp_path, code=code)
    in_folder = siem("verify", DIGESTS / chain, *KEYS, cwd=tmp_path, code=code)
    assert findings(in_bucket) == findings(in_folder)


def test_a_prefix_with_digests_alone_says_what_was_not_looked_at(aws: AWS, tmp_path: Path) -> None:
    bucket = uploaded(aws, DIGESTS / "deleted-log")
    prefix = f"s3://{bucket}/AWSLogs/111122223333/CloudTrail-Digest/"
    done = lines(siem("verify", prefix, *KEYS, cwd=tmp_path))
    assert done[-1]["verdict"] == "not proven"
    assert "6 log files that digests name lie outside of" in done[-1]["notes"][-1]


def test_without_keys_signatures_are_not_checked_and_that_is_said(aws: AWS, tmp_path: Path) -> None:
    bucket = uploaded(aws, DIGESTS / "valid")
    done = lines(siem("verify", f"s3://{bucket}", cwd=tmp_path))
    assert done[-1]["verdict"] == "not proven"
    assert any("signatures were not checked" in note for note in done[-1]["notes"])
    assert done[-1]["counts"]["log_files_valid"] == 6


def test_a_digest_that_was_copied_without_its_metadata_is_named(aws: AWS, tmp_path: Path) -> None:
    bucket = uploaded(aws, DIGESTS / "valid")
    key = next(key for key in json.loads((DIGESTS / "valid.object-metadata.json").read_bytes()) if "T120000Z" in key)
    aws.put(bucket, key, aws.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert findings(siem("verify", f"s3://{bucket}", *KEYS, cwd=tmp_path, code=1)) == {("signature-missing", key)}


def test_a_bucket_that_is_not_there_is_a_wrong_setting(aws: AWS, tmp_path: Path) -> None:
    assert b"s3://nobodys-bucket" in siem("verify", "s3://nobodys-bucket", *KEYS, cwd=tmp_path, code=3).stderr


def test_seals_in_a_locked_bucket_are_written_once_and_cannot_be_removed(aws: AWS, tmp_path: Path) -> None:
    name = f"seals-{uuid.uuid4().hex[:12]}"
    aws.s3.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    aws.s3.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    (tmp_path / "siem.toml").write_text(f'[verify]\nanchor = "s3://{name}/siem"\n')
    store = ("--store", tmp_path / "store")
    siem("ingest", DIGESTS / "valid", *store, cwd=tmp_path)
    for number in (1, 2):
        assert lines(siem("verify", "--seal", *store, cwd=tmp_path))[0]["number"] == number
    assert {one["proof"]: one["verdict"] for one in lines(siem("verify", *store, cwd=tmp_path))}["seals"] == "proven"
    anchor = anchor_of(f"s3://{name}/siem", lambda bucket: OURS)
    assert anchor.write("seal-000002.json", b"another") is False
    (sealed,) = aws.s3.list_object_versions(Bucket=name, Prefix="siem/seal-000002")["Versions"]
    with pytest.raises(ClientError):
        aws.s3.delete_object(Bucket=name, Key=sealed["Key"], VersionId=sealed["VersionId"])
