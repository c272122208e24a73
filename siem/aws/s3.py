"""S3 as intake needs it: listings, and the bytes of objects."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from siem.aws.clients import client, has_own_endpoint
from siem.aws.errors import in_our_words, of_settings
from siem.config import MEBI, OURS, Access
from siem.errors import Unavailable

PIECE = MEBI
"""Bytes that are taken from a response at a time."""

IN_MEMORY = 8 * MEBI
"""Objects up to this size (as stored) never touch the disk."""

THERE = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
"""Somebody else wrote an object of that key before, or writes it this moment."""


@dataclass(frozen=True)
class Listed:
    """An object in a listing; `size` in bytes as stored, `modified` (aware) by S3's clock."""

    key: str
    size: int
    modified: datetime


class S3:
    """A client for objects of buckets with the same access. Safe to share between threads.

    Raises:
        ConfigError: the `AWS_*` variables or the profile cannot work.
    """

    def __init__(self, threads: int = 16, access: Access = OURS) -> None:
        style = "path" if has_own_endpoint("s3", access) else "auto"
        self._client: Any = client("s3", access, threads, s3={"addressing_style": style})
        payer = {"RequestPayer": "requester"} if access.requester_pays else {}
        self._always = payer | ({"ExpectedBucketOwner": access.account} if access.account else {})

    def objects(self, bucket: str, prefix: str = "") -> Iterator[Listed]:
        """Every object whose key begins with `prefix`, in S3's order (the keys' UTF-8 bytes), a page at a time.

        Raises:
            ConfigError: the bucket does not exist or may not be listed.
            Unavailable: S3 does not answer.
        """
        listing = self._client.get_paginator("list_objects_v2")
        try:
            for page in listing.paginate(Bucket=bucket, Prefix=prefix, **self._always):
                for entry in page.get("Contents", ()):
                    yield Listed(entry["Key"], entry["Size"], entry["LastModified"])
        except (BotoCoreError, ClientError) as error:
            raise of_settings(error, f"s3://{bucket}/{prefix}") from error

    @contextmanager
    def fetched(self, bucket: str, key: str, version: str | None = None) -> Iterator[bytes | Path]:
        """The object's bytes; those of a large one in a file that lives as long as the block.

        Raises:
            Gone, Denied: it cannot be had, now or later.
            Unavailable: S3 does not answer.
        """
        which = {"VersionId": version} if version else {}
        with ExitStack() as files:
            try:
                answer = self._client.get_object(Bucket=bucket, Key=key, **which, **self._always)
                with closing(answer["Body"]) as body:
                    small = answer["ContentLength"] <= IN_MEMORY
                    delivered = body.read() if small else files.enter_context(_file(body.iter_chunks(PIECE)))
            except (BotoCoreError, ClientError) as error:
                raise in_our_words(error, f"s3://{bucket}/{key}") from error
            except OSError as error:
                raise Unavailable(f"s3://{bucket}/{key}: {tempfile.gettempdir()}: {error.strerror or error}") from error
            yield delivered

    def metadata(self, bucket: str, key: str) -> dict[str, str]:
        """What the user wrote beside the object (`x-amz-meta-…`), by name in lower case.

        Raises:
            Gone, Denied, Unavailable: as `fetched`.
        """
        try:
            answer = self._client.head_object(Bucket=bucket, Key=key, **self._always)
        except (BotoCoreError, ClientError) as error:
            raise in_our_words(error, f"s3://{bucket}/{key}") from error
        return {name.lower(): str(value) for name, value in answer["Metadata"].items()}

    def created(self, bucket: str, key: str, content: bytes) -> bool:
        """Write a new object. False, and nothing changed: there is one of that key.

        Raises:
            ConfigError: the bucket does not exist or may not be written.
            Unavailable: S3 does not answer.
        """
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*", **self._always)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in THERE:
                return False
            raise of_settings(error, f"s3://{bucket}/{key}") from error
        except BotoCoreError as error:
            raise of_settings(error, f"s3://{bucket}/{key}") from error
        return True


@contextmanager
def _file(pieces: Iterable[bytes]) -> Iterator[Path]:
    """A file of these bytes."""
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(pieces)
        file.flush()
        yield Path(file.name)
