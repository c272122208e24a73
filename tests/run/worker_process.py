"""A process of a worker, over a store that fails as it is told. `PLAN` in the environment is JSON: see `Plan`."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from siem.aws import Queue
from siem.config import load_settings
from siem.errors import Refused, Unavailable
from siem.run.content import load_registry
from siem.run.logs import logger
from siem.run.worker.loop import Loop
from siem.run.worker.signs import Signs
from siem.store import store_folder
from siem.store.embedded import EmbeddedStore
from siem.testing.flaky import FlakyStore


@dataclass
class Plan:
    """die_at: the step at which it is killed. away: seconds that the store is away, from its first commit on.
    refuses, kills: objects whose key has this in it. chance, seed: of a step at which it is away, or is killed.
    jumps: the clock goes to and fro."""

    die_at: int = 0
    away: float = 0
    refuses: str = ""
    kills: str = ""
    chance: float = 0
    seed: int = 0
    jumps: bool = False

    def __post_init__(self) -> None:
        self.steps, self.commits, self.until = 0, 0, 0.0
        self.random = random.Random(self.seed)  # noqa: S311

    def step(self, name: str) -> None:
        """A point at which a process could die."""
        self.steps += 1
        if self.steps == self.die_at or self.random.random() < self.chance / 10:
            os.kill(os.getpid(), signal.SIGKILL)

    def fault(self, name: str, key: str) -> None:
        self.step(name)
        if name == "commit":
            self.commits += 1
            self.until = time.monotonic() + self.away if self.commits == 1 else self.until
        if time.monotonic() < self.until or self.random.random() < self.chance:
            raise Unavailable(f"away on purpose, at {name}")
        if name == "add" and self.kills and self.kills in key:
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "add" and self.refuses and self.refuses in key:
            raise Refused("an event that nobody can store")

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(hours=self.random.uniform(-900, 900) if self.jumps else 0)


def main() -> None:
    settings, plan = load_settings(), Plan(**json.loads(os.environ["PLAN"]))
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    plain = EmbeddedStore(Path(store_folder(settings.store)), step=plan.step)
    with closing(plain):
        Loop(
            [Queue(url) for url in settings.queues],
            FlakyStore(plain, plan.fault),
            load_registry()[0],
            settings,
            Signs(),
            logger(),
            plan.now,
            stopping,
        ).run()


if __name__ == "__main__":
    sys.exit(main())
