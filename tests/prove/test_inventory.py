"""S3 Inventory in place of a listing."""

from __future__ import annotations

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from siem.config import Settings
from siem.errors import ConfigError
from siem.prove.inventory import inventory
from siem.prove.listing import Listing
from siem.prove.place import Bucket, Entry, place_of
from siem.store.contract import Known, State
from siem.store.times import micros

MADE = datetime(2026, 11, 1, 1, tzinfo=UTC)
OLD = datetime(2026, 10, 1, 2, 3, 4, tzinfo=UTC)
KEYS = ["b/ä+c d", "a", "c/2", "b/1", 'a,"b"\n']
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate"


def row(key: str, latest: bool = True, deleted: bool = False, size: int | None = 7) -> list[Any]:
    return ["logs", key, "v", latest, deleted, size, OLD]


ROWS = [*[row(key) for key in KEYS], row("a", latest=False, size=1), row("gone", deleted=True, size=None)]


def manifest(folder: Path, form: str, parts: list[bytes], **changed: Any) -> str:
    """An inventory in a folder that mirrors its bucket."""
    home = folder / "inventories" / "logs" / "daily"
    (home / "data").mkdir(parents=True)
    files = []
    for number, part in enumerate(parts):
        (home / "data" / f"{number}").write_bytes(part)
        files.append({"key": f"inventories/logs/daily/data/{number}", "size": len(part)})
    made = {"sourceBucket": "logs", "fileFormat": form, "fileSchema": SCHEMA, "files": files}
    path = home / "2026-11-01T01-00Z" / "manifest.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**made, "creationTimestamp": str(int(MADE.timestamp() * 1000)), **changed}))
    return str(path)


def as_csv(rows: list[list[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for bucket, key, version, latest, deleted, size, time in rows:
        flags = (str(latest).lower(), str(deleted).lower())
        writer.writerow([bucket, quote_plus(key), version, *flags, "" if size is None else size, f"{time:%FT%T.000Z}"])
    return gzip.compress(out.getvalue().encode())


def as_parquet(rows: list[list[Any]]) -> bytes:
    names = ["bucket", "key", "version_id", "is_latest", "is_delete_marker", "size", "last_modified_date"]
    out = io.BytesIO()
    pq.write_table(pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))), out)
    return out.getvalue()


def listed(place: str, prefix: str = "") -> list[Entry]:
    bucket = place_of(f"s3://logs/{prefix}", Settings())
    assert isinstance(bucket, Bucket)
    return list(inventory(place, bucket, Settings()).listed())


@pytest.mark.parametrize(("form", "write"), [("CSV", as_csv), ("Parquet", as_parquet)])
def test_what_is_in_the_bucket_is_listed_in_order(tmp_path: Path, form: str, write: Any) -> None:
    place = manifest(tmp_path, form, [write(ROWS[3:]), write(ROWS[:3])])
    assert listed(place) == [Entry(key, 7, OLD) for key in sorted(KEYS, key=str.encode)]
    assert [entry.key for entry in listed(place, "b/")] == ["b/1", "b/ä+c d"]


def test_an_object_that_came_after_the_inventory_is_not_missed(tmp_path: Path) -> None:
    bucket = place_of("s3://logs", Settings())
    assert isinstance(bucket, Bucket)
    place = inventory(manifest(tmp_path, "CSV", [as_csv([row("a")])]), bucket, Settings())
    known = [
        Known(key, State.COMMITTED, "0", 7, micros(MADE - timedelta(days=age)))
        for key, age in [("a", 9), ("deleted", 9), ("new", 0)]
    ]
    proof = Listing(place, MADE + timedelta(days=2)).prove(place.listed(), iter(known))
    assert [(one.kind, one.key) for one in proof.findings] == [("not-in-bucket", "deleted")]
    assert proof.counts["newer_than_inventory"] == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sourceBucket": "other"}, "of the bucket other"),
        ({"fileFormat": "ORC"}, "ORC is not read"),
        ({"fileSchema": "Bucket, Key"}, "has no Size, LastModifiedDate"),
        ({"creationTimestamp": "yesterday"}, "not the manifest"),
        ({"files": [{"key": "../../etc/passwd"}]}, "cannot be read"),
        ({"files": [{"key": "nothing"}]}, "cannot be read"),
        ({"fileSchema": "Key, Size, LastModifiedDate"}, "cannot be read"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_told(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        listed(manifest(tmp_path, "CSV", [as_csv([row("a")])], **changed))


def test_a_file_that_is_no_inventory_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[]")
    for name in ("manifest.json", "nothing.json"):
        with pytest.raises(ConfigError, match="not the manifest"):
            listed(str(tmp_path / name))
