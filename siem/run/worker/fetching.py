"""Objects from S3, several at a time, ahead of who writes them, in memory that does not grow with the queue."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from queue import Empty, Queue

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from siem.aws import S3
from siem.config import Access, Settings
from siem.errors import ConfigError, Denied, Gone, SiemError, Unavailable, UsageError, Withheld
from siem.intake.content import Delivered
from siem.intake.notification import Named
from siem.intake.objects import fetched
from siem.run.worker.letters import Errand
from siem.run.worker.signs import Signs
from siem.schema import SourceObject

AHEAD = 4
"""Objects that are fetched ahead may be so many times the bytes of one write."""

LONGEST_WAIT = 10.0
"""Seconds between attempts at most."""

TICK = 0.2
"""Seconds after which a thread that waits looks whether it shall end."""


@dataclass(frozen=True, eq=False)
class Held:
    """An object that was fetched, or could not be. An opener that may be used again and again, until `close`.

    begun: when S3 was asked for it, monotonic seconds.
    """

    errand: Errand
    content: Delivered | None = None
    problem: SiemError | None = None
    size: int = 0
    kept: ExitStack = field(default_factory=ExitStack)
    begun: float = field(default_factory=time.monotonic)

    @property
    def source(self) -> SourceObject:
        """Its identity is that of its key, and of its bytes if the ledger has others: never S3's version."""
        return SourceObject(self.errand.named.bucket, self.errand.named.key)

    def __call__(self) -> AbstractContextManager[Delivered]:
        if self.problem is not None:
            raise self.problem
        assert self.content is not None  # noqa: S101  (one of both is there)
        return nullcontext(self.content)

    def unchanged(self, size: int, since: datetime) -> bool:
        """A message may be about any version, so only bytes tell."""
        return False

    def close(self) -> None:
        self.kept.close()


class Room:
    """Bytes of objects that were fetched and are not written yet, in memory or in files."""

    def __init__(self, most: int) -> None:
        self._most, self._used, self._free = most, 0, threading.Condition()

    def enter(self, size: int, stopping: threading.Event) -> bool:
        """Wait for room. What is larger than all of it has it for itself. False: it is to stop."""
        with self._free:
            while self._used and self._used + size > self._most:
                if stopping.is_set():
                    return False
                self._free.wait(TICK)
            self._used += size
            return True

    def leave(self, size: int) -> None:
        with self._free:
            self._used -= size
            self._free.notify_all()


class Fetching:
    """Fetches what is put into `wanted`, and puts it into `ready`: `run`, in any number of threads."""

    def __init__(self, settings: Settings, signs: Signs, stopping: threading.Event) -> None:
        self._settings, self._signs, self._stopping = settings, signs, stopping
        self.wanted: Queue[Errand] = Queue()
        self.ready: Queue[Held] = Queue()
        self._room = Room(AHEAD * settings.worker.bytes)
        self._had = 0.0
        self._client = cache(lambda access: S3(settings.worker.threads, access))

    @property
    def is_idle(self) -> bool:
        """Nothing waits to be fetched or taken."""
        return self.wanted.empty() and self.ready.empty()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                errand = self.wanted.get(timeout=TICK)
            except Empty:
                continue
            held = self._held(errand)
            if held is not None and self._room.enter(held.size, self._stopping):
                self.ready.put(held)

    def done(self, held: Held) -> None:
        """It is not needed any more."""
        held.close()
        self._room.leave(held.size)

    def _held(self, errand: Errand) -> Held | None:
        """The object, or why it cannot be had; None: it is to stop before that is known."""
        if errand.problem is not None:
            return Held(errand, problem=errand.problem)
        since = time.monotonic()
        attempts = Retrying(
            retry=retry_if_exception_type((Unavailable, ConfigError)),
            wait=wait_random_exponential(0.2, LONGEST_WAIT),
            stop=lambda state: self._is_vain(since),
            sleep=sleep_using_event(self._stopping),
            before_sleep=self._tell,
        )
        try:
            held = attempts(self._fetched, errand)
        except (Gone, Denied) as problem:
            held = Held(errand, problem=problem)
        except UsageError as problem:  # no bucket can have that name, no key that form
            held = Held(errand, problem=Denied(str(problem)))
        except RetryError as vain:
            if self._stopping.is_set():
                return None
            return Held(errand, problem=Withheld(str(vain.last_attempt.exception())))
        self._had = time.monotonic()
        self._signs.waits("S3", None)
        return held

    def _is_vain(self, since: float) -> bool:
        """Stop: or this object alone cannot be had for so long that it must be at fault."""
        patience = self._settings.worker.patience
        return self._stopping.is_set() or (time.monotonic() - since > patience and self._had > since)

    def _tell(self, state: RetryCallState) -> None:
        if state.outcome is not None:
            self._signs.waits("S3", str(state.outcome.exception()))
        self._signs.count("fetches_repeated")

    def _fetched(self, errand: Errand) -> Held:
        named, begun = errand.named, time.monotonic()
        with ExitStack() as stack:
            content = stack.enter_context(self._opened(named))
            given = content.delivered
            size = len(given) if isinstance(given, bytes) else given.stat().st_size
            return Held(errand, content, size=size, kept=stack.pop_all(), begun=begun)

    def _opened(self, named: Named) -> AbstractContextManager[Delivered]:
        access: Access = self._settings.access_to(named.bucket)
        source = SourceObject(named.bucket, named.key, named.version)
        return fetched(self._client(access), source, self._settings.limits)
