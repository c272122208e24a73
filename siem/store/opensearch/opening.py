"""From settings to a store on a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from siem.config import Settings
from siem.errors import ConfigError
from siem.schema import DatasetFields
from siem.store.opensearch.cluster.clients import check_product, connect, names_of
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.preparing import prepare, settled
from siem.store.opensearch.names import Names, States
from siem.store.opensearch.search.engine import Engine
from siem.store.opensearch.store import OpenSearchStore


def prepared_store(settings: Settings, fields: Mapping[str, DatasetFields]) -> OpenSearchStore:
    """The store on the cluster that the settings name, prepared for these datasets.

    Raises:
        ConfigError: a setting cannot work, the cluster is none of ours, or something there is in the way.
        Unavailable: it does not answer.
    """
    connection = connect(settings)
    check_product(connection)
    names = names_of(settings)
    prepare(connection, names, fields)
    return _opened(connection, names, fields)


def existing_store(settings: Settings, fields: Mapping[str, DatasetFields]) -> OpenSearchStore:
    """The same where somebody has prepared it.

    Raises:
        ConfigError: nobody has, or as `prepared_store`.
        Unavailable: it does not answer.
    """
    connection = connect(settings)
    check_product(connection)
    names = names_of(settings)
    if connection.ask("GET", f"/{names.state(States.LOG)}", also=(404,)).status == 404:
        raise ConfigError(
            f"no store at {connection.name}; `siem store init` or `siem ingest` makes one, --store or SIEM_STORE names"
            " another"
        )
    return _opened(connection, names, fields)


def engine(settings: Settings) -> Engine:
    """A node of the cluster that the settings name, to evaluate rules; nothing has to be prepared.

    Raises:
        ConfigError, Unavailable: as `prepared_store`.
    """
    connection = connect(settings)
    check_product(connection)
    return Engine(connection, names_of(settings))


def _opened(connection: Connection, names: Names, fields: Mapping[str, DatasetFields]) -> OpenSearchStore:
    return OpenSearchStore(connection, settled(connection, names), fields)
