"""VPC Flow Logs: from the compressed object to documents, against decompressing it and reading it with Arrow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow as pa
from isal import igzip
from pyarrow import csv

from bench.claim import Claim
from bench.corpus_vpcflow import V2, V3, V4, V5, vpcflow
from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Batch
from siem.run.content import load_registry
from siem.schema import Origin
from siem.store.embedded.files import write_parquet
from siem.store.embedded.writing import together

LINES = 200_000
NUMBERS = ("version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags", "traffic-path")


def claims() -> list[Claim]:
    forms = {"v2": (V2, 0.22), "v3, own order": (V3, 0.22), "v4, own order": (V4, 0.22), "v5": (V5, 0.28)}
    objects = {name: vpcflow(header, LINES) for name, (header, _) in forms.items()}
    found = [
        Claim(
            f"VPC Flow {name} to NDJSON",
            "events",
            partial(ndjson, objects[name]),
            partial(read, objects[name], {}),
            goal,
        )
        for name, (_, goal) in forms.items()
    ]
    typed = dict.fromkeys(NUMBERS, pa.int64())
    return [
        *found,
        Claim(
            "VPC Flow v2 to Parquet",
            "events",
            partial(as_parquet, objects["v2"]),
            partial(read, objects["v2"], typed),
            0.35,
        ),
    ]


def batches(delivered: bytes) -> Iterator[Batch]:
    """What the parser makes of an object."""
    parser = load_registry(None)[0].parsers["aws.vpcflow"]
    limits = Limits()
    content = Delivered(delivered, limits)
    key = "AWSLogs/111122223333/vpcflowlogs/x_20261101T0000Z_0.log.gz"
    origin = Origin(key, "0" * 24, content.sha256, datetime(2026, 11, 1, tzinfo=UTC))
    for parsed in parser.parse(content, origin, limits):
        assert not parsed.rejects
        if parsed.batch is not None:
            yield parsed.batch


def ndjson(delivered: bytes) -> int:
    """Documents, as they are sent to a store."""
    return sum(len(batch) for batch in batches(delivered) if batch.ndjson())


def as_parquet(delivered: bytes) -> int:
    """One file, as the embedded store gathers and writes events."""
    events = together([batch.arrow() for batch in batches(delivered)])
    with tempfile.TemporaryDirectory() as folder:
        write_parquet(events, Path(folder) / "events.parquet")
    return len(events)


def read(delivered: bytes, types: dict[str, pa.DataType]) -> int:
    """Decompress and read the same lines with Arrow, nothing else."""
    text: bytes = igzip.decompress(delivered)
    names = text[: text.index(b"\n")].decode().split(" ")
    table = csv.read_csv(
        pa.py_buffer(text),
        csv.ReadOptions(use_threads=False),
        csv.ParseOptions(delimiter=" ", quote_char=False),
        csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()) | types, null_values=["-"]),
    )
    rows: int = table.num_rows
    return rows
