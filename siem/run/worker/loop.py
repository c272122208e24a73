"""The loop of one process: receive, fetch, write, commit, delete; in this order, so that nothing is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from queue import Empty
from typing import Any

from tenacity import (
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from siem.aws import Queue
from siem.config import Settings
from siem.errors import ConfigError, Denied, Unavailable, Withheld
from siem.parsing import Registry
from siem.run.taking import Commit, Taking
from siem.run.worker.fetching import TICK, Fetching, Held
from siem.run.worker.letters import Letters
from siem.run.worker.signs import Signs
from siem.schema import SourceObject
from siem.store.contract import LedgerRow, State, Store

LONGEST_WAIT = 10.0
"""Seconds between attempts at most."""


SUSPECT = 3
"""Times that a message was received from which on its objects are written alone: they may be what kills processes."""

DIED = "a process died while it had this object"


class Account:
    """What objects of a batch came to."""

    def __init__(self, log: Any, signs: Signs) -> None:
        self._log, self._signs = log, signs
        self.failed: dict[tuple[str, str], str] = {}

    def knew(self, source: SourceObject) -> None:
        self._signs.count("objects", of="known")
        self._log.info("known", object=source.id, bucket=source.bucket, key=source.key)

    def differs(self, source: SourceObject) -> None:
        self._log.info("other bytes", object=source.id, bucket=source.bucket, key=source.key, version=source.version)

    def committed(self, row: LedgerRow, commit: Commit) -> None:
        if not commit.made(row):
            self.knew(SourceObject(row.bucket, row.key, row.version))
            return
        self._signs.committed(row)
        say = self._log.info if row.state in (State.COMMITTED, State.UNRECOGNISED) else self._log.warning
        names = ("object", "bucket", "key", "version", "dataset", "bytes", "records", "events", "rejects", "skipped")
        about = {name: getattr(row, name) for name in (*names, "duplicates", "reason")}
        say("object", state=row.state.value, **about)
        if row.state is State.FAILED:
            self.failed[row.bucket, row.key] = row.reason or "failed"


class Unheard:
    """Nobody has to know."""

    def knew(self, source: SourceObject) -> None: ...
    def differs(self, source: SourceObject) -> None: ...


class Loop:
    """A process's work. `store` is closed by the caller; `now` is the time, aware."""

    def __init__(
        self,
        queues: Sequence[Queue],
        store: Store,
        registry: Registry,
        settings: Settings,
        signs: Signs,
        log: Any,
        now: Callable[[], datetime],
        stopping: threading.Event,
    ) -> None:
        self._queues, self._settings, self._signs, self._log = queues, settings, signs, log
        self._stopping, self._ended = stopping, threading.Event()
        self._taking = Taking(store, registry, settings, self._time, signs.turn)
        self._now, self._oldest = now, 0.0
        self._letters = Letters(settings, signs, log)
        self._fetching = Fetching(settings, signs, stopping)
        self._can_write = threading.Event()
        self._can_write.set()
        self._suspects: list[Held] = []
        self._broken: Exception | None = None

    def run(self) -> None:
        """Work until `stopping` is set; then finish what is being written, and give everything else back."""
        receivers = [self._begun(self._receive, queue) for queue in self._queues]
        for _ in range(self._settings.worker.threads):
            self._begun(self._fetching.run)
        self._begun(self._keep)
        self._begun(self._hurry)
        try:
            self._go_round()
        finally:
            self._stopping.set()
            for receiver in receivers:
                receiver.join()
            self._letters.give_back()
            self._ended.set()
        if self._broken is not None:
            raise self._broken

    def _go_round(self) -> None:
        while not self._stopping.is_set():
            self._signs.turn()
            if batch := self._batch():
                self._work(batch, self._write)
            self._work_suspects()

    def _begun(self, function: Callable[..., None], *given: Any) -> threading.Thread:
        """A thread that does this; if it breaks, so does all of the process."""

        def guarded() -> None:
            try:
                function(*given)
            except Exception as error:  # noqa: BLE001  (an outermost loop: of one thread)
                self._log.error("broken", error=_told(error))
                self._broken = error
                self._stopping.set()

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    def _receive(self, queue: Queue) -> None:
        """Messages of a queue, as long as there is room for them and they can be written."""
        attempts, settings = self._attempts(f"queue {queue.url}"), self._settings.worker
        try:
            attempts(queue.terms)
        except RetryError:
            return
        visibility = self._letters.visibility(queue)
        while not self._stopping.is_set():
            if not (room := self._letters.room) or not self._can_write.is_set():
                self._stopping.wait(TICK)
                continue
            try:
                messages = attempts(queue.receive, room, settings.wait, visibility)
            except RetryError:
                return
            for message in messages:
                for errand in self._letters.opened(queue, message):
                    self._fetching.wanted.put(errand)

    def _keep(self) -> None:
        """Hide what is held again and again, before others get it."""
        while not self._ended.wait(TICK):
            try:
                self._letters.extend(time.monotonic())
            except (Unavailable, ConfigError) as error:
                self._log.warning("not hidden any longer", error=str(error))

    def _hurry(self) -> None:
        """End the process where a stop takes too long: what is not committed is as if it had never begun."""
        self._stopping.wait()
        if not self._ended.wait(self._settings.worker.grace):
            self._log.warning("stopped before it was through")
            self._letters.give_back()
            os._exit(0)

    def _batch(self) -> list[Held]:
        """What is written together: by bytes, count and age. Suspects are put aside."""
        most, batch, size, until = self._settings, list[Held](), 0, 0.0
        while not self._stopping.is_set():
            left = until - time.monotonic() if batch else TICK
            if left <= 0 or size >= most.worker.bytes or len(batch) >= most.batching.objects:
                break
            try:
                held = self._fetching.ready.get(timeout=min(left, TICK))
            except Empty:
                if not batch:
                    break
                continue
            if held.errand.letter.message.received >= SUSPECT:
                self._suspects.append(held)
                if not batch:
                    break
                continue
            until = until or time.monotonic() + most.worker.seconds
            batch.append(held)
            size += held.size
        return batch

    def _work(self, batch: Sequence[Held], write: Callable[[Sequence[Held]], None]) -> None:
        """Write, commit, and let go of messages; again and again while the store is away."""
        try:
            self._attempts("the store", self._can_write)(write, batch)
        except RetryError:
            pass  # it is to stop: given back
        finally:
            for held in batch:
                self._fetching.done(held)

    def _work_suspects(self) -> None:
        """One after the other, and those last, when there is nothing else to do, that a process died with before."""
        if not self._suspects:
            return
        try:
            accused = self._attempts("the store", self._can_write)(self._accused)
        except RetryError:
            return
        for held in sorted(self._suspects, key=lambda held: held.source.id in accused):
            if self._stopping.is_set() or (held.source.id in accused and not self._fetching.is_idle):
                return
            self._suspects.remove(held)
            if held.source.id in accused and self._letters.is_last(held.errand.letter):
                held = replace(held, problem=Withheld(DIED))
            self._work([held], self._write_suspect)

    def _accused(self) -> set[str]:
        """Suspects that a process died with when it had no other object."""
        rows = self._taking.store.ledger([held.source.id for held in self._suspects])
        return {id_ for id_, row in rows.items() if row.state is State.FAILED and row.reason == DIED}

    def _write_suspect(self, alone: Sequence[Held]) -> None:
        """Write an object that may be what kills processes. The ledger says so first: if it is true nobody else would.
        It is tried as long as the queue has patience, since somebody may just kill processes."""
        (held,) = alone
        if held.problem is None:
            accused, self._oldest = replace(held, problem=Withheld(DIED)), held.begun
            for _ in self._taking.commits([(held.source, accused)], Unheard()):
                pass
        self._write([held])

    def _write(self, batch: Sequence[Held]) -> None:
        """Commit a batch, and settle its errands. If something breaks on the way that is no outage, some of its objects
        are at fault, and each is tried alone.

        Raises:
            Unavailable, ConfigError: the store is away; try again.
        """
        try:
            self._settle(batch)
        except (Unavailable, ConfigError):
            raise
        except Exception as error:  # noqa: BLE001  (an outermost loop: of one batch)
            self._write_each(batch, error)

    def _write_each(self, batch: Sequence[Held], first: Exception) -> None:
        """Every object alone. Where none of several can be written the store is at fault, whatever it says."""
        broken: list[tuple[Held, Exception]] = [(batch[0], first)] if len(batch) == 1 else []
        for held in batch if len(batch) > 1 else ():
            try:
                self._settle([held])
            except (Unavailable, ConfigError):
                raise
            except Exception as error:  # noqa: BLE001  (an outermost loop: of one object)
                broken.append((held, error))
        if len(broken) == len(batch) > 1:
            raise Unavailable(_told(first)) from first
        for held, why in broken:
            self._settle([replace(held, problem=Withheld(_told(why)))])

    def _settle(self, batch: Sequence[Held]) -> None:
        """Commit, and only then settle the errands."""
        account = Account(self._log, self._signs)
        self._oldest = min(held.begun for held in batch)
        for commit in self._taking.commits([(held.source, held) for held in batch], account):
            for row in commit.rows:
                account.committed(row, commit)
        self._letters.settled([(held.errand, _trouble(held, account)) for held in batch])

    def _time(self) -> datetime:
        """When a commit was begun: when the oldest of its objects was asked for. `siem ingest` takes an object that S3
        wrote before, and that has the size, for the one that was committed."""
        return self._now() - timedelta(seconds=time.monotonic() - self._oldest)

    def _attempts(self, what: str, able: threading.Event | None = None) -> Callable[..., Any]:
        """Calls a function until it can work, or until a stop (RetryError); `able` is clear while it cannot."""

        def told(state: RetryCallState) -> None:
            if able is not None:
                able.clear()
            why = str(state.outcome.exception()) if state.outcome else ""
            if self._signs.waits(what, why):
                self._log.warning("waits", what_for=what, why=why)
            self._signs.turn()

        def call(function: Callable[..., Any], *given: Any) -> Any:
            answer = Retrying(
                retry=retry_if_exception_type((Unavailable, ConfigError)),
                wait=wait_random_exponential(0.2, LONGEST_WAIT),
                stop=lambda state: self._stopping.is_set(),
                sleep=sleep_using_event(self._stopping),
                before_sleep=told,
            )(function, *given)
            if able is not None:
                able.set()
            if self._signs.waits(what, None):
                self._log.warning("goes on", what_for=what)
            return answer

        return call


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _trouble(held: Held, account: Account) -> str | None:
    """Why an object came to nothing that may come to something another time."""
    if isinstance(held.problem, Denied | Withheld):
        return str(held.problem)
    return account.failed.get((held.source.bucket, held.source.key))
