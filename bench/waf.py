"""WAF: from the compressed object to documents, and to columns."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import orjson
from isal import igzip

from bench.claim import Claim
from bench.corpus_waf import waf
from siem.config import Limits
from siem.intake.content import Delivered
from siem.run.content import load_registry
from siem.schema import Origin

EVENTS = 15_000


def claims() -> list[Claim]:
    delivered = waf(EVENTS)
    return [Claim("WAF to NDJSON", "events", partial(ndjson, delivered), partial(plain, delivered), 0.70)]


def ndjson(delivered: bytes) -> int:
    parser = load_registry(None)[0].parsers["aws.waf"]
    content = Delivered(delivered, Limits())
    origin = Origin("WAFLogs/x.log.gz", "0" * 24, content.sha256, datetime(2026, 11, 1, tzinfo=UTC))
    events = 0
    for parsed in parser.parse(content, origin, Limits()):
        if parsed.batch is not None:
            parsed.batch.ndjson()
            events += parsed.events
    return events


def plain(delivered: bytes) -> int:
    """The floor of documents: decompress, decode, encode each."""
    records = igzip.decompress(delivered).splitlines()
    for record in records:
        orjson.dumps(orjson.loads(record))
    return len(records)
