"""What comes out of a parser: batches of events, and everything that did not become one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import Any, Protocol

import pyarrow as pa

from siem.schema import decoded

EVERY = frozenset(("@timestamp", "event.id", "event.dataset", "event.ingested", "siem.object"))
"""Fields that every event has."""

KEPT_BYTES = 1_000_000
"""Bytes of a reject that are kept; of a longer one its prefix and its hash."""


class Documents(Protocol):
    """The events of a batch as rules read them. What is not asked for is not decoded."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        """The document, as `schema.decoded` reads its line of `ndjson()`."""
        ...

    def column(self, name: str) -> Sequence[Any]:
        """The values of a top-level key, None where a document has none; those of schema fields are cheap."""
        ...

    def rows(self, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """For each document the values of several such keys."""
        return zip(*map(self.column, names), strict=True) if names else repeat((), len(self))

    def raw(self, row: int) -> bytes:
        """JSON text that holds everything that the source sent of this event."""
        ...


class Decoded(Documents):
    """Documents that are decoded from their lines."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines
        self._documents: list[dict[str, Any]] = [decoded(line) for line in lines]

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, row: int) -> Mapping[str, Any]:
        return self._documents[row]

    def column(self, name: str) -> Sequence[Any]:
        return [document.get(name) for document in self._documents]

    def raw(self, row: int) -> bytes:
        return self._lines[row]


class Batch(Protocol):
    """Events of one dataset. Rows or columns inside; callers do not care which.

    `ndjson()` and `arrow()` hold the same: for every event the fields in the schema's order, nulls left out, then what
    the source sent under its native name.
    """

    @property
    def dataset(self) -> str: ...

    def __len__(self) -> int: ...

    def ndjson(self) -> bytes:
        """One JSON document a line, each ended by a newline."""
        ...

    def lines(self) -> Iterable[bytes]:
        """The documents of `ndjson()` one by one, without newlines."""
        ...

    def ends(self) -> tuple[str, str]:
        """The earliest and the latest `@timestamp`."""
        ...

    def documents(self) -> Documents:
        """What `ndjson()` holds, in its order."""
        ...

    def arrow(self) -> pa.Table:
        """One row per event, in the order of `ndjson()`.

        Columns: schema fields with `schema.arrow_type` (text may be dictionary-encoded), only those that hold a value;
        then native columns as text
        (`aws.vpcflow.log-status`), or for JSON records one JSON text per open payload
        (`aws.cloudtrail.requestParameters`, null where the record has none or null) and the rest of the record
        (`aws.cloudtrail`, each payload in it replaced by null).
        """
        ...


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that could not become an event, kept whole (up to `KEPT_BYTES`) with the reason."""

    ordinal: int
    reason: str
    raw: bytes
    size: int
    sha256: str

    @classmethod
    def of(cls, ordinal: int, reason: str, raw: bytes) -> Reject:
        """Keep `raw`, or its prefix where it is too long."""
        return cls(ordinal, reason, raw[:KEPT_BYTES], len(raw), hashlib.sha256(raw).hexdigest())


@dataclass(frozen=True, slots=True)
class Parsed:
    """One block of an object. `records` = events + rejects + skipped, always.

    damaged: set on the last block of an object that breaks: why. What came before it stands.
    """

    dataset: str
    batch: Batch | None
    rejects: Sequence[Reject] = ()
    skipped: int = 0
    damaged: str | None = None

    @property
    def events(self) -> int:
        return len(self.batch) if self.batch is not None else 0

    @property
    def records(self) -> int:
        return self.events + len(self.rejects) + self.skipped


@dataclass(slots=True)
class Tally:
    """What an object came to, summed over its blocks."""

    events: int = 0
    skipped: int = 0
    rejects: int = 0
    damaged: str | None = None
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return self.events + self.rejects + self.skipped

    def add(self, parsed: Parsed) -> None:
        self.events += parsed.events
        self.skipped += parsed.skipped
        self.rejects += len(parsed.rejects)
        self.damaged = self.damaged or parsed.damaged
        for reject in parsed.rejects:
            self.reasons[reject.reason] = self.reasons.get(reject.reason, 0) + 1


def ends_of(times: Iterable[str]) -> tuple[str, str]:
    """The earliest and the latest of times as `text_of` writes them; their texts compare without `Z`."""
    bare = {time[:-1] for time in set(times)}
    return f"{min(bare)}Z", f"{max(bare)}Z"


def text_of(time: datetime) -> str:
    """RFC 3339 with `Z`; a fraction only where it is not zero, without trailing zeros."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S") if time.year >= 1000 else time.replace(tzinfo=None).isoformat()[:19]
    return f"{text}.{time.microsecond:06d}".rstrip("0") + "Z" if time.microsecond else f"{text}Z"
