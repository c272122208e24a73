"""A trail that delivers log files and signs digests, into a folder that mirrors a bucket."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from siem.config import Settings
from siem.prove.keys import Given, keys_of
from siem.prove.place import place_of
from siem.prove.proof import Proof
from siem.prove.trails import Trails

ACCOUNT, REGION, BUCKET = "111122223333", "eu-west-1", "example-archive"
START = datetime(2026, 11, 1, tzinfo=UTC)
ROOT = f"AWSLogs/{ACCOUNT}/"


def private_key(number: int = 0) -> RSAPrivateKey:
    """One of several keys."""
    return made(number)


@cache
def made(number: int) -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


def fingerprint(key: RSAPrivateKey) -> str:
    return hashlib.md5(der(key), usedforsecurity=False).hexdigest()


def der(key: RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)


def listed_key(key: RSAPrivateKey) -> dict[str, Any]:
    """As ListPublicKeys has it, on the command line."""
    value = base64.b64encode(der(key)).decode()
    times = {"ValidityStartTime": "2026-10-01T00:00:00+00:00", "ValidityEndTime": "2027-10-01T00:00:00+00:00"}
    return {"Value": value, "Fingerprint": fingerprint(key), **times}


def digest_key(hour: int, trail: str = "main", suffix: str = "") -> str:
    """Of the digest that ends so many hours after the start."""
    end = START + timedelta(hours=hour)
    name = f"{ACCOUNT}_CloudTrail-Digest_{REGION}_{trail}_{REGION}_{end:%Y%m%dT%H%M%SZ}{suffix}.json.gz"
    return f"{ROOT}CloudTrail-Digest/{REGION}/{end:%Y/%m/%d}/{name}"


def log_key(minutes: int, name: str = "abc") -> str:
    """Of a log file that was delivered so many minutes after the start."""
    time = START + timedelta(minutes=minutes)
    return f"{ROOT}CloudTrail/{REGION}/{time:%Y/%m/%d}/{ACCOUNT}_CloudTrail_{REGION}_{time:%Y%m%dT%H%MZ}_{name}.json.gz"


@dataclass
class World:
    """A folder, and what lies beside it."""

    root: Path
    bucket: str = BUCKET
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    last: dict[str, Any] | None = None

    def put(self, key: str, content: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content))

    def log(self, minutes: int, name: str = "abc", content: bytes = b'{"Records":[]}') -> str:
        key = log_key(minutes, name)
        self.put(key, content)
        return key

    def digest(
        self, hour: int, *logs: str, key: RSAPrivateKey | None = None, suffix: str = "", **changed: Any
    ) -> dict[str, Any]:
        """Write the digest that ends at an hour, over these log files; the next one follows it."""
        signer = key or private_key()
        digest = self._content(hour, logs, signer, suffix) | changed
        text = json.dumps(digest).encode()
        hashed = hashlib.sha256(text).hexdigest()
        place = f"{digest['digestS3Bucket']}/{digest['digestS3Object']}"
        lines = digest["digestEndTime"], place, hashed, digest["previousDigestSignature"] or "null"
        signature = signer.sign("\n".join(lines).encode(), PKCS1v15(), SHA256()).hex()
        here = digest_key(hour, suffix=suffix)
        self.put(here, text)
        self.metadata[here] = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        if not suffix:
            self.last = {"key": here, "hash": hashed, "signature": signature, "bucket": digest["digestS3Bucket"]}
        return digest

    def _content(self, hour: int, logs: tuple[str, ...], key: RSAPrivateKey, suffix: str) -> dict[str, Any]:
        before = self.last or {}
        return {
            "awsAccountId": ACCOUNT,
            "digestStartTime": f"{START + timedelta(hours=hour - 1):%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{START + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": self.bucket,
            "digestS3Object": digest_key(hour, suffix=suffix),
            "digestPublicKeyFingerprint": fingerprint(key),
            "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": before.get("bucket"),
            "previousDigestS3Object": before.get("key"),
            "previousDigestHashValue": before.get("hash"),
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": before.get("signature"),
            "logFiles": [self._named(log) for log in logs],
        }

    def _named(self, key: str) -> dict[str, Any]:
        path = self.root / key
        content = gzip.decompress(path.read_bytes()) if path.is_file() else b""
        hashed = hashlib.sha256(content).hexdigest()
        return {"s3Bucket": self.bucket, "s3Object": key, "hashValue": hashed, "hashAlgorithm": "SHA-256"}

    def proof(self, *signers: RSAPrivateKey) -> Proof:
        """What `siem verify` says of the digests."""
        self.root.mkdir(exist_ok=True)
        (self.root.parent / f"{self.root.name}.object-metadata.json").write_text(json.dumps(self.metadata))
        place = place_of(str(self.root), Settings())
        keys = Given(keys_of([listed_key(key) for key in signers or (private_key(),)]))
        trails = Trails(place, keys)
        for entry in place.listed():
            trails.see(entry.key)
        return trails.prove()

    def found(self, *signers: RSAPrivateKey) -> list[tuple[str, str]]:
        """Kind and key of every finding."""
        return [(finding.kind, finding.key) for finding in self.proof(*signers).findings]


def hours(world: World, count: int, first: int = 1) -> list[str]:
    """So many digests in a row with a log file each; the log files."""
    logs = []
    for hour in range(first, first + count):
        logs.append(world.log(hour * 60 - 30, f"h{hour}", b'{"Records":[{"hour":%d}]}' % hour))
        world.digest(hour, logs[-1])
    return logs
