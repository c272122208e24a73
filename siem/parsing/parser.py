"""What a parser is: which objects are its own, and how their bytes become `Parsed` blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from siem.config import Limits
from siem.parsing.batch import Parsed
from siem.schema import DatasetFields, LogSource, Origin


class Content(Protocol):
    """The bytes of one object, decompressed; may be read more than once."""

    @property
    def size(self) -> int:
        """Bytes of the object as it was delivered, before decompression."""
        ...

    def head(self) -> bytes:
        """The first bytes, at most 64 KiB. Damage further on does not show here."""
        ...

    def blocks(self, least: int | None = None) -> Iterator[bytes]:
        """All bytes, in blocks of about `Limits.block_bytes` or of at least so many bytes, cut anywhere.

        Raises:
            Damaged: after the last good block, where the stream breaks or a limit is passed.
        """
        ...

    def file(self) -> BinaryIO:
        """The bytes as a seekable file (for Parquet)."""
        ...


@dataclass(frozen=True)
class Example:
    """Small logs as the source writes them, for a first rule and its cases.

    log: a record, or the text of a file. quiet: another, which `selection` does not match.
    selection: native fields, and values of them that `log` has.
    """

    log: Mapping[str, Any] | str
    quiet: Mapping[str, Any] | str
    selection: Mapping[str, str | int] = field(default_factory=dict)


class Parser(Protocol):
    """A log type. Pure: knows neither buckets nor stores, and the same bytes always give the same blocks."""

    dataset: str
    version: str  # of rows and rejects; raise it when the same bytes would come to other events or rejects
    key: re.Pattern[str]
    logsources: tuple[LogSource, ...]
    unique_ids: bool  # the records carry ids of their own, so the same record may come in two objects
    example: Example | None  # for `siem rules new`

    @property
    def fields(self) -> DatasetFields: ...

    def claims(self, key: str) -> bool:
        """By its key the object is of this type."""
        ...

    def recognises(self, head: bytes) -> bool:
        """By its first bytes the object can be of this type. Empty content can."""
        ...

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        """The object's blocks, in order; ordinals run through the object. Never raises for what an object holds."""
        ...

    def replay(self, raw: bytes, ordinal: int, origin: Origin, limits: Limits) -> Parsed | None:
        """A reject's bytes parsed again, as the record that it was; None where bytes alone do not suffice."""
        ...
