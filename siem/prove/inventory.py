"""S3 Inventory in place of a listing: a manifest and its files, CSV or Parquet, in any order.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote_plus

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from siem.config import Settings
from siem.errors import ConfigError, Damaged, Gone
from siem.intake.content import Delivered
from siem.intake.objects import S3_SCHEME, File
from siem.prove.place import Bucket, Entry
from siem.prove.scratch import Scratch, octets, text

TABLE = "CREATE TABLE entries (key BLOB PRIMARY KEY, size INTEGER NOT NULL, modified REAL NOT NULL) WITHOUT ROWID"

NEEDED = ("Key", "Size", "LastModifiedDate")
PARQUET = {"Key": "key", "Size": "size", "LastModifiedDate": "last_modified_date"}
ONLY = {"IsLatest": "is_latest", "IsDeleteMarker": "is_delete_marker"}
"""Columns of an inventory of versions: what is not the latest, or says that a key was deleted, is not in the bucket."""

ROWS = 10_000
"""That are read of a Parquet file at a time."""

Opener = Callable[[str], AbstractContextManager[Delivered]]


class Part(msgspec.Struct, frozen=True):
    key: str


class Manifest(
    msgspec.Struct,
    frozen=True,
    rename={"bucket": "sourceBucket", "made": "creationTimestamp", "form": "fileFormat", "columns": "fileSchema"},
):
    """made: milliseconds since 1970. columns: of CSV, in their order."""

    bucket: str
    made: str
    form: str
    columns: str
    files: list[Part]


@dataclass(frozen=True)
class Inventory(Bucket):
    """A bucket as an inventory lists it. place: of the manifest; opened_part: has a file of the inventory."""

    place: str = ""
    manifest: Manifest | None = None
    opened_part: Opener | None = None

    def listed(self) -> Iterator[Entry]:
        """In order, by way of a scratch database.

        Raises:
            ConfigError: a file is not what the manifest says.
            Unavailable: it cannot be read now.
        """
        assert self.manifest is not None  # noqa: S101  (`inventory` gives it)
        assert self.opened_part is not None  # noqa: S101
        with closing(Scratch(TABLE)) as scratch:
            for part in self.manifest.files:
                try:
                    with self.opened_part(part.key) as content, closing(content.file()) as file:
                        for row in rows(file, self.manifest):
                            scratch.put("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", row)
                except (Gone, Damaged, ValueError, KeyError, pa.ArrowException) as error:
                    raise ConfigError(f"{self.place}: {part.key} cannot be read: {error}") from error
            start = octets(self.prefix)
            for key, size, modified in scratch.ask("SELECT * FROM entries WHERE key >= ? ORDER BY key", start):
                if not key.startswith(start):
                    return
                yield Entry(text(key), size, datetime.fromtimestamp(modified, UTC))


def inventory(place: str, of: Bucket, settings: Settings) -> Inventory:
    """The inventory of a bucket whose manifest is there: `s3://…/manifest.json`, or a file of a folder that mirrors the
    inventory's bucket.

    Raises:
        ConfigError: it is none, or of another bucket, or in a form that is not read.
    """
    try:
        content, opened = found(place, settings)
        manifest = msgspec.json.decode(content, type=Manifest)
        as_of = datetime.fromtimestamp(int(manifest.made) / 1000, UTC)
    except (OSError, Gone, Damaged, msgspec.MsgspecError, ValueError) as error:
        raise ConfigError(f"--inventory {place}: not the manifest of an inventory: {error}") from error
    if manifest.bucket != of.bucket:
        raise ConfigError(f"--inventory {place}: it is of the bucket {manifest.bucket}, not of {of.bucket}")
    if manifest.form not in ("CSV", "Parquet"):
        raise ConfigError(f"--inventory {place}: {manifest.form} is not read; let S3 write CSV or Parquet")
    missing = [name for name in NEEDED if name not in columns_of(manifest)] if manifest.form == "CSV" else []
    if missing:
        raise ConfigError(f"--inventory {place}: it has no {', '.join(missing)}; let S3 write sizes and times too")
    return Inventory(
        of.bucket, of.prefix, of.limits, of.access, as_of=as_of, place=place, manifest=manifest, opened_part=opened
    )


def found(place: str, settings: Settings) -> tuple[bytes, Opener]:
    """The manifest, and whoever opens its files."""
    if not place.startswith(S3_SCHEME):
        path = Path(place).resolve()
        return path.read_bytes(), lambda key: File(beside(path, key), settings.limits)()
    name, _, key = place.removeprefix(S3_SCHEME).partition("/")
    bucket = Bucket(name, "", settings.limits, settings.access_to(name))
    with bucket.opened(key) as content, closing(content.file()) as file:
        return file.read(), bucket.opened


def beside(manifest: Path, key: str) -> Path:
    """A file of the inventory: below the folder that mirrors its bucket.

    Raises:
        Gone: there is none.
    """
    for root in manifest.parents:
        path = (root / key).resolve()
        if path.is_relative_to(root) and path.is_file():
            return path
    raise Gone(f"{key}: not in a folder above {manifest.name}")


def columns_of(manifest: Manifest) -> list[str]:
    return [name.strip() for name in manifest.columns.split(",")]


def rows(file: BinaryIO, manifest: Manifest) -> Iterator[tuple[bytes, int, float]]:
    """Key, size and time of the objects that are there."""
    records = of_csv(file, columns_of(manifest)) if manifest.form == "CSV" else of_parquet(file)
    for record in records:
        if record.get("IsLatest", True) and not record.get("IsDeleteMarker", False):
            yield octets(record["Key"]), int(record["Size"] or 0), record["LastModifiedDate"].timestamp()


def of_csv(file: BinaryIO, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Keys are encoded as in a URL, and nothing says so."""
    for line in csv.reader(io.TextIOWrapper(file, encoding="utf-8", newline="")):
        record: dict[str, Any] = dict(zip(columns, line, strict=True))
        record["Key"] = unquote_plus(record["Key"])
        record["LastModifiedDate"] = datetime.fromisoformat(record["LastModifiedDate"])
        yield record | {name: record[name] == "true" for name in ONLY if name in record}


def of_parquet(file: BinaryIO) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(file) as parquet:
        wanted = {theirs: ours for ours, theirs in (PARQUET | ONLY).items() if theirs in parquet.schema_arrow.names}
        for batch in parquet.iter_batches(ROWS, columns=list(wanted)):
            yield from renamed(batch.to_pylist(), wanted)


def renamed(records: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    for record in records:
        found = {names[name]: value for name, value in record.items()}
        time = found["LastModifiedDate"]
        yield found | {"LastModifiedDate": time if time.tzinfo else time.replace(tzinfo=UTC)}
