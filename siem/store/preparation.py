"""Makes a store, or a part of it that is missing; says first what it would do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from siem.config import Settings
from siem.errors import ConfigError
from siem.schema import DatasetFields
from siem.store import LEDGER, is_cluster, open_folder, store_folder


@dataclass(frozen=True)
class Prepared:
    """What was done, or would be. step: create, replace, extend; conflict where only people can do something."""

    step: str
    thing: str
    name: str
    why: str


def preparation(
    settings: Settings, fields: Mapping[str, DatasetFields], dry_run: bool, tell: Callable[[str], None]
) -> list[Prepared]:
    """Prepare the store for these datasets; with `dry_run` nothing is changed. `tell` hears of what should not be so.

    Raises:
        ConfigError: something is in the way; not with `dry_run`, which lists it.
        Unavailable: the store does not answer.
    """
    if is_cluster(settings.store):
        return of_a_cluster(settings, fields, dry_run, tell)
    return of_a_folder(settings.store, dry_run)


def of_a_cluster(
    settings: Settings, fields: Mapping[str, DatasetFields], dry_run: bool, tell: Callable[[str], None]
) -> list[Prepared]:
    from siem.store.opensearch.cluster import clients, preparing
    from siem.store.opensearch.cluster.templates import templates

    for caution in clients.cautions(settings):
        tell(f"warning: {caution}")
    connection, names = clients.connect(settings), clients.names_of(settings)
    try:
        clients.check_product(connection)
        if dry_run:
            found = preparing.changes(connection, templates(preparing.settled(connection, names), fields))
        else:
            found = preparing.prepare(connection, names, fields)
    finally:
        connection.close()
    return [Prepared(change.step, change.thing, change.name, change.why) for change in found]


def of_a_folder(place: str, dry_run: bool) -> list[Prepared]:
    folder = store_folder(place)
    missing = not (folder / LEDGER).exists()
    if not dry_run:
        open_folder(place).close()
    elif folder.exists() and not folder.is_dir():
        raise ConfigError(f"store: {folder} is a file; name a folder")
    return [Prepared("create", "folder", str(folder), "is missing")] if missing else []
