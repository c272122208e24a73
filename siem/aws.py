"""The one importer of boto3: S3 as intake needs it, who signs requests, and AWS's errors in our words.

Endpoint, region and credentials come from `AWS_ENDPOINT_URL` and the other `AWS_*` variables, as boto3 reads them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
)

from siem.config import MEBI
from siem.errors import ConfigError, Denied, Gone, SiemError, Unavailable, UsageError

PIECE = MEBI
"""Bytes that are taken from a response at a time."""

IN_MEMORY = 8 * MEBI
"""Objects up to this size (as stored) never touch the disk."""

GONE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "MethodNotAllowed"})  # the last: a delete marker
DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "InvalidObjectState"})  # the last: archived


@dataclass(frozen=True)
class Listed:
    """An object in a listing; `size` in bytes as stored, `modified` (aware) by S3's clock."""

    key: str
    size: int
    modified: datetime


class S3:
    """A client for objects. Safe to share between threads.

    Raises:
        ConfigError: the `AWS_*` variables or the profile cannot work.
    """

    def __init__(self, threads: int = 16) -> None:
        style = "path" if os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3") else "auto"
        config = Config(
            max_pool_connections=threads,
            connect_timeout=10,
            read_timeout=60,
            retries={"mode": "standard"},
            s3={"addressing_style": style},
        )
        try:
            self._client: Any = boto3.client("s3", config=config)
        except BotoCoreError as error:
            raise in_our_words(error, "S3") from error

    def objects(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        """Every object whose key begins with `prefix`, in S3's order (the keys' UTF-8 bytes), a page at a time.

        Raises:
            ConfigError: the bucket does not exist or may not be listed.
            Unavailable: S3 does not answer.
        """
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    yield Listed(entry["Key"], entry["Size"], entry["LastModified"])
        except (BotoCoreError, ClientError) as error:
            problem = in_our_words(error, f"s3://{bucket}/{prefix}")
            if isinstance(problem, Denied | Gone):
                raise ConfigError(str(problem)) from error
            raise problem from error

    @contextmanager
    def fetched(self, bucket: str, key: str, version: str | None = None) -> Iterator[bytes | Path]:
        """The object's bytes; those of a large one in a file that lives as long as the block.

        Raises:
            Gone, Denied: it cannot be had, now or later.
            Unavailable: S3 does not answer.
        """
        which = {"VersionId": version} if version else {}
        with tempfile.NamedTemporaryFile() as file:
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **which)
                with closing(answer["Body"]) as body:
                    small = answer["ContentLength"] <= IN_MEMORY
                    data = body.read() if small else b""
                    file.writelines(() if small else body.iter_chunks(PIECE))
                    file.flush()
            except (BotoCoreError, ClientError) as error:
                raise in_our_words(error, f"s3://{bucket}/{key}") from error
            yield data if small else Path(file.name)

    def metadata(self, bucket: str, key: str) -> dict[str, str]:
        """What the user wrote beside the object (`x-amz-meta-…`), by name in lower case.

        Raises:
            Gone, Denied, Unavailable: as `fetched`.
        """
        try:
            answer = self._client.head_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise in_our_words(error, f"s3://{bucket}/{key}") from error
        return {name.lower(): str(value) for name, value in answer["Metadata"].items()}


def public_keys(region: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """The keys that CloudTrail's digests of a region are signed for: `Fingerprint Value ValidityStartTime
    ValidityEndTime`.

    Raises:
        ConfigError, Denied, Unavailable: they cannot be had.
    """
    config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 2})
    try:
        pages = boto3.client("cloudtrail", region_name=region, config=config).get_paginator("list_public_keys")
        return [key for page in pages.paginate(StartTime=since, EndTime=until) for key in page["PublicKeyList"]]
    except (BotoCoreError, ClientError) as error:
        raise in_our_words(error, f"CloudTrail's public keys in {region}") from error


def credentials() -> Any:
    """Who signs requests to AWS: as botocore has it, and renewed by it when they expire.

    Raises:
        ConfigError: there are none.
    """
    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        raise in_our_words(error, "AWS") from error
    if found is None:
        raise in_our_words(NoCredentialsError(), "AWS")
    return found


def in_our_words(error: BotoCoreError | ClientError, what: str) -> SiemError:
    """What an error of AWS means for whoever asked. Unknown ones may pass: they are worth another try."""
    if isinstance(error, NoCredentialsError | PartialCredentialsError | ProfileNotFound):
        return ConfigError(f"{what}: {error}; set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if isinstance(error, ParamValidationError):
        return UsageError(f"{what}: {error}")
    if not isinstance(error, ClientError):
        return Unavailable(f"{what}: {error}")
    problem = error.response.get("Error", {})
    code = str(problem.get("Code", ""))
    told = f"{what}: {problem.get('Message') or 'refused'} ({code})"
    if code in GONE:
        return Gone(told)
    if code in DENIED or code.startswith("KMS."):
        return Denied(told)
    return Unavailable(told)
