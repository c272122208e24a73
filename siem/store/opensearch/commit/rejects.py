"""Rejects as documents, each whole with its reason."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

from siem.parsing.batch import Reject
from siem.store.contract import LedgerRow, StoredReject
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation
from siem.store.opensearch.cluster.scanning import scan
from siem.store.opensearch.commit import rows
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.names import Names, States

TOGETHER = 200
"""Objects whose rejects are asked for at a time."""


def kept(names: Names, object_: str, dataset: str, parser_version: str, reject: Reject, claim: str = "") -> Operation:
    """Writes it; again is nothing new. claim: under which the object was parsed again."""
    document = {
        "object": object_,
        "dataset": dataset,
        "parser_version": parser_version,
        "ordinal": reject.ordinal,
        "reason": rows.shown(reject.reason),
        "reason_octets": rows.octets(reject.reason).hex() if rows.shown(reject.reason) != reject.reason else "",
        "raw": b64encode(reject.raw).decode(),
        "size": reject.size,
        "sha256": reject.sha256,
        "claim": claim,
    }
    return Operation(names.state(States.REJECTS), place(object_, reject.ordinal), document)


def place(object_: str, ordinal: int) -> str:
    return f"{object_}-{ordinal}"


def stored(connection: Connection, names: Names, log: Log) -> Iterator[StoredReject]:
    """All that committed objects have, oldest object first."""
    log.follow()
    having = {"bool": {"filter": [{"range": {"rejects": {"gt": 0}}}], "must_not": [{"terms": {"state": rows.CLAIMS}}]}}
    found = scan(connection, names.state(States.LEDGER), having, [{"position": "asc"}])
    part: list[LedgerRow] = []
    for hit in found:
        row = rows.of(hit, hit["_id"])
        if row is not None and row.row is not None:
            part.append(row.row)
        if len(part) == TOGETHER:
            yield from _of(connection, names, part)
            part = []
    yield from _of(connection, names, part)


def _of(connection: Connection, names: Names, part: list[LedgerRow]) -> Iterator[StoredReject]:
    """Of each object all its rejects, the objects in their order."""
    if not part:
        return
    places = {row.object: at for at, row in enumerate(part)}
    query = {"terms": {"object": list(places)}}
    found: list[list[Mapping[str, Any]]] = [[] for _ in part]
    for hit in scan(connection, names.state(States.REJECTS), query, [{"object": "asc"}, {"ordinal": "asc"}], page=100):
        found[places[hit["_source"]["object"]]].append(hit["_source"])
    for row, sources in zip(part, found, strict=True):
        for source in sources:
            yield StoredReject(
                row.object, row.bucket, row.key, source["dataset"], source["parser_version"], read(source)
            )


def read(source: Mapping[str, Any]) -> Reject:
    """From its document."""
    octets = bytes.fromhex(source["reason_octets"]).decode("utf-8", "surrogateescape")
    raw = b64decode(source["raw"])
    return Reject(source["ordinal"], octets or source["reason"], raw, source["size"], source["sha256"])
