"""The scheduler in one process: clocks that jump, a store that goes away, and its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apscheduler.schedulers.base
import pytest
import structlog
from prometheus_client import generate_latest
from structlog.testing import LogCapture

from siem.config import load_settings
from siem.errors import ConfigError
from siem.parsing.batch import Parsed
from siem.run import scheduler
from siem.run.clocks import Steadiness
from siem.run.leases import LEASE
from siem.run.scheduler import DAY, HOUR, Clocks, Scheduler, opening
from siem.store import open_folder
from siem.testing.deliveries import FLOW, TRAIL, delivery, flows, ids, put, trail

pytestmark = pytest.mark.slow

RULE = """\
title: A name
id: 6a3c0bcb-9a3a-4f5c-8a8e-1c1f0e5d6b11
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventID: 'e*'}
  condition: selection
"""


class Running:
    """A scheduler in a thread, on a folder, with a clock that can be set; APScheduler goes by it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "content" / "detections").mkdir(parents=True)
        self.folder, self.rule, capture = folder, folder / "content" / "detections" / "name.yml", LogCapture()
        self.told, log = capture.entries, structlog.wrap_logger(None, processors=[capture])
        self.rule.write_text(RULE)
        self.off, clock = timedelta(), self._clock()
        monkeypatch.setattr(apscheduler.schedulers.base, "datetime", clock)
        self.store = open_folder(folder / "store")
        settings = load_settings(
            store=str(folder / "store"),
            content=folder / "content",
            scheduler={"detect": 0.3},
            retention={"default": 30},
        )
        self.scheduler = Scheduler(settings, opening(settings), log, Clocks(lambda: clock.now(UTC)), lease=3)
        self._thread = threading.Thread(target=self.scheduler.run)
        self._thread.start()
        self._objects = 0

    def _clock(self) -> Any:
        running = self

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return datetime.now(tz) + running.off

        return Clock

    def put(self) -> str:
        """A new object with an event of today; its id."""
        self._objects += 1
        of, name = delivery(f"object {self._objects}"), f"e{self._objects}"
        put(self.store, (of, Parsed(TRAIL, trail(of, name, start=datetime.now(UTC)))))
        return name

    def judged(self) -> int:
        return sum(done.objects for done in self.store.passes(99))

    def wait(self, what: Callable[[], bool], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.told
            time.sleep(0.02)

    def wait_for_all(self) -> None:
        self.wait(lambda: self.judged() == self._objects)

    def events(self) -> list[str]:
        return [line["event"] for line in self.told]

    def standings(self) -> list[str]:
        return [line["standing"] for line in self.told if line["event"] == "lease"]

    def end(self) -> None:
        self.scheduler.end()
        self._thread.join(20)
        assert not self._thread.is_alive()


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    one = Running(tmp_path, monkeypatch)
    yield one
    one.end()
    one.store.close()


def test_a_clock_that_jumps_back_and_forth_delays_loses_and_repeats_nothing(running: Running) -> None:
    names = [running.put()]
    running.wait_for_all()
    for hours in (-1, 400 * 24, -30 * 24, 0.01):
        running.off = timedelta(hours=hours)
        names.append(running.put())
        running.wait_for_all()
    assert "clock jumped" in running.events()
    assert [done.objects for done in running.store.passes(99)] == [1] * len(names)
    (alert,) = [alert for alert in running.store.alerts() if alert.rule_id.startswith("6a3c")]
    assert sorted(alert.events) == names


def test_a_clock_that_is_ahead_for_a_moment_costs_no_events(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its jump makes `retain` due, and all that is stored too old; APScheduler is the first to see it."""
    monkeypatch.setattr(scheduler, "LOOK", 2.0)
    flow = delivery("flow")
    put(running.store, (flow, Parsed(FLOW, flows(flow, 3, start=datetime.now(UTC)))))
    running.wait(lambda: running.judged() == 1)
    running.off = timedelta(days=400)
    running.wait(lambda: "clock jumped" in running.events())
    assert len(ids(running.store, FLOW)) == 3


def test_a_rule_that_is_saved_between_ticks_is_in_use_on_the_next(running: Running) -> None:
    running.rule.write_text("title: half")
    running.wait(lambda: "refused" in running.events())
    running.put()
    running.wait_for_all()
    assert [alert for alert in running.store.alerts() if alert.rule_id.startswith("6a3c")] == []
    running.rule.write_text(RULE)
    running.put()
    running.wait_for_all()
    running.wait(lambda: any(alert.rule_id.startswith("6a3c") for alert in running.store.alerts()))
    refused = [line["why"] for line in running.told if line["event"] == "refused"]
    assert len(refused) == len(set(refused)), refused


def test_a_store_that_goes_away_is_told_once_and_gone_on_with(running: Running) -> None:
    running.put()
    running.wait_for_all()
    folder, away = running.folder / "store", running.folder / "away"
    folder.rename(away)
    running.wait(lambda: "failed, is tried again" in running.events())
    time.sleep(1)
    away.rename(folder)
    running.wait(lambda: "goes on" in running.events())
    running.put()
    running.wait_for_all()
    assert [running.events().count(what) for what in ("failed, is tried again", "goes on")] == [1, 1]


def test_a_lease_that_another_took_ends_the_work_until_it_is_free(running: Running) -> None:
    running.put()
    running.wait_for_all()
    running.scheduler.metrics.judging(datetime.now(UTC) - timedelta(hours=1))  # as in the middle of a part
    while (theirs := running.store.take("scheduler", "another", running.store.lease("scheduler"))) is None:
        pass
    running.wait(lambda: running.standings() == ["held", "lost", "waiting"])
    running.put()
    time.sleep(1)
    assert running.judged() == 1
    assert "siem_detection_lag_seconds 0.0" in generate_latest(running.scheduler.metrics.registry).decode()
    assert running.store.take("scheduler", "", theirs) is not None
    running.wait_for_all()
    assert running.standings() == ["held", "lost", "waiting", "held"]


def test_the_end_gives_the_lease_back(running: Running) -> None:
    running.wait(lambda: running.store.lease("scheduler") is not None)
    running.end()
    left = running.store.lease("scheduler")
    assert left is not None
    assert left.holder == ""


def test_without_a_store_it_ends(tmp_path: Path) -> None:
    settings = load_settings(store=str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="no store at"):
        Scheduler(settings, opening(settings), structlog.get_logger()).run()


def test_steadiness_is_since_the_last_jump() -> None:
    now, seconds = datetime(2026, 11, 1, tzinfo=UTC), 100.0
    steadiness = Steadiness(lambda: now, lambda: seconds)
    assert steadiness.since() == 100
    for _ in range(100):
        now, seconds = now + timedelta(seconds=60.03), seconds + 60  # NTP moves it by 500 ppm
        assert steadiness.since() == 100
    now, seconds = now + timedelta(seconds=5), seconds + 1
    assert steadiness.since() == seconds
    jumped = seconds
    now, seconds = now - timedelta(days=1), seconds + 1
    assert steadiness.since() == seconds > jumped
    seconds, now = seconds + HOUR, now + timedelta(seconds=HOUR)
    assert steadiness.since() == seconds - HOUR
    assert LEASE < HOUR < DAY
