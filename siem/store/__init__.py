"""Where events, the ledger and everything that must outlive a process are kept."""

from __future__ import annotations

from pathlib import Path

from siem.errors import ConfigError, Unavailable
from siem.store.contract import Store

LEDGER = "ledger.sqlite"


def open_store(place: str | Path) -> Store:
    """The store in this folder, which is made where there is none.

    Raises:
        ConfigError: the place is no folder's path, or holds something else.
        Unavailable: the folder cannot be used.
    """
    return _opened(store_folder(place))


def existing_store(place: str | Path) -> Store:
    """The store in this folder, for those who read: a mistyped name must not look like a store without alerts.

    Raises:
        ConfigError: there is none, or the place is no folder's path or holds something else.
        Unavailable: the folder cannot be used.
    """
    folder = store_folder(place)
    try:
        there = (folder / LEDGER).is_file()
    except OSError as error:
        raise Unavailable(f"store {folder}: {error.strerror}; let this user read and write the folder") from error
    if not there:
        raise ConfigError(f"no store at {place}; `siem ingest` makes one, --store or SIEM_STORE names another")
    return _opened(folder)


def store_folder(place: str | Path) -> Path:
    """The folder that a setting names.

    Raises:
        ConfigError: it is no folder's path.
    """
    if not str(place):
        raise ConfigError("store: the setting is empty; name a folder")
    if "://" in str(place):
        raise ConfigError(
            f"store: {place} is not a folder; this version keeps events in a folder (`--store ./siem-data`)"
        )
    if set("*?[") & set(str(Path(place).absolute())):
        raise ConfigError(f"store: {place} has one of * ? [ in its path, which file patterns would take amiss")
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"store: {place}: {error}") from error


def _opened(folder: Path) -> Store:
    from siem.store.embedded import EmbeddedStore  # DuckDB takes 0.1 s to load: only those wait who need a store

    return EmbeddedStore(folder)


__all__ = ["existing_store", "open_store", "store_folder"]
