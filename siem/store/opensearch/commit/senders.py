"""Who has sent, as rows of the ledger tell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from siem.store.contract import Heard
from siem.store.entries import LASTING
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import refresh
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.names import Names, States
from siem.store.times import from_micros

PAGE = 5_000
"""Senders that one answer has."""

BY = ("dataset", "place", "account")
ENDS = {"first": {"min": {"field": "micros.committed"}}, "last": {"max": {"field": "micros.committed"}}}


def heard(connection: Connection, names: Names, log: Log) -> list[Heard]:
    """See `Store.heard`."""
    log.follow()
    refresh(connection, names.state(States.LEDGER))
    return [_heard(bucket) for bucket in _buckets(connection, names.state(States.LEDGER))]


def _buckets(connection: Connection, index: str) -> Iterator[dict[str, Any]]:
    sources = [{name: {"terms": {"field": name, "missing_bucket": name == "account"}}} for name in BY]
    composite: dict[str, Any] = {"size": PAGE, "sources": sources}
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"terms": {"row_state": [state.value for state in sorted(LASTING)]}}]}},
        "aggs": {"senders": {"composite": composite, "aggs": ENDS}},
    }
    while True:
        where = f"/{index}/_search"
        answer = connection.ask("POST", where, body, also=(404,), allow_partial_search_results="false")
        if answer.status == 404:
            return
        found = answer.body["aggregations"]["senders"]
        yield from found["buckets"]
        if "after_key" not in found:
            return
        composite["after"] = found["after_key"]


def _heard(bucket: dict[str, Any]) -> Heard:
    key, ends = bucket["key"], [bucket[name]["value"] for name in ("first", "last")]
    first, last = [from_micros(int(float(end))) for end in ends]
    return Heard(key["dataset"], key["place"], key["account"], first, last)
