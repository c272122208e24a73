"""A socket that takes requests down as they came, byte for byte: what is sent can be held against a specification."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Listener:
    """It answers everything with `answer`."""

    port: int
    answer: bytes = b"{}"
    seen: list[Request] = field(default_factory=list)


@contextmanager
def listener(tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            listening.seen.append(Request(self.command, self.path, headers, body))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(listening.answer)))
            self.end_headers()
            self.wfile.write(listening.answer)

        do_GET = do_PUT = do_POST = do_DELETE = do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads, block_on_close = True, False  # clients keep connections open

        def handle_error(self, *_: Any) -> None:  # clients that do not trust us
            pass

    server = Server(("127.0.0.1", 0), Handler)
    listening = Listener(server.server_port)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield listening
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
