"""A real HTTP server on this machine that takes messages, or fails to in every way that servers do."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """A request that came whole."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Failing = Callable[[BaseHTTPRequestHandler], None]
"""Answers a request, in some way."""


@dataclass
class Receiver:
    """failing: how the next requests are answered, one each; then all goes well. say: the answer of those."""

    port: int = 0
    failing: list[Failing] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    say: Callable[[Received], bytes] = lambda request: b"ok"

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def status(code: int, body: bytes = b"on purpose", **headers: str) -> Failing:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(3)


def half(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"o")
    handler.close_connection = True


def dripping(what: bytes) -> Failing:
    """A byte now and then: never too long for one, and too long for all."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        for byte in what:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.2)

    return answer


def close(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xffnot http at all\r\n\r\n")
    handler.close_connection = True


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.received.append(Received(self.path, dict(self.headers.items()), body))
            answer = receiver.failing.pop(0) if receiver.failing else status(200, receiver.say(receiver.received[-1]))
            with suppress(OSError):
                answer(self)

        def log_message(self, *_: Any) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
