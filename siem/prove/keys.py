"""The public keys that CloudTrail's digests are signed for, and whether a signature is right."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from siem.errors import ConfigError, SiemError

MARGIN = timedelta(days=1)
"""A digest is signed after the hour that it is about, and keys change in between."""

MONTH = timedelta(days=31)


@dataclass(frozen=True)
class PublicKey:
    """One key. since, until: when CloudTrail signed with it."""

    fingerprint: str
    key: RSAPublicKey
    since: datetime
    until: datetime

    def covers(self, time: datetime) -> bool:
        return self.since - MARGIN <= time <= self.until + MARGIN

    def verifies(self, signature: str, signed: bytes) -> bool:
        """signature: hex; RSASSA-PKCS1-v1_5 with SHA-256."""
        try:
            self.key.verify(bytes.fromhex(signature), signed, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True


def keys_in(file: Path) -> dict[str, PublicKey]:
    """The keys of a file that has the answer of ListPublicKeys, by fingerprint.

    Raises:
        ConfigError: it cannot be read, or is something else.
    """
    try:
        found = orjson.loads(file.read_bytes())
        return keys_of(found["PublicKeyList"])
    except OSError as error:
        raise ConfigError(f"--public-keys {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"--public-keys {file}: not the answer of `aws cloudtrail list-public-keys` ({why})"
        ) from error


def keys_of(listed: Iterable[Mapping[str, Any]]) -> dict[str, PublicKey]:
    """Keys as ListPublicKeys has them, by fingerprint.

    Raises:
        ValueError, KeyError, TypeError: one of them is none.
    """
    keys = [
        PublicKey(
            str(one["Fingerprint"]), _key(one["Value"]), _time(one["ValidityStartTime"]), _time(one["ValidityEndTime"])
        )
        for one in listed
    ]
    return {key.fingerprint: key for key in keys}


def _key(value: str | bytes) -> RSAPublicKey:
    """From PKCS #1 DER: in base64 in the command line's answer, as it is in boto3's."""
    try:
        der = value if isinstance(value, bytes) else base64.b64decode(value, validate=True)
        key = load_der_public_key(der)
    except (binascii.Error, UnsupportedAlgorithm) as error:
        raise ValueError(f"a key cannot be read: {error}") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a key is not of RSA")
    return key


def _time(value: object) -> datetime:
    """Text, seconds since 1970 (older command lines), or what boto3 gives."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    time = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


class Keys(Protocol):
    """Whoever has the keys."""

    @property
    def trouble(self) -> str | None:
        """Why there are none at all; None: there are."""
        ...

    def key(self, fingerprint: str, region: str, time: datetime) -> PublicKey | None:
        """The key of this fingerprint that CloudTrail signed with in a region at about this time."""
        ...


@dataclass(frozen=True)
class Given:
    """Keys of a file."""

    keys: Mapping[str, PublicKey]
    trouble: str | None = None

    def key(self, fingerprint: str, region: str, time: datetime) -> PublicKey | None:
        return self.keys.get(fingerprint)


@dataclass
class Asked:
    """Keys that CloudTrail is asked for, a month of a region at a time.

    ask: (region, since, until) -> what ListPublicKeys has.
    """

    ask: Callable[[str, datetime, datetime], list[dict[str, Any]]]
    trouble: str | None = None
    _keys: dict[tuple[str, str], PublicKey] = field(default_factory=dict)
    _months: set[tuple[str, str]] = field(default_factory=set)

    def key(self, fingerprint: str, region: str, time: datetime) -> PublicKey | None:
        month = region, f"{time:%Y-%m}"
        if (region, fingerprint) not in self._keys and month not in self._months and self.trouble is None:
            self._months.add(month)
            self._fetch(region, time)
        return self._keys.get((region, fingerprint))

    def _fetch(self, region: str, time: datetime) -> None:
        try:
            found = keys_of(self.ask(region, time - MONTH, time + MONTH))
        except (SiemError, ValueError, KeyError, TypeError) as error:
            self.trouble = str(error)
            return
        self._keys |= {(region, name): key for name, key in found.items()}
