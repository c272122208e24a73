"""One process per core: they are begun, looked after, begun again when they die, and stopped together."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from siem.allocator import settle
from siem.aws import Queue
from siem.config import Settings
from siem.errors import ConfigError, SiemError, Unavailable
from siem.parsing import Registry
from siem.run.content import load_registry
from siem.run.logs import logger, pass_on
from siem.run.worker.loop import Loop
from siem.run.worker.signs import Signs, Snapshot
from siem.store import open_store
from siem.store.contract import Store

BEAT = 1.0
"""Seconds between two signs of life."""

SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds until a process that died is begun again; twice as long each time, unless it lived for longer than these."""

KILL_AFTER = 15.0
"""Seconds beyond `worker.grace` after which a process that does not end is killed."""


@dataclass
class Child:
    """A process and what it said last."""

    process: BaseProcess
    signs: Connection
    begun: float = field(default_factory=time.monotonic)
    said: Snapshot = field(default_factory=Snapshot)
    heard: float = field(default_factory=time.monotonic)


class Processes:
    """All processes of a worker. `report` is what they and those before them said."""

    def __init__(self, settings: Settings, count: int, log: Any, stopping: threading.Event) -> None:
        self._settings, self._count, self._log = settings, count, log
        self._context = multiprocessing.get_context("spawn")
        self._children: list[Child] = []
        self._past: list[Snapshot] = []
        self._pause = SHORTEST_PAUSE
        self.restarts = 0
        self._stopping = stopping

    def run(self) -> int:
        """Until `stopping` is set, or a setting turns out to be wrong; the exit code."""
        self._children = [self._begun() for _ in range(self._count)]
        code = 0
        while not self._stopping.is_set() and not code:
            wait([*(child.process.sentinel for child in self._children), *self._open()], timeout=BEAT)
            self._listen()
            code = self._look()
        self._stop()
        return code

    def snapshots(self) -> list[Snapshot]:
        """What processes said last: those that live, then those that ended."""
        return [*self.living(), *self._past]

    def living(self) -> list[Snapshot]:
        """What those said last that live."""
        return [child.said for child in list(self._children)]

    def silence(self) -> float:
        """Seconds since the loop of any process came round, at most."""
        now = time.monotonic()
        return max((now - child.heard + child.said.turn for child in list(self._children)), default=0.0)

    def waits(self) -> dict[str, str]:
        """Why processes cannot work now."""
        found: dict[str, str] = {}
        for child in list(self._children):
            found |= child.said.waits if child.said.begun else {"start": "a process is beginning"}
        return found

    def _begun(self) -> Child:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(self._settings, theirs), daemon=False)
        process.start()
        theirs.close()
        return Child(process, ours)

    def _open(self) -> list[Connection]:
        return [child.signs for child in self._children if not child.signs.closed]

    def _listen(self) -> None:
        for child in self._children:
            try:
                while not child.signs.closed and child.signs.poll():
                    child.said, child.heard = child.signs.recv(), time.monotonic()
            except (EOFError, OSError):
                child.signs.close()

    def _look(self) -> int:
        """Begin again what died; the exit code of a process that found a setting to be wrong, else 0."""
        for at, child in enumerate(self._children):
            if child.process.is_alive():
                continue
            code = child.process.exitcode or 0
            if self._stopping.is_set():
                return 0
            if code == ConfigError.exit_code:
                return code
            self._children[at] = self._again(child, code)
        return 0

    def _again(self, child: Child, code: int) -> Child:
        self._past.append(child.said)
        self.restarts += 1
        self._pause = SHORTEST_PAUSE if time.monotonic() - child.begun > LONGEST_PAUSE else self._pause
        self._log.error("a process died", died=child.process.pid, code=code, again_in=self._pause)
        self._stopping.wait(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        return self._begun()

    def _stop(self) -> None:
        for child in self._children:
            child.process.terminate()
        until = time.monotonic() + self._settings.worker.grace + KILL_AFTER
        for child in self._children:
            child.process.join(max(0.0, until - time.monotonic()))
            if child.process.is_alive():
                self._log.error("a process does not end, and is killed", killed=child.process.pid)
                child.process.kill()
                child.process.join()
        self._listen()


def work(settings: Settings, signs_to: Connection) -> None:
    """What a process does. It ends with SIGTERM, and when whoever began it has died."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all: the first process tells the others
    settle()
    log, signs = logger(), Signs()
    pass_on(log)
    threading.Thread(target=_stop_with_parent, args=(stopping,), daemon=True).start()
    threading.Thread(target=_beat, args=(signs, signs_to), daemon=True).start()
    try:
        _loop(settings, signs, log, stopping)
    except SiemError as error:
        log.error("ends", error=str(error))
        raise SystemExit(error.exit_code) from error
    _say(signs, signs_to)


def _loop(settings: Settings, signs: Signs, log: Any, stopping: threading.Event) -> None:
    registry, _ = load_registry(settings.content)
    queues: Sequence[Queue] = [Queue(url) for url in settings.queues]
    store = _opened(settings, registry, signs, stopping)
    if store is None:
        return
    with closing(store):
        log.info("works", queues=[queue.url for queue in queues])
        Loop(queues, store, registry, settings, signs, log, lambda: datetime.now(UTC), stopping).run()
    log.info("ended")


def _opened(settings: Settings, registry: Registry, signs: Signs, stopping: threading.Event) -> Store | None:
    """The store, as soon as it is there; None: it is to stop before."""

    def told(state: RetryCallState) -> None:
        signs.waits("the store", str(state.outcome and state.outcome.exception()))

    attempts = Retrying(
        retry=retry_if_exception_type(Unavailable),
        wait=wait_random_exponential(0.5, LONGEST_PAUSE),
        stop=lambda state: stopping.is_set(),
        sleep=sleep_using_event(stopping),
        before_sleep=told,
    )
    try:
        store: Store = attempts(open_store, settings, registry.fields)
    except RetryError:
        return None
    signs.waits("the store", None)
    return store


def _beat(signs: Signs, to: Connection) -> None:
    while True:
        _say(signs, to)
        time.sleep(BEAT)


def _say(signs: Signs, to: Connection) -> None:
    with suppress(OSError):
        to.send(signs.snapshot())


def _stop_with_parent(stopping: threading.Event) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        stopping.set()
