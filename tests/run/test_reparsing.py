"""`siem reparse`: after a parser was mended its objects are read again, and stored events are replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from shop import DATASET, NEW, NOW, OLD, TIMELESS, Shop

from siem.config import Settings
from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.run.content import load_registry
from siem.run.reparsing import Reparse, Reparsed, reparse
from siem.schema import Query
from siem.sigma import load_rules
from siem.store import open_folder

LATER = NOW + timedelta(days=1)
RULE = """\
title: Somebody bought
id: 5d4b9b0e-6a55-4f5e-8a0e-0d9d7e8a2c11
level: low
logsource: {product: acme, service: shop}
detection: {selection: {event.action: [buy, sell]}, condition: selection}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop")
    yield shop
    shop.store.close()


def again(shop: Shop, version: str = "2", place: str = "bucket", dry_run: bool = False, **limits: Any) -> Reparsed:
    registry, problems = load_registry(shop.folder / f"content{version}")
    assert problems == []
    what = Reparse(DATASET, **limits)
    return reparse(what, [str(shop.folder / place)], shop.store, registry, Settings(), lambda: LATER, dry_run)


def documents(shop: Shop) -> dict[str, Any]:
    return {hit.event_id: hit.document for hit in shop.store.search([Query(DATASET, "TRUE")], documents=True)}


def test_what_the_mended_parser_makes_of_an_object_replaces_what_is_stored(shop: Shop) -> None:
    shop.put("a", OLD, NEW, TIMELESS)
    shop.ingest("1")
    before, row = documents(shop), shop.row("a")
    done = again(shop)
    assert (done.replaced, done.events, done.rejects, done.known) == (1, 2, 1, 0)
    assert shop.counts("a") == (3, 2, 1, 0, 0)
    assert (shop.events, shop.rejects) == (["new", "old"], [(2, "2")])
    first = datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert shop.row("a") == replace(row, events=2, rejects=1, first=first, parser_version="2")
    after = documents(shop)
    assert after["old"] == before["old"]  # ingested when it was, too
    assert after["new"]["event.ingested"] == after["old"]["event.ingested"]


def test_a_second_run_does_nothing(shop: Shop) -> None:
    for name in "abc":
        shop.put(name, OLD | {"id": name}, NEW | {"id": name})
    shop.ingest("1")
    assert again(shop).replaced == 3
    before = shop.store.ledger(), documents(shop)
    done = again(shop)
    assert (done.replaced, done.known) == (0, 3)
    assert (shop.store.ledger(), documents(shop)) == before


def test_objects_of_the_span_alone_are_replaced(shop: Shop) -> None:
    for day in (1, 2, 3):
        shop.put(str(day), {"what": "buy", "at": f"2026-11-0{day}T10:00:00Z", "id": str(day)})
    shop.ingest("1")
    span = {"since": datetime(2026, 11, 2, tzinfo=UTC), "until": datetime(2026, 11, 3, tzinfo=UTC)}
    assert again(shop, **span).replaced == 1
    assert [shop.row(name).parser_version for name in "123"] == ["1", "2", "1"]
    assert again(shop, since=span["since"]).replaced == 1
    assert again(shop).replaced == 1


def test_what_cannot_be_read_again_is_named_and_stays(shop: Shop) -> None:
    for name in ("gone", "changed", "same"):
        shop.put(name, OLD | {"id": name})
    shop.ingest("1")
    (shop.folder / "bucket" / "shop" / "gone.json").unlink()
    shop.put("changed", OLD | {"id": "other"})
    planned, before = again(shop, dry_run=True), shop.store.ledger()
    assert (planned.replaced, len(planned.missing)) == (2, 1)
    done = again(shop)
    assert [row.key for row in done.missing] == ["shop/gone.json"]
    assert [row.key for row in done.changed] == ["shop/changed.json"]
    assert done.replaced == 1
    assert [row.key for row in before.values() if row != shop.store.ledger()[row.object]] == ["shop/same.json"]
    assert sorted(documents(shop)) == ["changed", "gone", "same"]


