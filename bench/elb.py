"""Load balancer logs: from the compressed object to documents, against decompressing it and reading it with Arrow."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
from isal import igzip
from pyarrow import csv

from bench.claim import Claim
from bench.corpus_elb import alb
from bench.parsed import as_parquet, ndjson

LINES = 60_000
NAME = "111122223333_elasticloadbalancing_ap-northeast-1_app.web.50dc6c495c0c9188_20261101T0005Z_192.0.2.15_x.log.gz"
OF = "aws.elb", f"AWSLogs/111122223333/elasticloadbalancing/ap-northeast-1/2026/11/01/{NAME}"


def claims() -> list[Claim]:
    new, mixed = alb(LINES), alb(LINES, older=1 / 3)
    floor = partial(read, new)
    return [
        Claim("ALB to NDJSON", "events", partial(ndjson, *OF, new), floor, 0.27),
        Claim("ALB, a third of the lines older, to NDJSON", "events", partial(ndjson, *OF, mixed), floor, 0.27),
        Claim("ALB to Parquet", "events", partial(as_parquet, *OF, new), floor, 0.18),
    ]


def read(delivered: bytes) -> int:
    """Decompress and read lines of 33 columns with Arrow, nothing else."""
    text: bytes = igzip.decompress(delivered)
    names = [str(number) for number in range(33)]
    table = csv.read_csv(
        pa.py_buffer(text),
        csv.ReadOptions(use_threads=False, column_names=names),
        csv.ParseOptions(delimiter=" ", double_quote=False),
        csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), null_values=["-"]),
    )
    rows: int = table.num_rows
    return rows
