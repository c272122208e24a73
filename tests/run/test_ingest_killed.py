"""`siem ingest` and `siem detect` killed, begun again, side by side: in the end all is as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from siem.schema import Query
from siem.store import open_folder
from siem.store.contract import LedgerRow

pytestmark = pytest.mark.slow

OBJECTS, TOGETHER = 240, 4
KILLED = -9
TRAIL = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01"

COMMITTED = "SELECT count(*) FROM objects"
JUDGED = "SELECT coalesce(max(turn), 0) FROM marks"

RULE = """\
title: A console login
id: 6b1a7d6e-6d5c-4f3f-9a52-0c1f5b6f7a10
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection
level: low
"""


@dataclass(frozen=True)
class World:
    """A bucket, a rule, and the command over them."""

    folder: Path

    def begun(self, *arguments: object) -> subprocess.Popen[bytes]:
        """A few objects a commit, so that there are many moments to die at."""
        command = [sys.executable, "-m", "siem", *map(str, arguments)]
        settings = {"SIEM_BATCHING__OBJECTS": str(TOGETHER)}
        return subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def ingesting(self, store: Path) -> subprocess.Popen[bytes]:
        return self.begun("ingest", self.folder / "bucket", "--store", store)

    def detecting(self, store: Path) -> subprocess.Popen[bytes]:
        return self.begun("detect", "--rules", self.folder / "login.yml", "--store", store)


@dataclass(frozen=True)
class Seen:
    """What a reader sees, but for when it was written."""

    ledger: dict[str, LedgerRow]
    events: list[dict[str, Any]]
    rejects: list[Any]
    signals: int
    alerts: list[Any]

    def within(self, other: Seen) -> bool:
        """Every object is as it is there, with all of its events and rejects, or it is not here at all."""
        here = {id_: other.ledger[id_] for id_ in self.ledger}
        events = [event for event in other.events if event["siem.object"] in here]
        rejects = [reject for reject in other.rejects if reject.object in here]
        return self.ledger == here and self.events == events and self.rejects == rejects


def seen(folder: Path) -> Seen:
    store = open_folder(folder)
    ledger = {id_: replace(row, committed=None) for id_, row in store.ledger().items()}
    hits = store.search([Query("aws.cloudtrail", "TRUE")], documents=True)
    events = [{name: value for name, value in (hit.document or {}).items() if name != "event.ingested"} for hit in hits]
    found = Seen(
        ledger,
        sorted(events, key=lambda event: str(event["event.id"])),
        sorted(store.rejects(), key=lambda stored: (stored.key, stored.reject.ordinal)),
        asked(folder, "SELECT count(*) FROM signals"),
        store.alerts(),
    )
    for sums in store.stats():
        assert sums.records == sums.events + sums.duplicates + sums.rejects + sums.skipped
    store.close()
    return found


def asked(folder: Path, question: str) -> int:
    """A number from the ledger's file; 0 while it is being made."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'ledger.sqlite'}?mode=ro", uri=True, timeout=5)) as connection:
            number: int = connection.execute(question).fetchone()[0]
            return number
    except sqlite3.OperationalError as error:
        if "no such table" in str(error) or "unable to open" in str(error):
            return 0
        raise


def unnamed(folder: Path) -> list[Path]:
    """Files of events that no reader sees."""
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        named = {folder / name for (name,) in connection.execute("SELECT name FROM files")}
    return sorted(path for path in folder.glob("**/*.parquet") if path not in named)


def killed_on_its_way(process: subprocess.Popen[bytes], far_enough: Callable[[], bool], wait: float) -> bool:
    """Kill it a moment after it has come so far; False: it ended by itself before."""
    while process.poll() is None and not far_enough():
        time.sleep(0.002)
    time.sleep(wait)
    process.kill()
    code = process.wait()
    assert code in (0, KILLED)
    return code == KILLED


def record(number: int, at: int) -> dict[str, Any]:
    """A call of a user; some cannot be read."""
    if (number + at) % 17 == 0:
        return {"eventVersion": "1.11", "eventTime": "never"}
    return {
        "eventVersion": "1.11",
        "eventID": f"event {number}-{at}",
        "eventTime": f"2026-11-01T{number % 24:02}:{number // 24:02}:{at:02}Z",
        "eventName": "ConsoleLogin" if at % 2 else "ListBuckets",
        "recipientAccountId": "111122223333",
        "userIdentity": {"type": "IAMUser", "userName": f"user {number % 5}"},
    }