def test_of_a_key_with_other_bytes_since_the_version_is_replaced(shop: Shop) -> None:
    shop.put("a", OLD)
    shop.ingest("1")
    shop.put("a", NEW, OLD)
    shop.ingest("1")  # `new` is a reject, `old` a duplicate
    assert shop.events == ["old"]
    done = again(shop)
    assert ([row.version for row in done.changed], done.replaced) == ([None], 1)
    assert sorted((row.version is None, row.parser_version) for row in shop.store.ledger().values()) == [
        (False, "2"),
        (True, "1"),
    ]
    assert sorted(documents(shop)) == ["new", "old"]


def test_a_parser_that_fails_leaves_everything_as_it_is(shop: Shop) -> None:
    shop.put("a", OLD)
    shop.ingest("1")
    path = shop.folder / "content2" / "parsers" / "shop.py"
    path.write_text(path.read_text().replace("    time = next(", "    raise KeyError(times)\n    time = next("))
    before = shop.store.ledger(), documents(shop)
    done = again(shop)
    assert done.replaced == 0
    assert (shop.store.ledger(), documents(shop)) == before
    assert [row.key for row, _ in done.failed] == ["shop/a.json"]


def test_alerts_do_not_repeat(shop: Shop) -> None:
    (shop.folder / "rule.yml").write_text(RULE)
    rules = load_rules([shop.folder / "rule.yml"])
    registry, _ = load_registry(shop.folder / "content2")
    sources = Sources.of(registry)
    shop.put("a", OLD, NEW)
    shop.ingest("1")
    first = detect(shop.store, rules, sources)
    alerts = shop.store.alerts()
    assert (first.signals, len(first.alerts), [alert.count for alert in alerts]) == (1, 1, [1])
    again(shop)
    passed = detect(shop.store, rules, sources)
    assert (passed.objects, passed.alerts, shop.store.alerts()) == (0, set(), alerts)
    shop.content("3", '("at", "time")')
    again(shop, "3", judge=True)
    passed = detect(shop.store, rules, sources)
    assert (passed.objects, passed.signals) == (1, 2)
    assert sum(alert.count for alert in shop.store.alerts()) == 2
    alerts = shop.store.alerts(merged=True)
    shop.content("4", '("at", "time")')
    again(shop, "4", judge=True)
    passed = detect(shop.store, rules, sources)
    assert (passed.objects, passed.signals, passed.alerts) == (1, 2, set())
    assert shop.store.alerts(merged=True) == alerts


@pytest.mark.slow
def test_the_command_replaces_tells_and_may_be_repeated(shop: Shop, siem: Callable[..., str], tmp_path: Path) -> None:
    for name in ("a", "b"):
        shop.put(name, OLD | {"id": f"old {name}"}, NEW | {"id": f"new {name}"})
    store, bucket = ("--store", tmp_path / "other"), shop.folder / "bucket"
    siem("ingest", bucket, *store, "--content", shop.folder / "content1")
    (bucket / "shop" / "b.json").unlink()
    call = ("reparse", "--dataset", DATASET, "--since", "2026-11-01", bucket, *store, "--content")
    told = siem(*call, shop.folder / "content2", "--dry-run")
    assert "1 objects would be read again; 0 are of today's version already, 1 are left as they are" in told
    told = siem(*call, shop.folder / "content2", "--judge")
    assert "not in these places: shop/b.json" in told
    assert "1 objects replaced: 2 events, 0 rejects; 0 are of today's version already, 1 are left" in told
    assert "siem detect" in told
    told = siem(*call, shop.folder / "content2")
    assert "0 objects replaced: 0 events, 0 rejects; 1 are of today's version already, 1 are left" in told
    other = open_folder(tmp_path / "other")
    assert sorted(hit.event_id for hit in other.search([Query(DATASET, "TRUE")])) == ["new a", "old a", "old b"]
    other.close()
