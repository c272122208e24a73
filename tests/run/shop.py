"""A team's shop: its log, its parser as it was and as it is mended, and a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from siem.config import Limits, Settings
from siem.run.content import load_registry
from siem.run.ingest import ingest
from siem.run.replay import Replayed, replay
from siem.schema import Query
from siem.store import open_folder
from siem.store.contract import LedgerRow, Store

NOW = datetime(2026, 11, 2, tzinfo=UTC)
DATASET = "acme.shop"

PARSER = """\
import re
from typing import TypedDict

from siem.parsing import JsonRecords, moment
from siem.schema import LogSource


class Record(TypedDict, total=False):
    at: str | None
    time: str | None
    id: str | None
    what: str | None


def when(*times):
    time = next(filter(None, times), None)
    return moment(time) if time else None


PARSER = JsonRecords(
    dataset="acme.shop",
    key=re.compile(r"shop/[^/]+[.]json$"),
    logsources=(LogSource(product="acme", service="shop"),),
    record=Record,
    columns={"@timestamp": ({time}, when), "event.id": "id", "event.action": "what"},
    first_key="what",
    version="{version}",
)
"""
"""Version 1 knows the time as `at`, version 2 as `time` too."""

OLD = {"what": "buy", "at": "2026-11-01T10:00:00Z", "id": "old"}
NEW = {"what": "sell", "time": "2026-11-01T09:00:00Z", "id": "new"}
TIMELESS = {"what": "look", "id": "timeless"}


class Shop:
    """A team's bucket, its parser as it was and as it is mended, and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = open_folder(folder / "store")
        self.content("1", '("at",)')
        self.content("2", '("at", "time")')

    def content(self, version: str, time: str) -> None:
        path = self.folder / f"content{version}" / "parsers" / "shop.py"
        path.parent.mkdir(parents=True)
        path.write_text(PARSER.replace("{time}", time).replace("{version}", version))

    def put(self, name: str, *records: dict[str, Any]) -> None:
        path = self.folder / "bucket" / "shop" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"Records": records}))

    def ingest(self, version: str) -> None:
        registry, problems = load_registry(self.folder / f"content{version}")
        assert problems == []
        ingest([str(self.folder / "bucket")], self.store, registry, Settings(), lambda: NOW)

    def replay(self, version: str) -> Replayed:
        registry, _ = load_registry(self.folder / f"content{version}")
        return replay(self.store, registry, Limits(), lambda: NOW)

    @property
    def events(self) -> list[str]:
        return [hit.event_id for hit in self.store.search([Query(DATASET, "TRUE")])]

    @property
    def rejects(self) -> list[tuple[int, str]]:
        return [(stored.reject.ordinal, stored.parser_version) for stored in self.store.rejects()]

    def row(self, name: str) -> LedgerRow:
        (row,) = [row for row in self.store.ledger().values() if row.key == f"shop/{name}.json"]
        return row

    def counts(self, name: str) -> tuple[int, int, int, int, int]:
        """Records, events, rejects, skipped, duplicates of an object."""
        row = self.row(name)
        return row.records, row.events, row.rejects, row.skipped, row.duplicates
