"""What the scheduler does for a store now and then."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from structlog.testing import LogCapture

from siem.config import load_settings
from siem.parsing.batch import Parsed
from siem.prove.anchor import InFolder
from siem.prove.proof import Verdict
from siem.prove.sealed import Sealed
from siem.run.content import fingerprints, load_content
from siem.run.upkeep import drop_old, seal_new
from siem.store.embedded import EmbeddedStore
from siem.testing.deliveries import NOW, START, TRAIL, delivery, ids, put, trail


@pytest.fixture
def told() -> LogCapture:
    return LogCapture()


def test_each_night_seals_what_came_since_the_last(tmp_path: Path, told: LogCapture) -> None:
    store, log = EmbeddedStore(tmp_path / "store"), structlog.wrap_logger(None, processors=[told])
    settings = load_settings(verify={"anchor": str(tmp_path / "anchor")})
    for night, key in enumerate("ab"):
        of = delivery(key)
        put(store, (of, Parsed(TRAIL, trail(of, key))))
        seal_new(store, settings, NOW + timedelta(days=night), log)
    assert [(line["event"], line["number"], line["rows"]) for line in told.entries] == [
        ("sealed", 1, 1),
        ("sealed", 2, 1),
    ]
    rules = fingerprints(load_content(None, timedelta(days=1), NOW).rules)
    assert Sealed(store, InFolder(tmp_path / "anchor"), rules).prove().verdict is Verdict.PROVEN
    seal_new(store, load_settings(), NOW, log)
    assert len(told.entries) == 2
    store.close()


def test_what_is_dropped_is_told_and_nothing_where_nothing_is_set(tmp_path: Path, told: LogCapture) -> None:
    store, log = EmbeddedStore(tmp_path / "store"), structlog.wrap_logger(None, processors=[told])
    old, new = delivery("old"), delivery("new")
    put(store, (old, Parsed(TRAIL, trail(old, "o", start=START - timedelta(days=90)))))
    put(store, (new, Parsed(TRAIL, trail(new, "n"))))
    drop_old(store, {}, None, NOW, log)
    assert (ids(store), told.entries) == (["o", "n"], [])
    drop_old(store, {TRAIL: 30}, None, NOW, log)
    assert (ids(store), [(line["event"], line["events"]) for line in told.entries]) == (["n"], [("dropped", 1)])
    store.close()
