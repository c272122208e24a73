"""`siem rejects replay`: what a newer parser can read becomes an event, and the counts move with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from shop import DATASET, NEW, NOW, OLD, TIMELESS, Shop

from siem.config import Limits
from siem.run.content import load_registry
from siem.run.replay import replay
from siem.store.contract import Judged
from siem.testing.deliveries import as_it_stands, waiting


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
