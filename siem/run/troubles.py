"""What goes wrong while a service runs: told when it begins and when it is over, not at every attempt."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from siem.errors import SiemError, Unavailable

AWAY = "away"
"""Of all errors that say that the store is away: one outage, whichever request met it, and in whatever words."""


class Troubles:
    """Of one process, job by job. clock: monotonic seconds."""

    def __init__(self, log: Any, clock: Callable[[], float]) -> None:
        self._log, self._clock = log, clock
        self._lock = threading.Lock()
        self._standing: dict[str, tuple[str, float]] = {}

    def met(self, job: str, error: Exception) -> None:
        """A run of the job failed; it will be tried again."""
        kind = AWAY if isinstance(error, Unavailable) else repr(error)
        with self._lock:
            same = [since for known, since in self._standing.values() if known == kind]
            self._standing[job] = kind, min(same, default=self._clock())
        if not same:
            trace = {} if isinstance(error, SiemError) else {"trace": "".join(traceback.format_exception(error))}
            self._log.warning("failed, is tried again", job=job, why=str(error), **trace)

    def over(self, job: str) -> None:
        """A run of the job went well."""
        with self._lock:
            kind, since = self._standing.pop(job, ("", 0.0))
            left = [known for known, _ in self._standing.values() if known == kind]
        if kind and not left:
            self._log.info("goes on", job=job, seconds=round(self._clock() - since, 1))
