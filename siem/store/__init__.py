"""Where events, the ledger and everything that must outlive a process are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from siem.config import Settings
from siem.errors import ConfigError, Unavailable, UsageError
from siem.schema import DatasetFields
from siem.store.contract import Store

if TYPE_CHECKING:
    from siem.store.opensearch.search.engine import Engine

LEDGER = "ledger.sqlite"


NO_FIELDS: Mapping[str, DatasetFields] = {}


def open_store(settings: Settings, fields: Mapping[str, DatasetFields]) -> Store:
    """The store that the settings name, which is made where there is none.

    fields: of the datasets that are to be written.

    Raises:
        ConfigError: a setting cannot work, or the place holds something else.
        Unavailable: the store cannot be used now.
    """
    if not is_cluster(settings.store):
        return open_folder(settings.store)
    from siem.store.opensearch import opening  # loading the client takes 0.1 s

    return opening.prepared_store(settings, fields)


def existing_store(settings: Settings, fields: Mapping[str, DatasetFields] = NO_FIELDS) -> Store:
    """The store that the settings name, for those who read: a mistyped name must not look like a store without alerts.

    Raises:
        ConfigError: there is none, or as `open_store`.
        Unavailable: the store cannot be used now.
    """
    if not is_cluster(settings.store):
        return existing_folder(settings.store)
    from siem.store.opensearch import opening

    return opening.existing_store(settings, fields)


@contextmanager
def evaluating(settings: Settings) -> Iterator[Engine]:
    """A node of the cluster that the settings name, to evaluate rules over records at hand. It is left as it was.

    Raises:
        UsageError: they name a folder.
        ConfigError, Unavailable: as `open_store`.
    """
    if not is_cluster(settings.store):
        raise UsageError(
            f"engine opensearch: the store is the folder {settings.store}; let --store or SIEM_STORE name a cluster"
            " (https://HOST:9200), whose node evaluates the rules"
        )
    from siem.store.opensearch import opening

    with closing(opening.engine(settings)) as engine:
        yield engine


def is_cluster(place: str) -> bool:
    """The setting names a cluster, not a folder."""
    return place.startswith(("http://", "https://"))


def shown(place: str) -> str:
    """A place for people: whoever an address names, and the password, is `***`."""
    return re.sub("(?s)(?<=://).*@", "***@", place)


def open_folder(place: str | Path) -> Store:
    """The embedded store in this folder, which is made where there is none."""
    return _opened(store_folder(place))


def existing_folder(place: str | Path) -> Store:
    """The embedded store in this folder."""
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
            f"store: {shown(str(place))} is neither a folder (`./siem-data`) nor a cluster (`https://HOST:9200`)"
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


__all__ = [
    "evaluating",
    "existing_folder",
    "existing_store",
    "is_cluster",
    "open_folder",
    "open_store",
    "shown",
    "store_folder",
]
