"""A pass over new objects, against the same where a tenth is stored: what it costs is what is new."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench.claim import Claim
from bench.corpus_vpcflow import ACCOUNT, vpcflow
from bench.ingest import NOW
from siem.config import load_settings
from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.run.content import load_registry, shipped_content
from siem.run.ingest import ingest
from siem.sigma import load_rules
from siem.store import open_folder

HEADER = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
LINES, FEW, MANY = 200_000, 5, 50
"""Lines of an object that is stored, and how many of these: a million events, and ten."""

NAME = "pass over a new object, 10 M events stored, not 1 M"

NEW = 20_000
"""Lines of a new object."""


@dataclass
class Grown:
    """A store in which everything is judged. text: of an object to come."""

    folder: Path
    text: bytes
    taken: Iterator[int] = field(default_factory=lambda: iter(range(1_000, 2_000)))

    def passed(self) -> int:
        """A new object comes in, and all shipped rules judge it."""
        take(self.folder, next(self.taken), self.text)
        return NEW


def take(folder: Path, number: int, text: bytes) -> None:
    """An object with these lines, of an account of its own, is taken in and judged."""
    key = f"AWSLogs/{number:012d}/vpcflowlogs/us-east-1/2026/11/01/{number:012d}_vpcflowlogs_us-east-1.log.gz"
    place = folder / "bucket" / key
    place.parent.mkdir(parents=True)
    place.write_bytes(gzip.compress(text.replace(ACCOUNT.encode(), b"%012d" % number), 1, mtime=0))
    registry = load_registry(None)[0]
    with closing(open_folder(folder / "store")) as store:
        ingest([str(place)], store, registry, load_settings(), lambda: NOW)
        detect(store, load_rules([shipped_content() / "detections"]), Sources.of(registry), everything=True)


@contextmanager
def grown(objects: int) -> Iterator[Grown]:
    with tempfile.TemporaryDirectory() as name:
        text = gzip.decompress(vpcflow(HEADER, LINES))
        for number in range(objects):
            take(Path(name), number, text)
        yield Grown(Path(name), gzip.decompress(vpcflow(HEADER, NEW, seed=2)))


@contextmanager
def stores() -> Iterator[tuple[Grown, Grown]]:
    with grown(FEW) as few, grown(MANY) as many:
        yield few, many


def claims(made: tuple[Grown, Grown]) -> list[Claim]:
    few, many = made
    work = partial(Grown.passed, many), partial(Grown.passed, few)
    return [Claim(NAME, "events", *work, 1.2, at_most=True)]
