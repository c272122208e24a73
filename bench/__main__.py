"""`python -m bench [WORD…]`: measure the claims (whose names hold one of the words) and print one line each.

Product and floor run in turn in one process, CPU time, one warm-up and five rounds; the medians make the ratio.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from bench import (
    cloudtrail,
    compaction,
    correlations,
    detection,
    elb,
    growth,
    ingest,
    memory,
    opensearch_bulk,
    opensearch_detection,
    opensearch_documents,
    opensearch_size,
    proof,
    vpcflow,
    waf,
)
from bench.claim import Claim
from siem.allocator import settle

ROUNDS = 5
RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True)
class Result:
    """One line. product, floor: units per CPU second; for memory MB and its limit, for what is stored bytes an event.

    ratio: product over floor; for a claim of `at_most`, the times of these.
    """

    claim: str
    unit: str
    product: float
    floor: float
    ratio: float
    goal: float
    holds: bool
    peak_mb: float


def measured(claim: Claim) -> Result:
    """Measure in a process of its own, so that its peak of memory is its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(_measure(claim)))
    process.start()
    sender.close()  # else a process that failed would be waited for
    result: Result = receiver.recv()
    process.join()
    return result


def _measure(claim: Claim) -> Result:
    claim.product(), claim.floor()
    rates: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for rate, work in zip(rates, (claim.product, claim.floor), strict=True):
            rate.append(_rate(work))
    product, floor = map(statistics.median, rates)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    ratio = floor / product if claim.at_most else product / floor
    holds = ratio <= claim.goal if claim.at_most else ratio >= claim.goal
    return Result(claim.name, claim.unit, product, floor, ratio, claim.goal, holds, peak)


def _rate(work: Callable[[], int]) -> float:
    gc.collect()
    gc.disable()  # as the product does around a batch
    start = time.process_time()
    units = work()
    spent = time.process_time() - start
    gc.enable()
    return units / spent


def main(words: list[str]) -> int:
    """Exit code 1 where a claim does not hold."""

    def wanted(name: str) -> bool:
        return not words or any(word.lower() in name.lower() for word in words)

    settle()  # as `siem` does
    results: list[Result] = []
    with ExitStack() as stack:
        claims = [
            *cloudtrail.claims(),
            *vpcflow.claims(),
            *elb.claims(),
            *waf.claims(),
            *correlations.claims(),
            *opensearch_documents.claims(),
        ]
        if wanted("ingest of objects"):
            small = stack.enter_context(ingest.bucket(ingest.SMALL_OBJECTS, ingest.SMALL_RECORDS))
            large = stack.enter_context(ingest.bucket(ingest.LARGE_OBJECTS, ingest.LARGE_RECORDS))
            claims += ingest.claims((small, large))
        if wanted(compaction.NAME):
            claims += compaction.claims(stack.enter_context(compaction.stored()))
        if any(map(wanted, detection.NAMES)):
            claims += detection.claims(stack.enter_context(detection.stored()))
        if wanted(growth.NAME):
            claims += growth.claims(stack.enter_context(growth.stores()))
        if wanted(proof.NAME):
            claims += proof.claims(stack.enter_context(proof.folder()))
        for claim in claims:
            if wanted(claim.name):
                results.append(measured(claim))
                show(results[-1])
        on_a_node = [module for module in (opensearch_bulk, opensearch_detection) if any(map(wanted, module.NAMES))]
        stored = wanted(opensearch_size.NAME)
        if on_a_node or stored:
            results += with_a_node(stack, [module.measured for module in on_a_node], stored)
        for peak in memory.peaks() if wanted("peak memory") else []:
            mb, limit = peak.megabytes, memory.LIMIT_MB
            results.append(Result(peak.name, "MB", mb, limit, mb / limit, 1.0, mb <= limit, mb))
            show(results[-1])
    RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")
    return 0 if all(result.holds for result in results) else 1


def with_a_node(
    stack: ExitStack,
    measurements: Sequence[Callable[[opensearch_bulk.Node], Iterator[opensearch_bulk.Measured]]],
    stored: bool,
) -> list[Result]:
    """What a node of OpenSearch takes, and answers; `stored`: and what it keeps."""
    node = stack.enter_context(opensearch_bulk.node())
    if isinstance(node, str):
        print(f"{'OpenSearch':<55} skipped, there is no node: {node}", flush=True)
        return []
    results: list[Result] = []
    for kept in opensearch_size.measured(node) if stored else ():
        share, goal = kept.product / kept.floor, opensearch_size.GOAL
        results.append(Result(kept.name, "bytes", kept.product, kept.floor, share, goal, share <= goal, 0))
        show(results[-1])
    for one in chain.from_iterable([measured(node) for measured in measurements]):
        ratio = one.floor / one.product if one.at_most else one.product / one.floor
        holds = ratio <= one.goal if one.at_most else ratio >= one.goal
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        results.append(Result(one.name, "events", one.product, one.floor, ratio, one.goal, holds, peak))
        show(results[-1])
    return results


def show(result: Result) -> None:
    verdict = "holds" if result.holds else "MISSED"
    unit = result.unit if result.unit in ("MB", "bytes") else f"{result.unit}/s"
    print(
        f"{result.claim:<55} {result.product:>12,.0f} {result.floor:>12,.0f} {unit}"
        f"  ratio {result.ratio:.2f}  goal {result.goal:.2f}  {verdict}  peak {result.peak_mb:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
