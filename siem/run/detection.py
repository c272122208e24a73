"""A tick of detection: a pass of what is in use now over what is new, counted, told and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from math import inf
from typing import Any

from siem.detect.passes import Passed, detect
from siem.run.metrics import Metrics
from siem.run.watching import Watched
from siem.store.contract import Store
from siem.store.scheduling import Pass

MOST_ERRORS, LONGEST_REASON = 50, 500
"""Rules whose errors a record has, and characters of each."""

LISTENING = 600.0
"""Between two looks at who is silent. A cluster reads all rows of its ledger for one: 0.1 s for 300,000."""


class Stopped(Exception):
    """The pass ends behind the part in hand; the next one goes on from there."""


class Detection:
    """Passes of one process. holder: how it is called. now: the time; clock: monotonic seconds.

    steady: seconds since the time jumped, or was first looked at: to a clock that is ahead everybody is silent.
    """

    def __init__(
        self,
        content: Watched,
        metrics: Metrics,
        holder: str,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        log: Any,
        steady: Callable[[], float] = lambda: inf,
    ) -> None:
        self._content, self._metrics, self._holder = content, metrics, holder
        self._now, self._clock, self._log, self._steady = now, clock, log, steady
        self._errors: Mapping[str, str] = {}
        self._listened = -inf

    def tick(self, store: Store, goes_on: Callable[[], bool] = lambda: True) -> None:
        """A pass over what is new. goes_on: asked around every part; False ends the pass there.

        Raises:
            Unavailable: the store is away; what was marked stays so.
            ConfigError, ContentError: see `Watched.content`.
        """
        started, begun = self._now(), self._clock()
        content = self._content.content(started)
        done = Passed()

        def progress(so_far: Passed) -> None:
            nonlocal done
            done = so_far
            self._metrics.judging(done.oldest)
            if not goes_on():
                raise Stopped

        try:
            done = detect(store, content.rules, content.sources, progress, True, content.among, self._listens(started))
        except Stopped:
            self._log.info("pass stopped", objects=done.objects)
        finally:
            seconds = self._clock() - begun
            self._metrics.did(done)
        self._metrics.ended(seconds, sum(done.owed.values()))
        if self._told(done) or done.objects or done.signals or done.alerts:
            counts = {"objects": done.objects, "events": done.events, "rules": len(content.rules.own)}
            counts |= {"signals": done.signals, "alerts": len(done.alerts)}
            self._log.info("pass", **counts, errors=len(done.errors), seconds=round(seconds, 3))
            store.record(Pass(started, seconds, **counts, errors=bounded(done.errors), holder=self._holder))

    def _listens(self, now: datetime) -> datetime | None:
        """The time, where somebody's silence is to be looked for again."""
        if self._steady() < LISTENING or self._clock() - self._listened < LISTENING:
            return None
        self._listened = self._clock()
        return now

    def _told(self, done: Passed) -> bool:
        """Tell of rules that err, once as long as they err in the same way; whether that changed."""
        for rule, reason in done.errors.items():
            if self._errors.get(rule) != reason:
                self._log.warning("rule erred", rule=rule, why=reason, owed=done.owed.get(rule, 0))
        before, self._errors = self._errors, dict(done.errors)
        return before != self._errors


def bounded(errors: Mapping[str, str]) -> dict[str, str]:
    """The first of them, short enough to keep, as text that JSON can hold."""
    return {_text(rule): _text(reason) for rule, reason in list(errors.items())[:MOST_ERRORS]}


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:LONGEST_REASON]
