"""When the disk, the folder or another process is in the way, callers are told so and nothing is half done."""

from __future__ import annotations

import multiprocessing
import resource
import sqlite3
from pathlib import Path

import pytest

from siem.errors import ConfigError, Unavailable
from siem.parsing.batch import Parsed
from siem.store import open_folder
from siem.store.contract import Judged
from siem.store.embedded import EmbeddedStore
from siem.testing.deliveries import FLOW, NOW, TRAIL, as_it_stands, delivery, flows, found, ids, put, reject, trail


def ledger_of(folder: Path, *statements: str) -> Path:
    folder.mkdir()
    connection = sqlite3.connect(folder / "ledger.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.close()
    return folder


def test_another_programs_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another program"):
        open_folder(ledger_of(tmp_path / "store", "CREATE TABLE t (x)"))


def test_another_versions_ledger_is_refused(tmp_path: Path) -> None:
    open_folder(tmp_path / "store").close()
    connection = sqlite3.connect(tmp_path / "store" / "ledger.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigError, match="version 99"):
        open_folder(tmp_path / "store")


def test_a_ledger_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_text("once upon a time " * 100)
    with pytest.raises(ConfigError, match="not a ledger"):
        open_folder(tmp_path)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="name a folder"):
        open_folder(tmp_path / "file")


@pytest.mark.parametrize("place", ["https://localhost:9200", "s3://bucket/prefix"])
def test_an_address_is_no_folder(place: str) -> None:
    with pytest.raises(ConfigError, match="folder"):
        open_folder(place)


def test_a_path_that_is_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="file patterns"):
        open_folder(tmp_path / "logs[1]")


@pytest.mark.parametrize("empty", [True, False])
def test_events_whose_ledger_is_lost_are_refused_and_left(tmp_path: Path, empty: bool) -> None:
    folder, one = tmp_path / "store", delivery("a")
    store = EmbeddedStore(folder)
    put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
    store.close()
    (folder / "ledger.sqlite").rename(tmp_path / "kept")
    if empty:
        (folder / "ledger.sqlite").touch()
    for _ in range(2):
        with pytest.raises(ConfigError, match="missing or empty; restore it"):
            EmbeddedStore(folder)
    (tmp_path / "kept").replace(folder / "ledger.sqlite")
    store = EmbeddedStore(folder)
    assert ids(store) == ["e1"]
    store.close()


def test_a_ledger_that_another_process_holds_is_unavailable_and_the_commit_can_be_repeated(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store", patience=0.05)
    other = sqlite3.connect(tmp_path / "store" / "ledger.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one = delivery("a")
    parsed = Parsed(TRAIL, trail(one, "e1"), [reject(1)])
    with pytest.raises(Unavailable, match=r"store.*another process"):
        put(store, (one, parsed))
    with pytest.raises(Unavailable, match="another process"):
        store.mark(Judged(), as_it_stands)
    assert list((tmp_path / "store" / "events").rglob("*.parquet")) == []
    assert ids(store) == []
    other.execute("ROLLBACK")
    other.close()
    put(store, (one, parsed))
    assert ids(store) == ["e1"]
    store.close()


def _fill_the_disk(folder: Path, bytes_: int) -> None:
    store = EmbeddedStore(folder)
    one = delivery("big")
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))
    try:
        put(store, (one, Parsed(FLOW, flows(one, 20_000))))
    except Unavailable as error:
        assert "ulimit -f" in str(error)  # noqa: PT017
        assert list((folder / "tmp").glob("*.parquet")) == []
        raise SystemExit(3) from error


@pytest.mark.slow
@pytest.mark.parametrize("room", [4_000, 40_000])
def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, room: int) -> None:
    folder = tmp_path / "store"
    EmbeddedStore(folder).close()
    process = multiprocessing.get_context("forkserver").Process(target=_fill_the_disk, args=(folder, room))
    process.start()
    process.join(60)
    assert process.exitcode == 3
    store = EmbeddedStore(folder)
    assert store.ledger() == {}
    one = delivery("big")
    put(store, (one, Parsed(FLOW, flows(one, 20_000))))
    assert len(found(store, FLOW)) == 20_000
    store.close()


def test_a_lost_file_is_unavailable(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "store")
    one = delivery("a")
    put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
    (path,) = (tmp_path / "store" / "events").rglob("*.parquet")
    path.write_bytes(b"no Parquet")
    with pytest.raises(Unavailable, match="store"):
        ids(store)
    path.unlink()
    with pytest.raises(Unavailable, match="store"):
        ids(store)
    store.close()


def test_a_commit_that_is_overtaken_again_and_again_ends_with_the_lock(tmp_path: Path) -> None:
    """Whenever the writer is about to name its files, somebody else commits one of its events."""
    other = EmbeddedStore(tmp_path / "store", patience=0.05)
    tries: list[str] = []

    def interrupt(step: str) -> None:
        if step != "flushed":
            return
        name = f"e{len(tries)}"
        one = delivery(name)
        try:
            put(other, (one, Parsed(TRAIL, trail(one, name))))
            tries.append(name)
        except Unavailable:
            tries.append("shut out")

    store = EmbeddedStore(tmp_path / "store", step=interrupt)
    mine = delivery("mine")
    blocks = [Parsed(TRAIL, trail(mine, name)) for name in ("e0", "e1", "e2", "e3")]
    (row,) = put(store, (mine, blocks))
    assert tries == ["e0", "e1", "shut out"]
    assert (row.events, row.duplicates, row.committed) == (4, 2, NOW)
    assert ids(store) == ["e0", "e1", "e2", "e3"]
    named = {path.name for path in (tmp_path / "store" / "events").rglob("*.parquet")}
    assert len(named) == 3  # what the lost attempts wrote is gone
    store.close()
    other.close()


def test_a_store_that_was_taken_away_or_replaced_is_noticed_and_opened_again(tmp_path: Path) -> None:
    """SQLite would go on with a file that nobody else sees."""
    store, one = EmbeddedStore(tmp_path / "store"), delivery("a")
    put(store, (one, Parsed(TRAIL, trail(one, "e1"))))
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(Unavailable, match="No such file"):
        store.progress()
    EmbeddedStore(tmp_path / "store").close()
    with pytest.raises(Unavailable, match="is in its place"):
        store.progress()
    (tmp_path / "store").rename(tmp_path / "new")
    (tmp_path / "away").rename(tmp_path / "store")
    assert store.ledger().keys() == {one.source.id}
    store.close()
