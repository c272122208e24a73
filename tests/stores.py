"""Stores on a node of tests: made ready, opened and removed."""

from __future__ import annotations

from collections.abc import Mapping

from opensearch import asked
from opensearchpy import OpenSearch

from siem.run.content import load_registry
from siem.schema import DatasetFields
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.cluster.preparing import prepare
from siem.store.opensearch.names import Names


def shipped_fields() -> dict[str, DatasetFields]:
    return {dataset: parser.fields for dataset, parser in load_registry()[0].parsers.items()}


def connected(url: str, patience: float = 30.0) -> Connection:
    return Connection(
        OpenSearch(hosts=[url], serializer=Json(), max_retries=0, timeout=60, pool_maxsize=8), url, patience
    )


def prepared(url: str, names: Names, fields: Mapping[str, DatasetFields]) -> None:
    connection = connected(url)
    prepare(connection, names, fields)
    connection.close()


def removed(url: str, names: Names) -> None:
    """Every index and template of a store."""
    for one in asked(url, "GET", f"/_cat/indices/{names.prefix}*?h=index&format=json&expand_wildcards=all"):
        asked(url, "DELETE", f"/{one['index']}")
    asked(url, "DELETE", f"/_index_template/{names.prefix}*")
    asked(url, "DELETE", f"/_component_template/{names.prefix}*")


def emptied(url: str, names: Names) -> None:
    """Nothing stored, as after `prepared`."""
    every = f"/{names.prefix}*/_delete_by_query?refresh=true&conflicts=proceed"
    asked(url, "POST", f"/{names.prefix}*/_refresh")
    answer = asked(url, "POST", every, '{"query": {"match_all": {}}}')
    assert not answer["failures"], answer
