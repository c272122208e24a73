"""What a scheduler did, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from siem.detect.passes import Passed

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Bounds of the histogram: from a pass over an object to one over a backlog."""

SUMS = {
    "objects": "Objects that were judged",
    "events": "Events of these objects",
    "signals": "Events that rules matched",
    "alerts": "Alerts that were new or grew",
}
"""Counts of a pass, and what is said of their sums."""


class Metrics:
    """Of one process; docs/operations.md lists them. now: the time. clock: monotonic seconds."""

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        self._now, self._clock = now, clock
        self._oldest: datetime | None = None
        self._ended = clock()
        self.registry = registry = CollectorRegistry()
        self._sums = {name: Counter(f"siem_detection_{name}", said, registry=registry) for name, said in SUMS.items()}
        self._passes = Counter("siem_detection_passes", "Passes that ended", registry=registry)
        self._seconds = Histogram("siem_detection_pass_seconds", "Their length", registry=registry, buckets=SECONDS)
        self._errors = Counter("siem_detection_rule_errors", "Passes in which it erred", ["rule"], registry=registry)
        self._owed = Gauge("siem_detection_owed_objects", "Objects that rules erred on and owe", registry=registry)
        self._age = Gauge("siem_detection_last_pass_age_seconds", "Since the last pass ended", registry=registry)
        self._age.set_function(lambda: clock() - self._ended)
        self._lag = Gauge("siem_detection_lag_seconds", "Age of the oldest object not judged", registry=registry)
        self._lag.set_function(self._waited)
        self._held = Gauge("siem_scheduler_lease_held", "1 in the process that does the work", registry=registry)
        labels = ["channel", "outcome"]
        self._told = Counter("siem_notifications", "Attempts to send messages", labels, registry=registry)
        self._failures = Counter("siem_scheduler_failures", "Runs that failed", ["job"], registry=registry)

    def told(self, channel: str, outcome: str) -> None:
        """An attempt to send a message: `sent`, `failed` or `refused` for good."""
        self._told.labels(channel, outcome).inc()

    def judging(self, oldest: datetime | None) -> None:
        """When the oldest object was committed that is being judged; None: all are judged."""
        self._oldest = oldest

    def did(self, done: Passed) -> None:
        """What a pass did, however it ended."""
        for name, count in (
            ("objects", done.objects),
            ("events", done.events),
            ("signals", done.signals),
            ("alerts", len(done.alerts)),
        ):
            self._sums[name].inc(count)
        for rule in done.errors:
            self._errors.labels(rule).inc()

    def ended(self, seconds: float, owed: int) -> None:
        """A pass came to its end, with nothing to do or something. owed: objects that are, then."""
        self._passes.inc()
        self._seconds.observe(seconds)
        self._owed.set(owed)
        self._ended = self._clock()

    def failed(self, job: str) -> None:
        self._failures.labels(job).inc()

    def held(self, held: bool) -> None:
        self._held.set(held)

    def _waited(self) -> float:
        oldest = self._oldest
        return max((self._now() - oldest).total_seconds(), 0.0) if oldest else 0.0
