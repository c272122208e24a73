"""Retention: indices whose whole period lies before a dataset's limit are dropped, once the log has said so.

First an entry of the log makes rows expire of which nothing will be left, then the indices go, each by its name. Where
that is interrupted, the indices that are left lie before the limit still: the next run enters it again, which changes
no row any more, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from siem.store.contract import Dropped
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import refresh
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.writing import Place
from siem.store.opensearch.names import Names, begun
from siem.store.times import micros

TOGETHER = 20
"""Indices that are deleted by one request: an address has 4,096 bytes at most."""


@dataclass(frozen=True)
class Old:
    """An index that is to be dropped, and what it holds."""

    index: str
    what: Dropped


def retain(place: Place, log: Log, limits: Mapping[str, datetime], dry_run: bool) -> list[Dropped]:
    """See `siem.store.contract.Store.retain`."""
    log.follow()
    done: list[Dropped] = []
    for dataset, limit in sorted(limits.items()):
        before = place.names.period(dataset).start(limit)
        old = list(indices_before(place.connection, place.names, dataset, before))
        if old and not dry_run:
            log.append({"kind": "expire", "dataset": dataset, "before": micros(before), "rows": []})
            place.step("expired")
            delete(place, [one.index for one in old])
        done += [one.what for one in old]
    return done


def indices_before(connection: Connection, names: Names, dataset: str, before: datetime) -> Iterator[Old]:
    """Indices of periods that begin before a time with which one begins; closed ones too, of which nothing is known."""
    refresh(connection, names.events(dataset))  # or the last 10 s are not counted
    asked: dict[str, Any] = {"format": "json", "h": "index,docs.count,pri.store.size", "bytes": "b", "s": "index"}
    path = f"/_cat/indices/{quote(names.events(dataset), safe='*')}"
    for found in connection.ask("GET", path, **asked, expand_wildcards="all"):
        period = names.period_of(dataset, found["index"])
        start = begun(period)
        if start is not None and start < before:
            events, size = (int(found[name] or 0) for name in ("docs.count", "pri.store.size"))
            yield Old(found["index"], Dropped(dataset, period, events, size))


def delete(place: Place, indices: Sequence[str]) -> None:
    """By their names, never by a pattern."""
    for at in range(0, len(indices), TOGETHER):
        some = ",".join(map(quote, indices[at : at + TOGETHER]))
        place.connection.ask("DELETE", f"/{some}", ignore_unavailable="true", allow_no_indices="true")
        place.step("dropped")
