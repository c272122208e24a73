"""A bucket, a queue and a store, workers over them, and what has to be there in the end, whatever happened."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from zlib import crc32

from aws import AWS

from siem.store import open_folder
from siem.store.contract import LedgerRow, State, Store
from siem.testing.deliveries import TRAIL, found

PROCESS = Path(__file__).parent / "run" / "worker_process.py"
FOLDER = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01"
PATIENCE = 90.0
"""Seconds until a queue has to be empty."""

SETTINGS = {
    "SIEM_WORKER__SECONDS": "0.2",
    "SIEM_WORKER__PATIENCE": "1",
    "SIEM_WORKER__WAIT": "1",
}
"""So that tests take no longer than they have to."""


def key_of(name: object) -> str:
    return f"{FOLDER}/111122223333_CloudTrail_us-east-1_20261101T0000Z_{name}.json.gz"


def trail(*ids: object) -> bytes:
    """An object of CloudTrail with events of these ids."""
    records = [{"eventVersion": "1.11", "eventID": str(id_), "eventTime": time_of(str(id_))} for id_ in ids]
    return gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)


def time_of(id_: str) -> str:
    """An event that comes again has the same time: else it would be another."""
    minutes, seconds = divmod(crc32(id_.encode()) % 3_600, 60)
    return f"2026-11-01T00:{minutes:02}:{seconds:02}Z"


@dataclass
class World:
    """ids: of the events that have to be stored in the end. cluster: settings of a store that is no folder."""

    aws: AWS
    folder: Path
    name: str
    tries: int | None = 3
    versions: bool = False
    cluster: Mapping[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.queue = self.aws.queue(self.name, visibility=3, tries=self.tries)
        self.bucket = self.aws.bucket(self.name, self.queue, self.versions)
        self.store, self.log = self.folder / "store", self.folder / "log"

    @property
    def dead(self) -> str:
        return f"{self.queue}-dead"

    def put(self, name: object, *more: str, events: int = 3, body: bytes | None = None) -> str:
        """An object with events of its own (and `more`), whose key has this name."""
        ids = [f"{name}-{at}" for at in range(events)] + list(more)
        self.aws.put(self.bucket, key_of(name), trail(*ids) if body is None else body)
        self.ids.update(ids if body is None else ())
        return key_of(name)

    def send(self, body: str) -> None:
        self.aws.sqs.send_message(QueueUrl=self.queue, MessageBody=body)

    def tell(self, *keys: str, bucket: str | None = None) -> None:
        """A notification of these objects, in one message."""
        records = [
            {
                "eventSource": "aws:s3",
                "eventName": "ObjectCreated:Put",
                "s3": {"bucket": {"name": bucket or self.bucket}, "object": {"key": quote_plus(key, safe="/")}},
            }
            for key in keys
        ]
        self.send(json.dumps({"Records": records}))

    def begun(self, *arguments: str, url: str | None = None, **more: str) -> subprocess.Popen[bytes]:
        """`siem worker`. url: where its AWS is."""
        command = [sys.executable, "-m", "siem", "worker", "--queue", self.queue, *arguments]
        return self._process(command, url, {"SIEM_STORE": str(self.store), **more})

    def planned(self, url: str | None = None, more: Mapping[str, str] | None = None, **plan: Any) -> Any:
        """A process over a store that fails by a plan."""
        said = {"SIEM_STORE": str(self.store), "SIEM_QUEUES": self.queue, "PLAN": json.dumps(plan), **(more or {})}
        return self._process([sys.executable, str(PROCESS)], url, said)

    def _process(self, command: Sequence[str], url: str | None, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
        reached = {"AWS_ENDPOINT_URL": url} if url else {}
        env = {**os.environ, "SIEM_BUCKETS": self.bucket, **SETTINGS, **more, **self.cluster, **reached}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, env=env, stderr=log, stdout=subprocess.DEVNULL)

    @contextmanager
    def working(self, *arguments: str, url: str | None = None, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker that lives as long as the block, and has to end well."""
        before = len(self.lines("works"))
        process = self.begun(*(arguments or ("--processes", "1")), url=url, **more)
        until = time.monotonic() + PATIENCE
        while process.poll() is None and len(self.lines("works")) <= before and time.monotonic() < until:
            time.sleep(0.05)
        try:
            yield process
            assert process.poll() is None, self.log.read_text()
        finally:
            assert stopped(process) == 0, self.log.read_text()

    def drained(self, queues: Sequence[str] | None = None, patience: float = PATIENCE) -> None:
        """Wait until nothing is left in the queue."""
        until = time.monotonic() + patience
        while any(self.aws.depth(queue) for queue in queues or [self.queue]):
            assert time.monotonic() < until, self.log.read_text()[-20_000:]
            time.sleep(0.1)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store, for a look at it."""
        with closing(open_folder(self.store)) as store:
            yield store

    def rows(self) -> list[LedgerRow]:
        with self.opened() as store:
            return list(store.ledger().values())

    def states(self) -> Counter[State]:
        return Counter(row.state for row in self.rows())

    def check(self) -> None:
        """Every event is stored, and once; the ledger and the store are of one mind."""
        with self.opened() as store:
            hits, ledger = found(store, TRAIL), store.ledger()
        seen = Counter(hit.event_id for hit in hits)
        assert {id_: count for id_, count in seen.items() if count > 1} == {}
        assert self.ids - seen.keys() == set()
        assert seen.keys() - self.ids == set()
        by_object = Counter(hit.object for hit in hits)
        for id_, row in ledger.items():
            assert row.events - row.duplicates == by_object[id_], row

    def lines(self, what: str) -> list[dict[str, Any]]:
        """What workers said of that kind."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["what"] == what]


def stopped(process: subprocess.Popen[bytes]) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(60)
    finally:
        process.kill()
