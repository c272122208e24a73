"""A wall clock that may jump: set by people, by NTP, or because the machine slept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

JUMP = 2.0
"""Seconds by which it is off from one look to the next; NTP moves it by half a millisecond a second otherwise."""


class Steadiness:
    """Holds the time against a clock that nobody sets. now: the time. clock: monotonic seconds."""

    def __init__(self, now: Callable[[], datetime], clock: Callable[[], float]) -> None:
        self._now, self._clock = now, clock
        self._lock = threading.Lock()
        self._ahead, self._since = self._difference(), clock()

    def since(self) -> float:
        """When it jumped the last time, as far as it was looked at, or was first looked at; monotonic seconds."""
        with self._lock:
            ahead = self._difference()
            if abs(ahead - self._ahead) > JUMP:
                self._since = self._clock()
            self._ahead = ahead
            return self._since

    def _difference(self) -> float:
        return self._now().timestamp() - self._clock()
