"""`/healthz`, `/readyz` and `/metrics`, for those who look after a service."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from siem.errors import ConfigError, Unavailable

STUCK = 600.0
"""Seconds without a sign of life after which a process is not healthy: the commit of a very large object takes some."""

LOOPBACK = "127.0.0.1"


class Service(Protocol):
    """What is looked after."""

    def silence(self) -> float:
        """Seconds since the loop of any of its processes came round, at most."""
        ...

    def waits(self) -> Mapping[str, str]:
        """Why it cannot work now, by what it waits for."""
        ...


class Answering(BaseHTTPRequestHandler):
    """A request."""

    service: Service
    registry: CollectorRegistry

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                silence = self.service.silence()
                self._answer(200 if silence < STUCK else 503, orjson.dumps({"silent_seconds": round(silence, 1)}))
            case "/readyz":
                waits = self.service.waits()
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


def address(setting: str, text: str) -> tuple[str, int]:
    """Of `HOST:PORT`; a port alone is this machine's.

    Raises:
        ConfigError: it is none.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise ConfigError(f"{setting}: {text} is no HOST:PORT, as 127.0.0.1:9108")
    return host.strip("[]") or LOOPBACK, int(port)


@contextmanager
def serving(setting: str, listen: str | None, service: Service, registry: CollectorRegistry) -> Iterator[int | None]:
    """Answers as long as the block lasts; at this port. None: nobody is to be answered.

    setting: which says where to listen.

    Raises:
        ConfigError: the setting is no address.
        Unavailable: nobody can listen there.
    """
    if listen is None:
        yield None
        return
    answering = type("Of", (Answering,), {"service": service, "registry": registry})
    try:
        server = ThreadingHTTPServer(address(setting, listen), answering)
    except OSError as error:
        raise Unavailable(f"{setting}: {listen}: {error.strerror}") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
