"""Processes that write and judge at once come to what one after the other comes to, on both stores."""

from __future__ import annotations

import multiprocessing
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from stores import removed
from workload import Cluster, Folder, Place

from siem.config import load_settings
from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.run.content import load_registry, shipped_content
from siem.run.ingest import ingest
from siem.sigma import load_rules
from siem.store.opensearch.names import Names

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
NOW = datetime(2026, 11, 2, tzinfo=UTC)
SAMPLES = shipped_content() / "samples"
ACCOUNTS = SAMPLES / "bucket" / "AWSLogs"
SHARES = ([str(SAMPLES / "bucket")], [str(SAMPLES / "cloudtrail-invictus"), str(SAMPLES / "bucket")])


def taken_in(place: Place, places: list[str]) -> None:
    store = place.opened()
    ingest(places, store, load_registry()[0], load_settings(), lambda: NOW)
    store.close()


def judged(place: Place, times: int = 1) -> None:
    store, rules = place.opened(), load_rules([shipped_content() / "detections"])
    for _ in range(times):
        done = detect(store, rules, Sources.of(load_registry()[0]), everything=True)
        assert not done.errors
    store.close()


def at_once(*works: tuple[Any, ...]) -> None:
    processes = [PROCESSES.Process(target=work, args=given) for work, *given in works]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * len(works)


def alerts(place: Place) -> list[Any]:
    store = place.opened()
    found = sorted(store.alerts(), key=lambda alert: alert.id)
    counts = [replace(one, bytes=0) for one in store.stats()]
    store.close()
    return [counts, found]


@pytest.fixture(params=["embedded", "opensearch"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "embedded":
        yield Folder(tmp_path)
        return
    url, prefix = request.getfixturevalue("opensearch"), f"once{secrets.token_hex(4)}-"
    yield Cluster(url, prefix, lease=30)
    removed(url, Names(prefix))


def test_writers_and_passes_at_once(place: Place) -> None:
    one, other = place.at("in turn"), place.at("at once")
    for share in SHARES:
        taken_in(one, share)
    judged(one)
    other.opened().close()
    at_once(*[(taken_in, other, share) for share in SHARES], (judged, other, 4), (judged, other, 4))
    at_once((judged, other), (judged, other))
    assert alerts(other) == alerts(one)
    assert len(alerts(one)[1]) > 30
