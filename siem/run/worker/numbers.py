"""What the processes of a worker did, together, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from siem.run.worker.signs import Name, Snapshot

COUNTS = {
    "messages_received": ("messages received", None),
    "messages_deleted": ("messages deleted: all that they named is in the ledger", None),
    "messages_returned": ("messages given back to their queue", None),
    "fetches_repeated": ("times that S3 was asked again", None),
    "objects": ("objects by what became of them; known: they were in the ledger", "state"),
    "bytes": ("bytes of objects as delivered", None),
    "events": ("events stored", "dataset"),
    "rejects": ("records that could not become events", "dataset"),
    "duplicates": ("events that were stored already", "dataset"),
}
"""What processes count: what it is, and the label of what it is of."""


class Watched(Protocol):
    """All processes of a worker, for those who look at them."""

    restarts: int

    def snapshots(self) -> list[Snapshot]:
        """What processes said last, those that ended too."""
        ...

    def living(self) -> list[Snapshot]:
        """What those said last that live."""
        ...

    def silence(self) -> float:
        """Seconds since the loop of any process came round, at most."""
        ...

    def waits(self) -> dict[str, str]:
        """Why processes cannot work now, by what they wait for."""
        ...


class Collected(Collector):
    """The numbers of all processes together."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def collect(self) -> Iterable[Metric]:
        counts: Counter[Name] = Counter()
        for snapshot in self._watched.snapshots():
            counts.update(snapshot.counts)
        for name, (help_, label) in COUNTS.items():
            family = CounterMetricFamily(f"siem_worker_{name}", help_, labels=[label] if label else [])
            for (of, what), value in sorted(counts.items()):
                if of == name:
                    family.add_metric([what] if label else [], value)
            yield family
        yield from self._levels()

    def _levels(self) -> Iterator[Metric]:
        living = self._watched.living()
        held = sum(snapshot.levels.get(("messages_held", ""), 0) for snapshot in living)
        yield GaugeMetricFamily("siem_worker_messages_held", "messages that are held now", held)
        last = max((snapshot.levels.get(("last_commit", ""), 0) for snapshot in self._watched.snapshots()), default=0)
        yield GaugeMetricFamily("siem_worker_last_commit_timestamp_seconds", "time of the last commit; 0: none", last)
        yield GaugeMetricFamily("siem_worker_processes", "processes that live", len(living))
        yield GaugeMetricFamily("siem_worker_waits", "what cannot be reached now", len(self._watched.waits()))
        yield CounterMetricFamily("siem_worker_restarts", "processes that died", self._watched.restarts)


def registry(watched: Watched) -> CollectorRegistry:
    """Of a worker."""
    made = CollectorRegistry()
    made.register(Collected(watched))
    return made
