"""Load balancer logs: from the compressed object to documents, against decompressing it and reading it with Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO

import pyarrow as pa
from isal import igzip
from pyarrow import csv, parquet

from bench.claim import Claim
from bench.corpus_elb import alb
from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Batch
from siem.run.content import load_registry
from siem.schema import Origin

LINES = 60_000
NAME = "111122223333_elasticloadbalancing_ap-northeast-1_app.web.50dc6c495c0c9188_20261101T0005Z_192.0.2.15_x.log.gz"
KEY = f"AWSLogs/111122223333/elasticloadbalancing/ap-northeast-1/2026/11/01/{NAME}"


def claims() -> list[Claim]:
    new, mixed = alb(LINES), alb(LINES, older=1 / 3)
    floor = partial(read, new)
    return [
        Claim("ALB to NDJSON", "events", partial(ndjson, new), floor, 0.27),
        Claim("ALB, a third of the lines older, to NDJSON", "events", partial(ndjson, mixed), floor, 0.27),
        Claim("ALB to Parquet", "events", partial(as_parquet, new), floor, 0.18),
    ]


def batches(delivered: bytes) -> Iterator[Batch]:
    """What the parser makes of an object."""
    parser = load_registry(None)[0].parsers["aws.elb"]
    limits = Limits()
    content = Delivered(delivered, limits)
    origin = Origin(KEY, "0" * 24, content.sha256, datetime(2026, 11, 1, tzinfo=UTC))
    for parsed in parser.parse(content, origin, limits):
        assert not parsed.rejects
        if parsed.batch is not None:
            yield parsed.batch


def ndjson(delivered: bytes) -> int:
    """Documents, as they are sent to a store."""
    return sum(len(batch) for batch in batches(delivered) if batch.ndjson())


def as_parquet(delivered: bytes) -> int:
    """A Parquet file per block, zstd 1."""
    count = 0
    for batch in batches(delivered):
        parquet.write_table(batch.arrow(), BytesIO(), compression="zstd", compression_level=1)
        count += len(batch)
    return count


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
