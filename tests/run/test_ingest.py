"""What `siem ingest` takes in, and what it leaves: nothing that differs is taken for what is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from siem.config import Settings
from siem.parsing import Registry
from siem.run.ingest import Ingested, ingest
from siem.schema import SourceObject
from siem.store import open_folder
from siem.store.contract import LedgerRow, Store

KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_a.json"
LOG = '{"Records":[{"eventVersion":"1.11","eventID":"%s","eventTime":"2026-11-01T00:00:00Z"}]}'


class World:
    """Folders, a store, and runs, each an hour after the one before."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder, self.registry = folder, registry
        self.store: Store = open_folder(folder / "store")
        self._hours = count(1)

    def put(self, bucket: str, text: str, key: str = KEY) -> Path:
        path = self.folder / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def ingest(self, *places: str) -> Ingested:
        now = datetime(2026, 11, 2, tzinfo=UTC) + timedelta(hours=next(self._hours))
        settings = Settings(store=str(self.folder / "store"))
        return ingest([str(self.folder / place) for place in places], self.store, self.registry, settings, lambda: now)

    @property
    def rows(self) -> list[LedgerRow]:
        return list(self.store.ledger().values())


@pytest.fixture
def world(tmp_path: Path, registry: Registry) -> Iterator[World]:
    world = World(tmp_path, registry)
    yield world
    world.store.close()


def test_other_bytes_under_a_known_key_are_an_object_of_their_own(world: World) -> None:
    world.put("archive", LOG % "a")
    world.ingest("archive")
    world.put("archive", LOG % "b")
    done = world.ingest("archive")
    assert (done.objects, done.known, [source.key for source in done.changed]) == (1, 0, [KEY])
    assert sorted(row.version or "" for row in world.rows) == ["", done.changed[0].version]
    assert [row.events - row.duplicates for row in world.rows] == [1, 1]


def test_what_a_copy_did_to_times_and_size_does_not_hide_other_bytes(world: World) -> None:
    path = world.put("archive", LOG % "a")
    os.utime(path, (0, 0))
    world.ingest("archive")
    os.utime(world.put("archive", LOG % "b"), (0, 0))
    assert len(world.ingest("archive").changed) == 1


def test_bytes_that_were_there_before_are_known(world: World) -> None:
    for text in (LOG % "a", LOG % "b", LOG % "a", LOG % "b"):
        world.put("archive", text)
        world.ingest("archive")
    assert len(world.rows) == 2
    assert world.ingest("archive").known == 1


def test_the_first_version_of_a_key_has_the_identity_of_the_key_alone(world: World) -> None:
    world.put("archive", LOG % "a")
    world.ingest("archive")
    assert [row.object for row in world.rows] == [SourceObject("archive", KEY).id]


def test_folders_of_one_name_are_both_taken_in(world: World) -> None:
    for parent in ("one", "two"):
        world.put(f"{parent}/archive", LOG % parent)
        world.put(f"{parent}/archive", "the same", "same.log")
    done = world.ingest("one/archive", "two/archive")
    assert (done.objects, done.known, len(done.changed)) == (3, 1, 1)
    assert world.ingest("two/archive", "one/archive").known == 4


def test_the_stores_own_files_are_no_logs(world: World) -> None:
    world.put("archive", LOG % "a")
    world.ingest(".")
    world.ingest(".")
    assert [row.key for row in world.rows] == [f"archive/{KEY}"]
    assert world.ingest("store", "store/events").empty == [str(world.folder / at) for at in ("store", "store/events")]


def test_a_place_without_objects_is_told(world: World) -> None:
    (world.folder / "nothing" / "below").mkdir(parents=True)
    done = world.ingest("nothing")
    assert (done.objects, done.known, done.empty) == (0, 0, [str(world.folder / "nothing")])


def test_what_somebody_else_committed_meanwhile_is_known_and_not_ours(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("archive", LOG % "a")
    world.put("archive", "no log", "other.log")
    monkeypatch.setattr(world, "store", NewsComesLate(world.store))
    first, second = world.ingest("archive"), world.ingest("archive")
    assert (first.objects, first.known) == (2, 0)
    assert (second.objects, second.known, dict(second.events)) == (0, 2, {})


class NewsComesLate:
    """A store whose ledger seems empty to who asks before writing: somebody else is writing too."""

    def __init__(self, store: Store) -> None:
        self.writing, self.close = store.writing, store.close

    def ledger(self, objects: object = None) -> dict[str, LedgerRow]:
        return {}
