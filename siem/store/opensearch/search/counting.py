"""How many events of each object can be seen: what the ledger says of an object is proven before it is judged."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.names import Names
from siem.store.opensearch.search.view import STRICT, refreshed

TOGETHER = 5_000
"""Objects of one request: a node makes 65,536 buckets at most, and every index sends as many as it has."""


def counted(connection: Connection, names: Names, objects: Sequence[str], dataset: str | None = None) -> dict[str, int]:
    """Visible events of each of these objects, by its id: of one dataset, or of all.

    Exact: every shard tells of all the objects that it has, none of which is cut off.

    Raises:
        Unavailable: the cluster is away, or not all of it answers.
        Refused: an index is closed.
    """
    pattern = names.every_event() if dataset is None else names.events(dataset)
    counts = dict.fromkeys(objects, 0)
    if objects and refreshed(connection, pattern):
        wanted = list(counts)
        for at in range(0, len(wanted), TOGETHER):
            counts |= counted_some(connection, pattern, wanted[at : at + TOGETHER])
    return counts


def counted_some(connection: Connection, pattern: str, objects: Sequence[str]) -> dict[str, int]:
    terms = {"field": "siem.object", "size": len(objects), "shard_size": len(objects)}
    body = {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"terms": {"siem.object": list(objects)}}]}},
        "aggs": {"objects": {"terms": terms}},
    }
    answer = connection.ask("POST", f"/{pattern}/_search", orjson.dumps(body), **STRICT)
    buckets = answer["aggregations"]["objects"]["buckets"]
    return {bucket["key"]: bucket["doc_count"] for bucket in buckets}
