"""A search over a day of small files, and over what compaction makes of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.claim import Claim
from siem.parsing.batch import Parsed
from siem.schema import Query
from siem.store import open_folder
from siem.testing.deliveries import FLOW, NOW, START, delivery, flows, put

NAME = "search over 1,000 small files, merged"
FILES, EVENTS = 1_000, 100
QUERY = Query(FLOW, '"source.port" = $port', {"port": 7}, frozenset(("source.port",)))


@dataclass(frozen=True)
class Stored:
    small: Path
    merged: Path


@contextmanager
def stored() -> Iterator[Stored]:
    with tempfile.TemporaryDirectory() as name:
        made = Stored(Path(name) / "small", Path(name) / "merged")
        with closing(open_folder(made.small)) as store:
            for at in range(FILES):
                one = delivery(f"object {at}")
                put(store, (one, Parsed(FLOW, flows(one, EVENTS, start=START + timedelta(seconds=20 * at)))))
        shutil.copytree(made.small, made.merged)
        with closing(open_folder(made.merged)) as store:
            store.compact(NOW)
        yield made


def claims(over: Stored) -> list[Claim]:
    return [Claim(NAME, "events", partial(searched, over.merged), partial(searched, over.small), 5.0)]


def searched(folder: Path) -> int:
    with closing(open_folder(folder)) as store:
        assert len(list(store.search([QUERY]))) == FILES
    return FILES * EVENTS
