"""Bytes that a node keeps of an event, in one segment: the product's index against the leanest that rules can do with.

The floor has the same documents, the same codec, and of the schema the fields below, folded: no text twice to show its
case, no field beyond what rules and dashboards of AWS logs ask for. Leaves and addresses as text have to be in both.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench import cloudtrail, vpcflow
from bench.corpus_cloudtrail import cloudtrail as trail
from bench.corpus_vpcflow import V2
from bench.corpus_vpcflow import vpcflow as flows
from bench.opensearch_bulk import Corpus, Node
from bench.parsed import parser_of
from siem.schema.fields import Kind
from siem.schema.mapping import ANALYSIS, EXACT, FOLDED, RECORD, TYPES, put
from siem.store.opensearch.cluster.templates import EVENT_SETTINGS, VERSION, events_family
from siem.store.opensearch.names import Names

NAME = "stored bytes on OpenSearch"
GOAL = 1.15

TEXTS = (
    *("event.action", "event.category", "event.type", "event.kind", "event.outcome", "event.provider", "event.module"),
    *("event.code", "event.reason", "cloud.provider", "cloud.region", "cloud.account.id", "cloud.availability_zone"),
    *("source.address", "destination.address", "user.id", "user.name", "user.type", "user_agent.original"),
    *("error.code", "error.message", "siem.leaves"),
)
IDENTITIES = ("event.id", "event.dataset", "siem.object", "siem.oversize")
NUMBERS = (
    *("event.severity", "event.duration", "source.port", "source.bytes", "source.packets", "destination.port"),
    *("destination.bytes", "destination.packets", "siem.seq"),
)
TIMES = ("@timestamp", "event.created", "event.ingested", "event.start", "event.end")
ADDRESSES = ("source.ip", "destination.ip")


@dataclass(frozen=True)
class Kept:
    """product, floor: bytes an event."""

    name: str
    product: float
    floor: float


def measured(node: Node) -> Iterator[Kept]:
    for corpus in (
        Corpus("CloudTrail", *cloudtrail.OF, trail(cloudtrail.EVENTS)),
        Corpus("VPC Flow v2", *vpcflow.OF, flows(V2, vpcflow.LINES // 2)),
    ):
        fields = parser_of(corpus.dataset).fields
        product = events_family(Names(), fields, VERSION).mappings
        sizes = [stored(node, corpus, mappings) for mappings in (product, floor(corpus.dataset))]
        yield Kept(f"{corpus.name} {NAME}", *sizes)


def floor(dataset: str) -> Mapping[str, Any]:
    tree: dict[str, Any] = {}
    for names, mapping in (
        (TEXTS, FOLDED),
        (IDENTITIES, EXACT),
        (NUMBERS, TYPES[Kind.LONG]),
        (TIMES, TYPES[Kind.DATE]),
        (ADDRESSES, TYPES[Kind.IP] | {"fields": {"kw": FOLDED}}),
        ((dataset,), RECORD),
    ):
        for name in names:
            put(tree, name, dict(mapping))
    return {"dynamic": False, "date_detection": False, "properties": tree}


def stored(node: Node, corpus: Corpus, mappings: Mapping[str, Any]) -> float:
    """Bytes an event of an index with the product's settings, once it is merged."""
    prefix = f"bench-size-{os.getpid()}-"
    ask, name = node.connection.ask, f"{prefix}events-{corpus.dataset}-2026.11"
    settings = {**EVENT_SETTINGS, "analysis": ANALYSIS, "number_of_replicas": 0, "auto_expand_replicas": "false"}
    ask("PUT", f"/{name}", {"settings": {"index": settings}, "mappings": mappings})
    try:
        for body in corpus.bodies(prefix):
            assert not ask("POST", "/_bulk", body)["errors"]
        ask("POST", f"/{name}/_forcemerge", max_num_segments=1)
        ask("POST", f"/{name}/_refresh")
        (shard,) = ask("GET", f"/{name}/_segments")["indices"][name]["shards"]["0"]
        (segment,) = [one for one in shard["segments"].values() if one["search"]]
        return float(segment["size_in_bytes"]) / int(segment["num_docs"])
    finally:
        ask("DELETE", f"/{name}")
