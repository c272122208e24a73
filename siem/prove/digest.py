"""One digest file of CloudTrail: what its name says, what is in it, and whether CloudTrail signed it.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-custom-validation.html
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import msgspec

ACCOUNT = r"(?P<root>(?:.*/)?AWSLogs/(?:o-[a-z0-9]{1,64}/)?(?P<account>[0-9]{12})/)"
DAY = r"[0-9]{4}/[0-9]{2}/[0-9]{2}"
REGION = r"(?P<region>[a-z]{2}(?:-[a-z]{1,16}){1,3}-[0-9]{1,2})"

DIGEST_KEY = re.compile(
    rf"{ACCOUNT}CloudTrail-Digest/{REGION}/{DAY}/(?P=account)_CloudTrail-Digest_(?P=region)_(?P<trail>[^/]+)"
    r"_(?P<time>[0-9]{8}T[0-9]{6}Z)(?P<backfill>_backfill)?\.json\.gz",
    re.DOTALL,
)
LOG_KEY = re.compile(
    rf"{ACCOUNT}CloudTrail/{REGION}/{DAY}/(?P=account)_CloudTrail_(?P=region)_(?P<time>[0-9]{{8}}T[0-9]{{4}}Z)_[^/_]+\.json\.gz",
    re.DOTALL,
)
"""What CloudTrail calls its log files. It compresses all of them: other names are other people's."""

ALGORITHM, HASH = "SHA256withRSA", "SHA-256"


@dataclass(frozen=True)
class Named:
    """What the name of a digest or log file says. root: what the key begins with, up to the account.

    trail: of a digest: the trail and its home region. Digests with one `chain` follow each other.
    """

    root: str
    region: str
    time: datetime
    trail: str = ""
    backfill: bool = False

    @property
    def chain(self) -> tuple[str, str, str, bool]:
        return self.root, self.region, self.trail, self.backfill

    @property
    def place(self) -> tuple[str, str]:
        """Where the logs lie that the digest vouches for."""
        return self.root, self.region


def digest_named(key: str) -> Named | None:
    """None: the key is no digest's."""
    found = DIGEST_KEY.fullmatch(key)
    time = found and _time(found["time"], "%Y%m%dT%H%M%SZ")
    return (
        Named(found["root"], found["region"], time, found["trail"], bool(found["backfill"])) if found and time else None
    )


def log_named(key: str) -> Named | None:
    """None: the key is no log file's."""
    found = LOG_KEY.fullmatch(key)
    time = found and _time(found["time"], "%Y%m%dT%H%MZ")
    return Named(found["root"], found["region"], time) if found and time else None


def name_of(key: str) -> str:
    """The last part of a key, which says all that there is to say to people."""
    return key.rpartition("/")[2]


def _time(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None


class LogFile(
    msgspec.Struct,
    frozen=True,
    rename={"bucket": "s3Bucket", "key": "s3Object", "hash": "hashValue", "by": "hashAlgorithm"},
):
    """A log file as it was delivered. hash: hex, of its content."""

    bucket: str
    key: str
    hash: str
    by: str


class Content(
    msgspec.Struct,
    frozen=True,
    rename={
        "start": "digestStartTime",
        "end": "digestEndTime",
        "bucket": "digestS3Bucket",
        "key": "digestS3Object",
        "fingerprint": "digestPublicKeyFingerprint",
        "previous_bucket": "previousDigestS3Bucket",
        "previous_key": "previousDigestS3Object",
        "previous_hash": "previousDigestHashValue",
        "previous_signature": "previousDigestSignature",
        "logs": "logFiles",
    },
):
    """What a digest says. end: verbatim, as it is signed; previous_…: of the digest before, null in the first."""

    start: datetime
    end: str
    bucket: str
    key: str
    fingerprint: str
    previous_bucket: str | None
    previous_key: str | None
    previous_hash: str | None
    previous_signature: str | None
    logs: list[LogFile]


@dataclass(frozen=True)
class Digest:
    """A digest as it lies in the bucket. text: decompressed; signature: hex, from the object's metadata, if that
    is to be had."""

    key: str
    named: Named
    content: Content
    text: bytes
    signature: str | None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    @property
    def end(self) -> datetime:
        return self.named.time

    @property
    def signed(self) -> bytes:
        """What CloudTrail signs: end, place, hash, and the signature of the digest before it."""
        said = self.content
        lines = said.end, f"{said.bucket}/{said.key}", self.sha256, said.previous_signature or "null"
        return "\n".join(lines).encode("utf-8", "surrogatepass")


def read(text: bytes) -> Content:
    """What a digest says.

    Raises:
        ValueError: it is no digest; the message says why.
    """
    try:
        found = msgspec.json.decode(text, type=Content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    if found.start.tzinfo is None:
        raise ValueError("digestStartTime names no zone")
    if bad := next((log.key for log in found.logs if log.by != HASH), None):
        raise ValueError(f"{bad} is hashed by something else than {HASH}")
    return found
