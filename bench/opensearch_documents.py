"""Bulk lines with the leaf list: CloudTrail against decoding and encoding its records, others against plain NDJSON."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from bench import cloudtrail, elb, vpcflow, waf
from bench.claim import Claim
from bench.corpus_cloudtrail import cloudtrail as trail
from bench.corpus_elb import alb
from bench.corpus_vpcflow import V2, V5
from bench.corpus_vpcflow import vpcflow as flows
from bench.corpus_waf import waf as requests
from bench.parsed import batches, ndjson, parser_of
from siem.store.opensearch.events.documents import BulkLines
from siem.store.opensearch.names import Names

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def claims() -> list[Claim]:
    """The goals are the product's: a leaf list for CloudTrail at 0.40 of the floor; others lose less than a tenth."""
    delivered = trail(cloudtrail.EVENTS)
    beside = {
        "VPC Flow v2": (vpcflow.OF, flows(V2, vpcflow.LINES)),
        "VPC Flow v5": (vpcflow.OF, flows(V5, vpcflow.LINES)),
        "ALB": (elb.OF, alb(elb.LINES)),
        "WAF": (waf.OF, requests(waf.EVENTS)),
    }
    return [
        Claim(
            "CloudTrail to bulk lines",
            "events",
            partial(lines, *cloudtrail.OF, delivered),
            partial(cloudtrail.plain, delivered),
            0.40,
        ),
        *(
            Claim(
                f"{name} to bulk lines, of NDJSON",
                "events",
                partial(lines, *of, content),
                partial(ndjson, *of, content),
                0.90,
            )
            for name, (of, content) in beside.items()
        ),
    ]


def lines(dataset: str, key: str, delivered: bytes) -> int:
    """Bulk lines as the store writes them."""
    parser = parser_of(dataset)
    written = BulkLines(parser.fields, Names(), parser.unique_ids, NOW)
    events = 0
    for batch in batches(dataset, key, delivered):
        assert all(written.segments(batch, events))
        events += len(batch)
    return events
