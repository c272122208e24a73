"""Where events, the ledger and everything that must outlive a process are kept."""

from __future__ import annotations

from pathlib import Path

from siem.errors import ConfigError
from siem.store.contract import Store


def open_store(place: str | Path) -> Store:
    """The store in this folder, which is made where there is none.

    Raises:
        ConfigError: the place is no folder's path, or holds something else.
        Unavailable: the folder cannot be used.
    """
    from siem.store.embedded import EmbeddedStore  # DuckDB takes 0.1 s to load: only those wait who need a store

    if "://" in str(place):
        raise ConfigError(
            f"store: {place} is not a folder; this version keeps events in a folder (`--store ./siem-data`)"
        )
    if set("*?[") & set(str(Path(place).absolute())):
        raise ConfigError(f"store: {place} has one of * ? [ in its path, which file patterns would take amiss")
    return EmbeddedStore(Path(place).expanduser())


__all__ = ["open_store"]
