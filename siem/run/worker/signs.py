"""Signs of life of a process: what it has counted, how much it holds, and whether it can work."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from siem.store.contract import LedgerRow

Name = tuple[str, str]
"""Of a count, and what of: `("objects", "committed")`; "" where there is but one."""


@dataclass(frozen=True)
class Snapshot:
    """What a process says of itself. waits: why it cannot work now, by what it waits for. turn: seconds since its loop
    last came round."""

    counts: Mapping[Name, int] = field(default_factory=dict)
    levels: Mapping[Name, float] = field(default_factory=dict)
    waits: Mapping[str, str] = field(default_factory=dict)
    turn: float = 0.0
    begun: bool = False


class Signs:
    """Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Name] = Counter()
        self._levels: dict[Name, float] = {}
        self._waits: dict[str, str] = {}
        self._turned, self._begun = time.monotonic(), False

    def count(self, name: str, by: int = 1, of: str = "") -> None:
        with self._lock:
            self._counts[name, of] += by

    def level(self, name: str, value: float, of: str = "") -> None:
        with self._lock:
            self._levels[name, of] = value

    def committed(self, row: LedgerRow) -> None:
        """An object is in the ledger."""
        dataset = row.dataset or ""
        self.count("objects", of=row.state.value)
        self.count("bytes", row.bytes)
        self.count("events", row.events - row.duplicates, dataset)
        self.count("rejects", row.rejects, dataset)
        self.count("duplicates", row.duplicates, dataset)
        self.level("last_commit", time.time())

    def turn(self) -> None:
        """The loop came round, or a block was parsed."""
        self._turned, self._begun = time.monotonic(), True

    def waits(self, what: str, why: str | None) -> bool:
        """What it waits for, and why; None: not any more. True where that is news."""
        with self._lock:
            before = self._waits.pop(what, None)
            if why is not None:
                self._waits[what] = why
            return (before is None) != (why is None)

    def snapshot(self) -> Snapshot:
        with self._lock:
            since = time.monotonic() - self._turned
            return Snapshot(dict(self._counts), dict(self._levels), dict(self._waits), since, self._begun)
