"""WAF: from the compressed object to documents, and to columns."""

from __future__ import annotations

from functools import partial

import orjson
from isal import igzip

from bench.claim import Claim
from bench.corpus_waf import waf
from bench.parsed import ndjson

EVENTS = 15_000
OF = "aws.waf", "WAFLogs/x.log.gz"


def claims() -> list[Claim]:
    delivered = waf(EVENTS)
    return [Claim("WAF to NDJSON", "events", partial(ndjson, *OF, delivered), partial(plain, delivered), 0.70)]


def plain(delivered: bytes) -> int:
    """The floor of documents: decompress, decode, encode each."""
    records = igzip.decompress(delivered).splitlines()
    for record in records:
        orjson.dumps(orjson.loads(record))
    return len(records)
