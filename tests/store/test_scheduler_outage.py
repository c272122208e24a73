"""A cluster that does not answer for a while: the scheduler says so once, keeps trying, and goes on."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog
from cutting import Cutting, cutting
from stores import connected, prepared, removed, shipped_fields
from structlog.testing import LogCapture

from siem.config import load_settings
from siem.parsing.batch import Parsed
from siem.run.scheduler import Scheduler, opening
from siem.store.contract import Store
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
from siem.testing.deliveries import TRAIL, delivery, put, trail

pytestmark = pytest.mark.slow


@pytest.fixture
def names(opensearch: str) -> Iterator[Names]:
    names = Names(f"outage{secrets.token_hex(4)}-")
    prepared(opensearch, names, {TRAIL: shipped_fields()[TRAIL]})
    yield names
    removed(opensearch, names)


def wait(known: Callable[[], bool], told: LogCapture) -> None:
    end = time.monotonic() + 60
    while not known():
        assert time.monotonic() < end, told.entries
        time.sleep(0.05)


def judge(store: Store, key: str, told: LogCapture) -> None:
    """A new object, until a pass has judged it."""
    of, before = delivery(key), len(store.passes(9))
    put(store, (of, Parsed(TRAIL, trail(of, key))))
    wait(lambda: len(store.passes(9)) > before, told)


def events(told: LogCapture) -> list[str]:
    return [line["event"] for line in told.entries]


def test_an_outage_is_told_once_and_nothing_is_lost(opensearch: str, names: Names) -> None:
    away = threading.Event()
    store = OpenSearchStore(connected(opensearch), names, shipped_fields())
    told = LogCapture()
    with (
        cutting(opensearch, lambda _: 0 if away.is_set() else None) as proxy,
        running(proxy, names, told) as scheduler,
    ):
        judge(store, "a", told)
        away.set()
        wait(lambda: "failed, is tried again" in events(told), told)
        cuts = proxy.cuts
        wait(lambda: proxy.cuts > cuts + 3, told)
        wait(lambda: "scheduler" in scheduler.waits(), told)
        away.clear()
        judge(store, "b", told)
        wait(lambda: "goes on" in events(told), told)
        assert scheduler.waits() == {}
    assert sorted(events(told)) == ["failed, is tried again", "goes on", "lease", "pass", "pass"]
    assert [done.objects for done in store.passes(9)] == [1, 1]
    left = store.lease("scheduler")
    assert left is not None
    assert left.holder == ""
    store.close()


@contextmanager
def running(proxy: Cutting, names: Names, told: LogCapture) -> Iterator[Scheduler]:
    settings = load_settings(
        store=proxy.url,
        opensearch={"patience": 0, "timeout": 5, "prefix": names.prefix},
        scheduler={"detect": 0.5},
    )
    scheduler = Scheduler(settings, opening(settings), structlog.wrap_logger(None, processors=[told]))
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield scheduler
    finally:
        scheduler.end()
        thread.join(60)
