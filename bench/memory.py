"""Peak memory of `siem parse` for one object of 1 GB, uncompressed: a process of its own, as the system counts it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from isal import igzip
from pyarrow import parquet

from bench.corpus_cloudtrail import records
from bench.corpus_elb import alb
from bench.corpus_vpcflow import V2, vpcflow
from bench.corpus_waf import waf

GIGABYTE = 1_000_000_000
LIMIT_MB = 300.0
PIECE_EVENTS = 20_000
ROW_GROUP_ROWS = 1_000_000


@dataclass(frozen=True)
class Peak:
    """What a run took at most, in MB (10^6 bytes)."""

    name: str
    megabytes: float


def peaks() -> list[Peak]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {
            "CloudTrail, 1 GB": (large_cloudtrail(folder), "aws.cloudtrail"),
            "VPC Flow v2, 1 GB": (large_flows(folder), "aws.vpcflow"),
            "ALB, 1 GB": (large_lines(folder, "alb", alb(PIECE_EVENTS, older=1 / 3)), "aws.elb"),
            "WAF, 1 GB": (large_lines(folder, "waf", waf(PIECE_EVENTS)), "aws.waf"),
            "VPC Flow Parquet, row groups of 128 MB": (large_parquet(folder), "aws.vpcflow"),
        }
        return [Peak(f"peak memory of {what}", parsed(path, dataset)) for what, (path, dataset) in made.items()]


LAUNCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""Starts the command from a small process: what is started from a large one begins with the peak of that one."""


def parsed(path: Path, dataset: str) -> float:
    """Peak of `siem parse`, in MB."""
    command = [sys.executable, "-c", LAUNCH, sys.executable, "-m", "siem", "parse", str(path), "--dataset", dataset]
    kibibytes = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return int(kibibytes) * 1024 / 1e6


def large_cloudtrail(folder: Path) -> Path:
    piece = b",".join(records(PIECE_EVENTS))
    path = folder / "cloudtrail.json.gz"
    with igzip.open(path, "wb", compresslevel=1) as out:
        out.write(b'{"Records":[' + piece)
        for _ in range(GIGABYTE // len(piece)):
            out.write(b"," + piece)
        out.write(b"]}")
    return path


def large_flows(folder: Path) -> Path:
    return large_lines(folder, "flows", vpcflow(V2, PIECE_EVENTS), headers=1)


def large_lines(folder: Path, name: str, delivered: bytes, headers: int = 0) -> Path:
    """The lines of a small object again and again; its first ones, so many, once."""
    pieces = igzip.decompress(delivered).split(b"\n", headers)
    path = folder / f"{name}.log.gz"
    with igzip.open(path, "wb", compresslevel=1) as out:
        out.write(b"".join(piece + b"\n" for piece in pieces[:-1]))
        for _ in range(GIGABYTE // len(pieces[-1])):
            out.write(pieces[-1])
    return path


def large_parquet(folder: Path) -> Path:
    header, *lines = igzip.decompress(vpcflow(V2, PIECE_EVENTS)).decode().splitlines()
    columns = list(zip(*[line.split(" ") for line in lines], strict=True))
    names = [name.replace("-", "_") for name in header.split(" ")]
    table = pa.table({name: pa.array(column) for name, column in zip(names, columns, strict=True)})
    path = folder / "flows.log.parquet"
    with parquet.ParquetWriter(path, table.schema) as out:
        for _ in range(3):
            out.write_table(pa.concat_tables([table] * (ROW_GROUP_ROWS // len(table))), row_group_size=ROW_GROUP_ROWS)
    return path