def records(number: int) -> list[dict[str, Any]]:
    """Of an object: every third repeats a record of the one before, every tenth has the bytes of the one before."""
    if number % 10 == 9:
        return records(number - 1)
    own = [record(number, at) for at in range(6)]
    return [record(number - 1, 1), *own] if number % 3 == 1 else own


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    room = folder / "bucket" / TRAIL
    room.mkdir(parents=True)
    for number in range(OBJECTS):
        path = room / f"111122223333_CloudTrail_us-east-1_20261101T0000Z_{number:016}.json"
        path.write_text(json.dumps({"Records": records(number)}))
        if number % 40 == 0:
            (room / f"{number}.txt").write_text("no log")
    (folder / "login.yml").write_text(RULE)
    return World(folder)


@pytest.fixture(scope="module")
def undisturbed(world: World) -> Seen:
    store = world.folder / "undisturbed"
    assert world.ingesting(store).wait() == 0
    assert world.detecting(store).wait() == 0
    return seen(store)


def test_the_undisturbed_run_has_something_of_everything(undisturbed: Seen) -> None:
    rows = undisturbed.ledger.values()
    assert len(rows) == OBJECTS + 6
    assert len(undisturbed.events) == sum(row.events - row.duplicates for row in rows) > 1_000
    assert all(sum(getattr(row, count) for row in rows) > 20 for count in ("rejects", "duplicates"))
    assert len(undisturbed.alerts) > 10


def test_ingest_killed_again_and_again_ends_like_an_undisturbed_one(
    world: World, undisturbed: Seen, tmp_path: Path
) -> None:
    chance, store, kills = random.Random(1), tmp_path / "store", 0  # noqa: S311
    while len(so_far := seen(store).ledger) < len(undisturbed.ledger):
        goal = len(so_far) + chance.randint(2, 22) * TOGETHER
        process = world.ingesting(store)
        kills += killed_on_its_way(process, lambda: asked(store, COMMITTED) > goal, chance.uniform(0, 0.03))  # noqa: B023
        assert seen(store).within(undisturbed)
    assert kills >= 2
    assert world.ingesting(store).wait() == 0
    assert world.detecting(store).wait() == 0
    assert seen(store) == undisturbed


def test_what_a_killed_ingest_left_behind_is_removed(world: World, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for number in range(1, 4):
        killed_on_its_way(world.ingesting(store), lambda: asked(store, COMMITTED) > 8 * number, 0.005)  # noqa: B023
    (tmp_path / "store" / "tmp" / f"{'0' * 32}.parquet").write_bytes(b"PAR1 cut off")
    for path in unnamed(store):
        os.utime(path, (time.time() - 7200,) * 2)
    before = seen(store)
    assert world.ingesting(store).wait() == 0
    assert unnamed(store) == []
    assert before.within(seen(store))


def test_detect_killed_again_and_again_gives_the_same_alerts(world: World, undisturbed: Seen, tmp_path: Path) -> None:
    chance, store = random.Random(3), tmp_path / "store"  # noqa: S311
    assert world.ingesting(store).wait() == 0
    kills = killed_on_its_way(world.detecting(store), lambda: asked(store, JUDGED) > 0, 0)
    for _ in range(3):
        process, begun = world.detecting(store), time.monotonic()
        kills += killed_on_its_way(process, lambda: time.monotonic() > begun + chance.uniform(0.3, 1), 0)  # noqa: B023
    assert kills >= 2
    assert world.detecting(store).wait() == 0
    assert seen(store) == undisturbed


def test_two_at_once_and_detection_beside_them_end_like_one_alone(
    world: World, undisturbed: Seen, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    both = [world.ingesting(store) for _ in range(2)]
    while not asked(store, COMMITTED):
        time.sleep(0.01)
    while any(process.poll() is None for process in both):
        assert world.detecting(store).wait() == 0
    assert [process.returncode for process in both] == [0, 0]
    assert world.detecting(store).wait() == 0
    assert whoever_was_first(seen(store)) == whoever_was_first(undisturbed)


def whoever_was_first(what: Seen) -> tuple[object, ...]:
    """Of an event that came twice, either object may be the one that has it."""
    rows = [replace(row, duplicates=0) for row in what.ledger.values()]
    events = [{**event, "siem.object": ""} for event in what.events]
    duplicates = sum(row.duplicates for row in what.ledger.values())
    return sorted(rows, key=lambda row: row.key), duplicates, events, what.rejects, what.signals, what.alerts
