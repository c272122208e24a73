"""Jobs that one process does again and again: whichever holds the lease.

APScheduler says when, and keeps nothing. What there is to do is in the store, so ticks that are missed, late or too
many cost time and nothing else. It goes by the wall clock: when that jumps, all jobs are set anew.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from siem.config import Settings
from siem.errors import ConfigError, SiemError, Unavailable
from siem.run.clocks import Steadiness
from siem.run.detection import Detection
from siem.run.leases import LEASE, Standing, Tenure
from siem.run.metrics import Metrics
from siem.run.notifying.posting import TIMEOUT
from siem.run.notifying.sender import Sender, notify
from siem.run.troubles import Troubles
from siem.run.upkeep import compact, drop_old, seal_new
from siem.run.watching import Watched
from siem.store import existing_store
from siem.store.contract import Store

LOOK = 0.5
"""Seconds between two looks at the clock, and at whether to end."""

NOTIFY = 10.0
"""Seconds between two looks at what is to be told."""

HOUR, DAY = 3_600.0, 86_400.0

STEADY = 3_000.0
"""Seconds that the clock has to go on without a jump before anything is dropped for its age."""

OURS = "scheduler"
"""The lease's name, and that of what is done for it."""


@dataclass(frozen=True)
class Job:
    """every: seconds between two runs. after: seconds from the beginning to the first one."""

    name: str
    every: float
    after: float
    work: Callable[[Store], None]


class Every(BaseTrigger):  # type: ignore[misc]
    """So many seconds after the last run was begun. APScheduler's own trigger goes through all that was missed, one by
    one: 400 days of a clock that jumped are half a million minutes."""

    def __init__(self, seconds: float) -> None:
        self._interval = timedelta(seconds=seconds)

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        return now + self._interval


