"""The indices that events are written to: made beforehand from our templates, so that no bulk request makes one from
whatever templates there are then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from siem.errors import ConfigError
from siem.schema import DatasetFields
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.preparing import prepare
from siem.store.opensearch.cluster.templates import PRODUCT
from siem.store.opensearch.names import Names

TOGETHER = 50
"""Names in a request: its first line has 4,096 bytes at most."""


def make(
    connection: Connection,
    names: Names,
    fields: Mapping[str, DatasetFields],
    wanted: Mapping[str, Collection[str]],
) -> None:
    """See that these indices are there and ours (one request, where they are), dataset by dataset. Templates that
    somebody changed or deleted are mended before an index is made.

    Raises:
        ConfigError: one was made without our templates, or something stands in the way.
    """
    lacking = not_ours(connection, [index for indices in wanted.values() for index in indices])
    for dataset, indices in wanted.items():
        if mine := sorted(lacking.intersection(indices)):
            prepare(connection, names, {dataset: fields.get(dataset) or DatasetFields(dataset)})
            for index in mine:
                connection.ask("PUT", f"/{index}", also=(400,))  # it may be there already
    if left := sorted(not_ours(connection, lacking)):
        raise ConfigError(
            f"store {connection.name}: index {left[0]} was made without our template, and rules would miss its events:"
            " see what `siem store init --dry-run` says"
        )


def not_ours(connection: Connection, indices: Iterable[str]) -> set[str]:
    """Those that are not there, or do not say that they are ours."""
    every = sorted(indices)
    asked: dict[str, Any] = {"ignore_unavailable": "true", "filter_path": "*.mappings._meta.product"}
    found: set[str] = set()
    for at in range(0, len(every), TOGETHER):
        said = connection.ask("GET", f"/{','.join(every[at : at + TOGETHER])}/_mapping", **asked)
        found |= {name for name, one in said.items() if one["mappings"]["_meta"]["product"] == PRODUCT}
    return set(every) - found
