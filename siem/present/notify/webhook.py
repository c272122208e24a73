"""Messages as JSON for programs, signed.

`POST`, `application/json`: the message (docs/notifications.md), with `key` (the same for the same message) and
`revision` (higher for what takes its place). Headers: `Idempotency-Key` of both, `Siem-Timestamp` (seconds since 1970)
and, where there is a secret, `Siem-Signature: v1=` and the hex HMAC-SHA256 of timestamp, `.` and body.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from siem.store.outbox import Notice

HIDDEN = ("ids",)
"""What summaries remember, and nobody else needs."""


def content(notice: Notice) -> bytes:
    """The body that is posted."""
    said: dict[str, Any] = {name: value for name, value in notice.body.items() if name not in HIDDEN}
    return orjson.dumps({"key": notice.key, "revision": notice.revision, "channel": notice.channel, **said})


def headers(notice: Notice, body: bytes, secret: str | None, now: datetime) -> Mapping[str, str]:
    """secret: None where nothing is signed."""
    timestamp = str(int(now.timestamp()))
    found = {
        "Content-Type": "application/json",
        "User-Agent": "hinomi",
        "Idempotency-Key": f"{notice.key}@{notice.revision}",
        "Siem-Timestamp": timestamp,
    }
    return found | ({"Siem-Signature": f"v1={signature(timestamp, body, secret)}"} if secret else {})


def signature(timestamp: str, body: bytes, secret: str) -> str:
    """What a receiver computes too, and compares in constant time."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
