"""Writing to an OpenSearch node: throughput against a bare HTTP client, and the worker's CPU against the node's.

The node is one of its own, as tests have it but with all of its compiler, or the one that SIEM_TEST_OPENSEARCH_URL
names; that must run on this machine, and do nothing else meanwhile.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from opensearchpy import OpenSearch

from bench import cloudtrail, vpcflow
from bench.corpus_cloudtrail import cloudtrail as trail
from bench.corpus_vpcflow import V2
from bench.corpus_vpcflow import vpcflow as flows
from bench.parsed import batches, parser_of
from siem.schema.mapping import index
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.events.bulk import ANSWERED, MOST, Bulk
from siem.store.opensearch.events.documents import BulkLines
from siem.store.opensearch.names import Names

NOW = datetime(2026, 11, 2, tzinfo=UTC)
ROUNDS = 3
BODY = 5 << 20
NAMES = ("bulk to OpenSearch", "worker CPU while writing to OpenSearch")
TESTS = Path(__file__).parent.parent / "tests"


@dataclass(frozen=True)
class Measured:
    """product, floor: events per second of two ways to write; or per CPU second of the worker, and of the node."""

    name: str
    product: float
    floor: float
    goal: float
    at_most: bool = False


@dataclass(frozen=True)
class Corpus:
    """An object of a dataset."""

    name: str
    dataset: str
    key: str
    delivered: bytes

    def bodies(self, prefix: str) -> Iterator[bytes]:
        """Its bulk bodies for indices of that prefix, as the store makes them."""
        parser = parser_of(self.dataset)
        lines = BulkLines(parser.fields, Names(prefix), parser.unique_ids, NOW)
        events, held, size = 0, list[bytes](), 0
        for batch in batches(self.dataset, self.key, self.delivered):
            for segment in lines.segments(batch, events):
                held.append(segment)
                size += len(segment)
                if size >= BODY:
                    yield b"".join(held)
                    held, size = [], 0
            events += len(batch)
        if held:
            yield b"".join(held)


class Node:
    """A node that is measured: its process is on this machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection = Connection(OpenSearch([url], serializer=Json(), pool_maxsize=MOST, timeout=60), url)
        (told,) = self.connection.ask("GET", "/_nodes/_local/process")["nodes"].values()
        self._stat = Path(f"/proc/{told['process']['id']}/stat")

    @property
    def cpu(self) -> float:
        """Seconds that it has used, in user and system mode."""
        fields = self._stat.read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def prepared(self, prefix: str, dataset: str) -> Iterator[None]:
        """An index for a month's events, taken away afterwards."""
        name = f"{prefix}events-{dataset}-2026.11"
        body: dict[str, Any] = index(parser_of(dataset).fields)
        body["settings"] |= {"number_of_replicas": 0, "refresh_interval": "10s", "codec": "best_compression"}
        self.connection.ask("PUT", f"/{name}", body)
        try:
            yield
        finally:
            self.connection.ask("DELETE", f"/{name}")

    def count(self, prefix: str) -> int:
        self.connection.ask("POST", f"/{prefix}events-*/_refresh")
        return int(self.connection.ask("GET", f"/{prefix}events-*/_count")["count"])


def measured(node: Node) -> Iterator[Measured]:
    every = (
        Corpus("CloudTrail", *cloudtrail.OF, trail(cloudtrail.EVENTS)),
        Corpus("VPC Flow v2", *vpcflow.OF, flows(V2, vpcflow.LINES // 2)),
    )
    for corpus in every:
        rates: Mapping[str, list[float]] = {"product": [], "floor": []}
        shares: list[tuple[float, float]] = []
        for number in range(ROUNDS + 1):  # the first warms the node up
            for name, post in (("product", product), ("floor", bare)):
                rate = throughput(node, corpus, f"bench-{os.getpid()}-{name}-{number}-", post)
                rates[name].extend([rate] if number else [])
            shares += [per_cpu_second(node, corpus, f"bench-{os.getpid()}-cpu-{number}-")] if number else []
        fast, floor = (statistics.median(rates[name]) for name in ("product", "floor"))
        yield Measured(f"{corpus.name} {NAMES[0]}", fast, floor, 0.9)
        worker, theirs = (statistics.median(share) for share in zip(*shares, strict=True))
        yield Measured(f"{corpus.name} {NAMES[1]}", worker, theirs, 0.15, at_most=True)


def throughput(node: Node, corpus: Corpus, prefix: str, post: Callable[[Node, Iterable[bytes]], None]) -> float:
    """Events per second of wall time, of bodies that are prepared."""
    prepared = list(corpus.bodies(prefix))
    with node.prepared(prefix, corpus.dataset):
        start = time.perf_counter()
        post(node, prepared)
        spent = time.perf_counter() - start
        return node.count(prefix) / spent


def per_cpu_second(node: Node, corpus: Corpus, prefix: str) -> tuple[float, float]:
    """Events per CPU second of this process and of the node, from the delivered object to documents that are found."""
    with node.prepared(prefix, corpus.dataset):
        own, theirs = time.process_time(), node.cpu
        product(node, corpus.bodies(prefix))
        events = node.count(prefix)
        return events / (time.process_time() - own), events / (node.cpu - theirs)


def product(node: Node, bodies: Iterable[bytes]) -> None:
    for _, outcomes in Bulk(node.connection).send(bodies):
        assert not outcomes


def bare(node: Node, bodies: Iterable[bytes]) -> None:
    """As many threads that post and read, nothing else."""
    waiting, parts = iter(bodies), urlsplit(node.url)

    def posted() -> None:
        connection = HTTPConnection(parts.hostname or "", parts.port)
        for body in waiting:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", f"/_bulk?filter_path={ANSWERED}", body, headers)
            assert b'"errors":false' in connection.getresponse().read()
        connection.close()

    with ThreadPoolExecutor(MOST) as pool:
        for done in [pool.submit(posted) for _ in range(MOST)]:
            done.result()


@contextmanager
def node() -> Iterator[Node | str]:
    """A node, or why there is none."""
    if url := os.environ.get("SIEM_TEST_OPENSEARCH_URL"):
        yield Node(url)
        return
    nodes = the_nodes_of_tests()
    with tempfile.TemporaryDirectory(prefix="hinomi-bench-") as folder:
        (home := Path(folder) / "nodes").mkdir()
        running = nodes.Nodes(home, TESTS.parent / ".pytest_cache" / "opensearch")
        end = running.hold()
        try:
            one = running.begin("bench", {"discovery.type": "single-node"}, heap="1g")
            one.wait_for(1)
            yield Node(one.url)
        except nodes.NoNode as why:
            yield str(why)
        finally:
            end()


def the_nodes_of_tests() -> ModuleType:
    """`tests/opensearch.py`, with all of the compiler."""
    spec = importlib.util.spec_from_file_location("bench_nodes", TESTS / "opensearch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    names = vars(module)
    names["JAVA_OPTIONS"] = [option for option in names["JAVA_OPTIONS"] if "TieredStopAtLevel" not in option]
    return module
