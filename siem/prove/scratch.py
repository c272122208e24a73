"""A scratch database for keys: a bucket may have more of them than memory holds. It is gone when it is closed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import Any

TOGETHER = 10_000
"""Rows that are written at a time."""


class Scratch:
    """Tables on disk, in a folder of their own; 16 MB of them in memory."""

    def __init__(self, tables: str) -> None:
        self._folder = TemporaryDirectory(prefix="siem-verify-")
        self.connection = sqlite3.connect(f"{self._folder.name}/scratch.sqlite", isolation_level=None)
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", "PRAGMA cache_size = -16000"):
            self.connection.execute(statement)
        self.connection.executescript(tables)
        self._held: dict[str, list[Sequence[Any]]] = {}

    def put(self, statement: str, row: Sequence[Any]) -> None:
        """Run a statement for a row, some time before the next question."""
        rows = self._held.setdefault(statement, [])
        rows.append(row)
        if len(rows) == TOGETHER:
            self._write()

    def ask(self, question: str, *values: Any) -> Iterator[Any]:
        """Rows, one at a time."""
        self._write()
        yield from self.connection.execute(question, values)

    def close(self) -> None:
        self.connection.close()
        self._folder.cleanup()

    def _write(self) -> None:
        for statement, rows in self._held.items():
            if rows:
                self.connection.execute("BEGIN")
                self.connection.executemany(statement, rows)
                self.connection.execute("COMMIT")
                rows.clear()


def octets(key: str) -> bytes:
    """What a key is sorted by, in S3 and everywhere here."""
    return key.encode("utf-8", "surrogateescape")


def text(key: bytes) -> str:
    return key.decode("utf-8", "surrogateescape")
