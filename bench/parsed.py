"""What the product makes of a compressed object: documents, or a Parquet file as the embedded store writes it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Batch, Parser
from siem.run.content import load_registry
from siem.schema import Origin
from siem.store.embedded.parquet import write_parquet
from siem.store.embedded.tables import together


@cache
def parser_of(dataset: str) -> Parser:
    """Loaded once, as in a process that reads many objects."""
    return load_registry(None)[0].parsers[dataset]


def batches(dataset: str, key: str, delivered: bytes) -> Iterator[Batch]:
    limits = Limits()
    content = Delivered(delivered, limits)
    origin = Origin(key, "0" * 24, content.sha256, datetime(2026, 11, 1, tzinfo=UTC))
    for parsed in parser_of(dataset).parse(content, origin, limits):
        assert not parsed.rejects
        if parsed.batch is not None:
            yield parsed.batch


def ndjson(dataset: str, key: str, delivered: bytes) -> int:
    """Documents, as `siem parse` prints them."""
    return sum(len(batch) for batch in batches(dataset, key, delivered) if batch.ndjson())


def as_parquet(dataset: str, key: str, delivered: bytes) -> int:
    """One file, as the store gathers and writes events."""
    events = together([batch.arrow() for batch in batches(dataset, key, delivered)])
    with tempfile.TemporaryDirectory() as folder:
        write_parquet(events, Path(folder) / "events.parquet")
    return len(events)
