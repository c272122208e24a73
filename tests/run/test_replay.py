"""`siem rejects replay`: what a newer parser can read becomes an event, and the counts move with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from siem.config import Limits, Settings
from siem.run.content import load_registry
from siem.run.ingest import ingest
from siem.run.replay import Replayed, replay
from siem.schema import Query
from siem.store import open_folder
from siem.store.contract import Judged, LedgerRow, Store
from siem.testing.deliveries import as_it_stands, waiting

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


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop")
    yield shop
    shop.store.close()


def test_a_reject_that_the_mended_parser_reads_moves_from_rejects_to_events(shop: Shop) -> None:
    shop.put("a", OLD, NEW, TIMELESS)
    shop.ingest("1")
    assert shop.counts("a") == (3, 1, 2, 0, 0)
    done = shop.replay("2")
    assert (done.tried, done.events, done.left) == (2, 1, 1)
    assert shop.counts("a") == (3, 2, 1, 0, 0)
    assert shop.events == ["new", "old"]
    assert shop.rejects == [(2, "1")]
    assert shop.row("a").first == datetime(2026, 11, 1, 9, tzinfo=UTC)


def test_a_replay_with_the_same_parser_changes_nothing(shop: Shop) -> None:
    shop.put("a", OLD, NEW)
    shop.ingest("1")
    before = shop.store.ledger(), shop.rejects
    assert shop.replay("1").events == 0
    assert (shop.store.ledger(), shop.rejects) == before


def test_a_second_replay_finds_nothing_more(shop: Shop) -> None:
    shop.put("a", OLD, NEW, TIMELESS)
    shop.ingest("1")
    shop.replay("2")
    before = shop.store.ledger(), shop.rejects, shop.events
    assert shop.replay("2").events == 0
    assert (shop.store.ledger(), shop.rejects, shop.events) == before


def test_a_replay_ends_where_the_mended_parser_would_have_begun(shop: Shop, tmp_path: Path) -> None:
    late = Shop(tmp_path / "late")
    for each in (shop, late):
        each.put("a", OLD, {**NEW, "id": None}, TIMELESS)
    shop.ingest("1")
    shop.replay("2")
    late.ingest("2")
    assert shop.events == late.events  # also the id that the record's place gives
    assert shop.counts("a") == late.counts("a")
    late.store.close()


def test_an_event_that_another_object_brought_meanwhile_is_a_duplicate(shop: Shop) -> None:
    shop.put("a", NEW)
    shop.ingest("1")
    shop.put("b", NEW)
    shop.ingest("2")
    shop.replay("2")
    assert shop.events == ["new"]
    assert shop.counts("a") == (1, 1, 0, 0, 1)
    assert shop.rejects == []


def test_an_object_with_a_new_event_is_judged_again(shop: Shop) -> None:
    shop.put("a", OLD, NEW)
    shop.put("b", OLD, TIMELESS)
    shop.ingest("1")
    shop.store.mark(Judged(marks={("r", DATASET): shop.store.progress().turn}), as_it_stands)
    shop.replay("2")
    assert waiting(shop.store, DATASET) == [shop.row("a").object]


def test_rejects_of_a_parser_that_is_not_there_any_more_stay(shop: Shop) -> None:
    shop.put("a", NEW)
    shop.ingest("1")
    registry, _ = load_registry()
    assert replay(shop.store, registry, Limits(), lambda: NOW).left == 1
    assert len(shop.rejects) == 1


def test_a_reject_whose_bytes_are_cut_off_stays(shop: Shop) -> None:
    shop.put("a", {**NEW, "more": "x" * 2_000_000})
    shop.ingest("1")
    (stored,) = shop.store.rejects()
    assert stored.reject.size > len(stored.reject.raw)
    assert shop.replay("2").events == 0
    assert shop.counts("a") == (1, 0, 1, 0, 0)


def test_what_is_left_is_what_the_ledger_keeps(shop: Shop) -> None:
    shop.put("a", NEW)
    shop.ingest("1")
    shop.put("b", NEW)
    shop.ingest("2")
    assert shop.replay("2").left == len(shop.rejects) == 0


def test_the_command_tells_how_many_moved(shop: Shop, siem: Callable[..., str]) -> None:
    shop.put("a", OLD, NEW, TIMELESS)
    shop.ingest("1")
    told = siem("rejects", "replay", "--store", shop.folder / "store", "--content", shop.folder / "content2")
    assert "2 rejects parsed again: 1 are events now, 1 are left" in told
    assert shop.counts("a") == (3, 2, 1, 0, 0)
