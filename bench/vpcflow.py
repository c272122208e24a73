"""VPC Flow Logs: from the compressed object to documents, against decompressing it and reading it with Arrow."""

from __future__ import annotations

from functools import partial

import pyarrow as pa
from isal import igzip
from pyarrow import csv

from bench.claim import Claim
from bench.corpus_vpcflow import V2, V3, V4, V5, vpcflow
from bench.parsed import as_parquet, ndjson

LINES = 200_000
OF = "aws.vpcflow", "AWSLogs/111122223333/vpcflowlogs/x_20261101T0000Z_0.log.gz"
NUMBERS = ("version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags", "traffic-path")


def claims() -> list[Claim]:
    forms = {"v2": (V2, 0.22), "v3, own order": (V3, 0.22), "v4, own order": (V4, 0.22), "v5": (V5, 0.28)}
    objects = {name: vpcflow(header, LINES) for name, (header, _) in forms.items()}
    found = [
        Claim(
            f"VPC Flow {name} to NDJSON",
            "events",
            partial(ndjson, *OF, objects[name]),
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
            partial(as_parquet, *OF, objects["v2"]),
            partial(read, objects["v2"], typed),
            0.35,
        ),
    ]


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
