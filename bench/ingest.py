"""`siem ingest` on the embedded store, against the sum of its parts: parsing to columns, and writing them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa

from bench.claim import Claim
from bench.corpus_cloudtrail import cloudtrail
from siem.config import Limits, load_settings
from siem.intake.objects import objects
from siem.parsing import Registry
from siem.run.content import load_registry
from siem.run.ingest import ingest
from siem.run.reading import read
from siem.store import open_folder
from siem.store.embedded.parquet import write_parquet
from siem.store.embedded.tables import together

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SMALL_OBJECTS, SMALL_RECORDS = 5_000, 40
LARGE_OBJECTS, LARGE_RECORDS = 10, 20_000
TOGETHER = 50_000


@contextmanager
def bucket(count: int, size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "bucket"
        folder.mkdir()
        for number in range(count):
            key = f"111122223333_CloudTrail_ap-northeast-1_20261101T0000Z_{number:016d}.json.gz"
            (folder / key).write_bytes(cloudtrail(size, seed=number))
        yield folder


def claims(folders: tuple[Path, Path]) -> list[Claim]:
    registry = load_registry(None)[0]
    small, large = folders
    return [
        Claim(f"ingest of {name}", "events", partial(product, folder, registry), partial(parts, folder, registry), 0.7)
        for name, folder in (
            (f"{SMALL_OBJECTS:,} CloudTrail objects of {SMALL_RECORDS} records", small),
            (f"{LARGE_OBJECTS} CloudTrail objects of {LARGE_RECORDS:,} records", large),
        )
    ]


def product(folder: Path, registry: Registry) -> int:
    with tempfile.TemporaryDirectory() as name:
        store = open_folder(Path(name) / "store")
        try:
            done = ingest([str(folder)], store, registry, load_settings(), lambda: NOW)
        finally:
            store.close()
    return done.events["aws.cloudtrail"]


def parts(folder: Path, registry: Registry) -> int:
    """Each object parsed to columns, columns of 50,000 events written: no ledger, no duplicates, no order."""
    tables: list[pa.Table] = []
    events = held = 0
    for source, opener in objects(str(folder), Limits()):
        with opener() as content:
            for parsed in read(source, content, registry, Limits(), NOW):
                if parsed.batch is not None:
                    tables.append(parsed.batch.arrow())
                    held += parsed.events
        if held >= TOGETHER:
            events, held, tables = events + written(tables), 0, []
    return events + (written(tables) if tables else 0)


def written(tables: list[pa.Table]) -> int:
    table = together(tables)
    with tempfile.TemporaryDirectory() as folder:
        write_parquet(table, Path(folder) / "events.parquet")
    return len(table)
