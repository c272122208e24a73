"""A TCP proxy before a node, which cuts connections at chosen places."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ANSWER = b"HTTP/1.1 "


@dataclass
class Cutting:
    """cut: asked for every answer (by its number, from 0) how many bytes of it may pass before the connection is cut;
    None: all of them. cuts: how many were cut so far."""

    node: str
    cut: Callable[[int], int | None]
    cuts: int = 0
    answers: int = 0
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listening: socket.socket) -> None:
        with suppress(OSError):  # it was closed
            while True:
                client, _ = listening.accept()
                threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        parts = urlsplit(self.node)
        server = socket.create_connection((parts.hostname or "", parts.port or 80))
        threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
        self._answer(server, client)

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        ended(source, target)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        """As `_pass`; the node has carried out what it answers to."""
        left: int | None = None
        with suppress(OSError):
            while data := server.recv(1 << 16):
                if data.startswith(ANSWER):
                    left = self._next()
                if left is not None and left < len(data):
                    client.sendall(data[:left])
                    break
                left = None if left is None else left - len(data)
                client.sendall(data)
        ended(server, client)

    def _next(self) -> int | None:
        with self._lock:
            number, self.answers = self.answers, self.answers + 1
            left = self.cut(number)
            self.cuts += left is not None
            return left


def ended(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


@contextmanager
def cutting(node: str, cut: Callable[[int], int | None]) -> Iterator[Cutting]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = Cutting(node, cut, url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        threading.Thread(target=proxy.serve, args=(listening,), daemon=True).start()
        yield proxy
        listening.shutdown(socket.SHUT_RDWR)
