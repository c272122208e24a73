"""A proxy before AWS, or a stand-in for it, on which a test lets requests fail as they fail in real life."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
"""Headers that are of one connection."""


@dataclass(frozen=True)
class Request:
    """What is asked for. what: of SQS and its like the operation (`ReceiveMessage`), of S3 the method and key. headers:
    by their names in lower case."""

    what: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Fault:
    """What becomes of a request: it waits, is answered with an error, or its answer is cut or lost.

    code, status: answered so, and never carried out. wait: seconds before all else. lost: carried out, and the
    connection ends without an answer. cut: carried out, and half of the answer's body comes.
    """

    code: str = ""
    status: int = 503
    wait: float = 0
    lost: bool = False
    cut: bool = False


Faults = Callable[[Request], Fault | None]


def none(request: Request) -> None:
    """Everything goes well."""


class Proxy:
    """Where it listens is `url`; `faults` may be changed at any time."""

    def __init__(self, to: str, faults: Faults = none) -> None:
        parts = urlsplit(to)
        self.host, self.port, self.faults = parts.hostname or "127.0.0.1", parts.port or 80, faults
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Answering,), {"proxy": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> Iterator[Proxy]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


class Answering(BaseHTTPRequestHandler):
    """A connection."""

    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.headers.get("X-Amz-Target")
        what = target.rpartition(".")[2] if target else f"{self.command} {unquote(urlsplit(self.path).path)}"
        fault = (
            self.proxy.faults(Request(what, body, {name.lower(): value for name, value in self.headers.items()}))
            or Fault()
        )
        time.sleep(fault.wait)
        if fault.code:
            self.refuse(fault, target is not None)
            return
        try:
            status, headers, answer = self.asked(body)
        except (OSError, HTTPException):
            self.close_connection = True
            return
        if fault.lost:
            self.close_connection = True
            return
        self.answer(status, headers, answer, cut=fault.cut)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = pass_on  # noqa: N815  (so the library calls them)

    def asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = HTTPConnection(self.proxy.host, self.proxy.port, timeout=120)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def refuse(self, fault: Fault, is_json: bool) -> None:
        if is_json:
            body = json.dumps({"__type": fault.code, "message": "on purpose"}).encode()
        else:
            body = f"<Error><Code>{fault.code}</Code><Message>on purpose</Message></Error>".encode()
        self.answer(fault.status, [], body)

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: bool = False) -> None:
        with suppress(OSError):
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing is said."""