@dataclass
class Clocks:
    """The time, and monotonic seconds."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    steadiness: Steadiness = field(init=False)

    def __post_init__(self) -> None:
        self.steadiness = Steadiness(self.now, self.clock)

    def steady(self) -> float:
        """Seconds since the time jumped, or was first looked at."""
        return self.clock() - self.steadiness.since()


class Scheduler:
    """One process. opened: gives the store to a job (its name), which has it for itself. log: of structlog.

    lease: see `leases.LEASE`.
    """

    def __init__(
        self,
        settings: Settings,
        opened: Callable[[str], Store],
        log: Any,
        clocks: Clocks | None = None,
        lease: float = LEASE,
    ) -> None:
        self._clocks, self._opened, self._log = clocks or Clocks(), opened, log
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.metrics = Metrics(self._clocks.now, self._clocks.clock)
        self._tenure = Tenure(OURS, self.holder, self._clocks.clock, lease)
        self._troubles = Troubles(log, self._clocks.clock)
        self._sender = Sender(self._clocks.now, log, self.metrics.told)
        self._jobs = self._made(settings)
        self._stores: dict[str, Store] = {}
        self._standing: Standing | None = None
        self._turned = self._clocks.clock()
        self._was_there = self._ending = False

    def end(self) -> None:
        """Let `run` come to its end, behind the part in hand. May be called by a signal's handler."""
        self._ending = True

    def silence(self) -> float:
        """Seconds since the loop came round that tends the lease."""
        return self._clocks.clock() - self._turned

    def waits(self) -> dict[str, str]:
        """Why jobs cannot be done now; who waits for the lease has none to do."""
        standing = self._troubles.standing()
        return {job: why for job, why in standing.items() if job == OURS or self._tenure.holds}

    def run(self) -> None:
        """Do the jobs until `end` is called, and give the lease back.

        Raises:
            ConfigError: there is no store, or a setting cannot work.
        """
        self._look_for_the_store()
        timer = self._timer()
        timer.start()
        try:
            self._watch(timer)
        finally:
            timer.shutdown(wait=True)
            self._sender.wait(TIMEOUT)  # what is taken and not noted would be sent again
            self._leave()

    def _made(self, settings: Settings) -> Sequence[Job]:
        """What is done. Reports belong here too."""
        content = Watched(
            settings.content, settings.detect.live_window, lambda what, why: self._log.warning(what, why=why)
        )
        detection = Detection(
            content, self.metrics, self.holder, self._clocks.now, self._clocks.clock, self._log, self._clocks.steady
        )
        return (
            Job("detect", settings.scheduler.detect, 0, lambda store: detection.tick(store, self._goes_on)),
            Job("notify", NOTIFY, NOTIFY, lambda store: notify(store, content, self._sender, self._goes_on)),
            Job("compact", HOUR, 60, lambda store: compact(store, self._clocks.now(), self._log)),
            Job("seal", DAY, HOUR, lambda store: seal_new(store, settings, self._clocks.now(), self._log)),
            Job("retain", DAY, HOUR, lambda store: self._retain(store, settings)),
        )

    def _retain(self, store: Store, settings: Settings) -> None:
        """Not soon after the clock jumped: one that is a year ahead for a moment must not cost a year of events."""
        if self._clocks.steady() >= STEADY:
            drop_old(store, settings.retention, settings.content, self._clocks.now(), self._log)

    def _look_for_the_store(self) -> None:
        try:
            self._store(OURS)
        except Unavailable as error:
            self._troubles.met(OURS, error)

    def _timer(self) -> Any:
        """A thread for each job: a long compaction does not keep detection waiting."""
        timer = BackgroundScheduler(
            timezone=UTC,
            executors={job.name: ThreadPoolExecutor(1) for job in self._jobs},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        for job in self._jobs:
            timer.add_job(self._run, Every(job.every), [job], id=job.name, executor=job.name)
        return timer

    def _watch(self, timer: Any) -> None:
        """Tend the lease while jobs run, and begin anew where this process takes over, or the clock jumps."""
        steady, due = self._clocks.steadiness.since(), self._clocks.clock()
        while not self._ending:
            self._turned = self._clocks.clock()
            if self._clocks.clock() >= due:
                due = self._clocks.clock() + self._tenure.beat
                if self._tend():
                    self._begin(timer)
            if steady != self._clocks.steadiness.since():
                steady = self._clocks.steadiness.since()
                self._log.warning("clock jumped")
                self._begin(timer)
            self.metrics.held(self._tenure.holds)
            time.sleep(min(LOOK, self._tenure.beat))

    def _begin(self, timer: Any) -> None:
        """All jobs as from a start, whatever the clock said before."""
        for job in self._jobs:
            timer.modify_job(job.name, next_run_time=self._clocks.now() + timedelta(seconds=job.after))

    def _tend(self) -> bool:
        """Whether this process has the lease now, and had not before."""
        try:
            standing = self._tenure.tend(self._store(OURS))
        except Exception as error:  # noqa: BLE001  (the outermost loop)
            self._failed(OURS, error)
            return False
        self._troubles.over(OURS)
        if standing is not Standing.HELD:
            self.metrics.judging(None)  # that is for the other one to say
        before, self._standing = self._standing, standing
        if standing is not before:
            self._log.info("lease", standing=standing.value, holder=self.holder)
        return standing is Standing.HELD and before is not Standing.HELD

    def _goes_on(self) -> bool:
        return not self._ending and self._tenure.holds

    def _run(self, job: Job) -> None:
        """A run, in the job's thread; nothing where another process has the lease."""
        if not self._goes_on():
            return
        try:
            job.work(self._store(job.name))
        except Exception as error:  # noqa: BLE001  (the outermost loop)
            self._failed(job.name, error)
        else:
            self._troubles.over(job.name)

    def _failed(self, job: str, error: Exception) -> None:
        """The next run opens the store anew."""
        self.metrics.failed(job)
        self._troubles.met(job, error)
        if (store := self._stores.pop(job, None)) is not None:
            store.close()

    def _store(self, job: str) -> Store:
        """What the job has opened; that there is none is an outage, once there was one."""
        if job not in self._stores:
            try:
                self._stores[job] = self._opened(job)
            except ConfigError as error:
                if self._was_there:
                    raise Unavailable(str(error)) from error
                raise
            self._was_there = True
        return self._stores[job]

    def _leave(self) -> None:
        try:
            self._tenure.give_back(self._store(OURS))
        except SiemError as error:  # others see that it is not renewed
            self._troubles.met(OURS, error)
        for store in self._stores.values():
            store.close()


def opening(settings: Settings) -> Callable[[str], Store]:
    """How a scheduler opens the store. The lease's requests are not repeated: the next beat comes soon."""
    hasty = {"patience": 0.0, "timeout": min(settings.opensearch.timeout, LEASE / 3)}
    brief = settings.model_copy(update={"opensearch": settings.opensearch.model_copy(update=hasty)})
    return lambda job: existing_store(brief if job == OURS else settings)
