"""What goes wrong while a service runs: told when it begins and when it is over, not at every attempt."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from siem.errors import SiemError, Unavailable

AWAY = "away"
"""Of all errors that say that the store is away: one outage, whichever request met it, and in whatever words."""


@dataclass(frozen=True)
class Trouble:
    """kind: troubles of one kind are told once. since: monotonic seconds."""

    kind: str
    why: str
    since: float


class Troubles:
    """Of one process, job by job. clock: monotonic seconds."""

    def __init__(self, log: Any, clock: Callable[[], float]) -> None:
        self._log, self._clock = log, clock
        self._lock = threading.Lock()
        self._standing: dict[str, Trouble] = {}

    def standing(self) -> dict[str, str]:
        """Why jobs cannot be done now."""
        with self._lock:
            return {job: trouble.why for job, trouble in self._standing.items()}

    def met(self, job: str, error: Exception) -> None:
        """A run of the job failed; it will be tried again."""
        kind = AWAY if isinstance(error, Unavailable) else repr(error)
        with self._lock:
            same = [trouble.since for trouble in self._standing.values() if trouble.kind == kind]
            self._standing[job] = Trouble(kind, str(error), min(same, default=self._clock()))
        if not same:
            trace = {} if isinstance(error, SiemError) else {"trace": "".join(traceback.format_exception(error))}
            self._log.warning("failed, is tried again", job=job, why=str(error), **trace)

    def over(self, job: str) -> None:
        """A run of the job went well."""
        with self._lock:
            ended = self._standing.pop(job, None)
            left = [trouble for trouble in self._standing.values() if ended and trouble.kind == ended.kind]
        if ended and not left:
            self._log.info("goes on", job=job, seconds=round(self._clock() - ended.since, 1))
