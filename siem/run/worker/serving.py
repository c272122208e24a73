"""`/healthz`, `/readyz` and `/metrics`, for those who look after a worker."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from siem.errors import ConfigError, Unavailable
from siem.run.worker.signs import Name, Snapshot

STUCK = 600.0
"""Seconds without a sign of life after which a process is not healthy: the commit of a very large object takes some."""

LOOPBACK = "127.0.0.1"

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


class Answering(BaseHTTPRequestHandler):
    """A request."""

    watched: Watched
    registry: CollectorRegistry

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                silence = self.watched.silence()
                self._answer(200 if silence < STUCK else 503, orjson.dumps({"silent_seconds": round(silence, 1)}))
            case "/readyz":
                waits = self.watched.waits()
                self._answer(503 if waits else 200, orjson.dumps({"waits": waits}))
            case "/metrics":
                self._answer(200, generate_latest(self.registry), CONTENT_TYPE_LATEST)
            case _:
                self._answer(404, b"{}")

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing is said of those who ask."""


def address(text: str) -> tuple[str, int]:
    """Of `HOST:PORT`; a port alone is this machine's.

    Raises:
        ConfigError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise ConfigError(f"worker.listen: {text} is no HOST:PORT, as 127.0.0.1:9108")
    return host.strip("[]") or LOOPBACK, int(port)


@contextmanager
def serving(listen: str | None, watched: Watched) -> Iterator[int | None]:
    """Answers as long as the block lasts; at this port. None: nobody is to be answered.

    Raises:
        ConfigError: the setting is no address.
        Unavailable: nobody can listen there.
    """
    if listen is None:
        yield None
        return
    registry = CollectorRegistry()
    registry.register(Collected(watched))
    answering = type("Of", (Answering,), {"watched": watched, "registry": registry})
    try:
        server = ThreadingHTTPServer(address(listen), answering)
    except OSError as error:
        raise Unavailable(f"worker.listen: {listen}: {error.strerror}") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
