"""An object of a bucket, and what of it reaches every event that it holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property


@dataclass(frozen=True)
class SourceObject:
    """Where bytes came from: a version of a key in a bucket (a folder mirrors a bucket of its name)."""

    bucket: str
    key: str
    version: str | None = None

    @cached_property
    def id(self) -> str:
        """`siem.object`: stable over retries and over when it was read; 24 hex digits."""
        text = "\0".join((self.bucket, self.key, self.version or ""))
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}" if self.bucket else self.key


@dataclass(frozen=True)
class Origin:
    """What a parser may know of the object: enough for identity and time, nothing of where bytes come from."""

    key: str
    object: str  # SourceObject.id
    sha256: str  # hex, of the object's bytes as delivered
    ingested: datetime  # when the write began, aware, UTC

    def event_id(self, ordinal: int) -> str:
        """Identity of a record that has no id of its own; `ordinal` counts the object's records from 0."""
        return f"{self.sha256[:24]}-{ordinal}"

    def event_ids(self, first: int, count: int) -> list[str]:
        """`event_id` of so many records."""
        digest = self.sha256[:24]
        return [f"{digest}-{ordinal}" for ordinal in range(first, first + count)]
