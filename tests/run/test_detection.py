"""A tick of detection: what it tells, counts and records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client import generate_latest

from siem.detect import passes
from siem.errors import ContentError, Unavailable
from siem.parsing.batch import Parsed
from siem.run import detection
from siem.run.detection import MOST_ERRORS, Detection, bounded
from siem.run.metrics import Metrics
from siem.run.watching import Watched
from siem.store.contract import Judged, Settle
from siem.store.embedded import EmbeddedStore
from siem.testing.deliveries import NOW, TRAIL, delivery, put, trail

RULE = """\
title: A name
id: 6a3c0bcb-9a3a-4f5c-8a8e-1c1f0e5d6b11
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventID: 'e*'}
  condition: selection
custom: {group: [event.dataset]}
"""


class Broken(EmbeddedStore):
    """away: marks fail. broken: why every search errs."""

    away, broken = False, ""

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        if self.away:
            raise Unavailable("no disk")
        return super().mark(judged, settle)

    def search(self, queries: Any, *more: Any, **options: Any) -> Iterator[Any]:
        if self.broken:
            for place in range(len(queries)):
                options["erred"](place, ContentError(self.broken))
            return iter(())
        return super().search(queries, *more, **options)


class Ticking:
    """A store, its detection, and what is told."""

    def __init__(self, folder: Path) -> None:
        (folder / "content" / "detections").mkdir(parents=True)
        (folder / "content" / "detections" / "name.yml").write_text(RULE)
        self.store, capture = Broken(folder / "store"), structlog.testing.LogCapture()
        self._told, log = capture.entries, structlog.wrap_logger(None, processors=[capture])
        self.now, self.seconds = NOW + timedelta(hours=1), 0.0
        self.metrics = Metrics(lambda: self.now, lambda: self.seconds)
        content = Watched(folder / "content", timedelta(days=1), lambda what, why: log.warning(what, why=why))
        self.detection = Detection(content, self.metrics, "me", self._passing, lambda: self.seconds, log)

    def _passing(self) -> datetime:
        self.seconds += 2
        return self.now

    def put(self, key: str, *ids: str) -> None:
        of = delivery(key)
        put(self.store, (of, Parsed(TRAIL, trail(of, *ids))))

    def told(self) -> list[Any]:
        """What was told since the last time."""
        found = list(self._told)
        self._told.clear()
        return found

    def metric(self, name: str) -> float:
        lines = generate_latest(self.metrics.registry).decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.fixture
def ticking(tmp_path: Path) -> Iterator[Ticking]:
    one = Ticking(tmp_path)
    yield one
    one.store.close()


def test_a_pass_is_told_counted_and_recorded(ticking: Ticking) -> None:
    ticking.put("a", "e1", "e2", "x")
    ticking.put("b", "e3")
    ticking.detection.tick(ticking.store)
    (done,) = ticking.store.passes(20)
    assert (done.started, done.objects, done.events, done.signals, done.alerts) == (ticking.now, 2, 4, 3, 1)
    assert (done.errors, done.holder, done.rules > 50) == ({}, "me", True)
    (line,) = ticking.told()
    assert (line["event"], line["objects"], line["signals"]) == ("pass", 2, 3)
    for name, value in {"objects": 2, "events": 4, "signals": 3, "alerts": 1, "passes": 1}.items():
        assert ticking.metric(f"siem_detection_{name}_total") == value


def test_a_pass_with_nothing_to_do_is_counted_and_leaves_no_trace(ticking: Ticking) -> None:
    ticking.put("a", "e1")
    for _ in range(3):
        ticking.detection.tick(ticking.store)
    assert len(ticking.store.passes(20)) == len(ticking.told()) == 1
    assert ticking.metric("siem_detection_passes_total") == 3
    assert ticking.metric("siem_detection_pass_seconds_count") == 3


def test_a_rule_that_errs_is_told_once_and_again_when_that_changes(ticking: Ticking) -> None:
    def told() -> list[str]:
        return [line["why"] for line in ticking.told() if line["event"] == "rule erred" and "6a3c" in line["rule"]]

    ticking.put("a", "e1")
    ticking.store.broken = "no such column"
    ticking.detection.tick(ticking.store)
    assert told() == ["no such column"]
    assert ticking.metric("siem_detection_owed_objects") > 0
    ticking.detection.tick(ticking.store)
    assert told() == []
    assert len(ticking.store.passes(20)) == 1
    ticking.store.broken = "no memory"
    ticking.detection.tick(ticking.store)
    assert told() == ["no memory"]
    ticking.store.broken = ""
    ticking.detection.tick(ticking.store)
    newest, *_, oldest = ticking.store.passes(20)
    assert (newest.errors, newest.signals, oldest.signals) == ({}, 1, 0)
    assert len(oldest.errors) > 15
    assert ticking.metric("siem_detection_owed_objects") == 0
    assert ticking.metric('siem_detection_rule_errors_total{rule="6a3c') == 3


def test_a_pass_that_shall_end_does_so_behind_a_part_and_the_next_goes_on(
    ticking: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "TOGETHER", 1)
    for key in "abc":
        ticking.put(key, f"e{key}")
    asked = iter([True, True, True, False])  # before and after the first part, and the second
    ticking.detection.tick(ticking.store, lambda: next(asked))
    ticking.detection.tick(ticking.store)
    assert [done.objects for done in ticking.store.passes(20)] == [1, 2]
    assert sum(done.signals for done in ticking.store.passes(20)) == 3
    assert [line["event"] for line in ticking.told()] == ["pass stopped", "pass", "pass"]


def test_the_lag_is_the_age_of_what_is_not_judged_while_the_store_is_away(ticking: Ticking) -> None:
    ticking.put("a", "e1")
    ticking.store.away = True
    assert ticking.metric("siem_detection_lag_seconds") == 0
    with pytest.raises(Unavailable):
        ticking.detection.tick(ticking.store)
    assert ticking.metric("siem_detection_lag_seconds") == 3_600
    ticking.now += timedelta(seconds=10)
    ticking.seconds += 10
    assert ticking.metric("siem_detection_lag_seconds") == 3_610
    assert ticking.metric("siem_detection_last_pass_age_seconds") == 12
    ticking.store.away = False
    ticking.detection.tick(ticking.store)
    assert ticking.metric("siem_detection_lag_seconds") == ticking.metric("siem_detection_last_pass_age_seconds") == 0


def test_a_record_is_bounded_and_can_be_kept_as_json() -> None:
    kept = bounded({f"rule {number}\udcff": "x" * 9_999 for number in range(99)})
    assert len(kept) == MOST_ERRORS
    assert max(map(len, kept.values())) == 500
    assert "rule 0\\udcff" in kept


def test_silences_are_looked_for_every_ten_minutes_by_a_clock_that_has_not_jumped_lately(
    ticking: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime | None] = []
    monkeypatch.setattr(detection, "detect", lambda *given: asked.append(given[-1]) or passes.Passed())
    steady = 0.0
    ticking.detection._steady = lambda: steady
    ticking.detection.tick(ticking.store)
    steady = 600.0
    for _ in range(3):
        ticking.detection.tick(ticking.store)
    ticking.now -= timedelta(hours=1)  # set back while nobody looked
    ticking.seconds += 600
    ticking.detection.tick(ticking.store)
    assert asked == [None, ticking.now + timedelta(hours=1), None, None, ticking.now]
