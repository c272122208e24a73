"""Work at which a store is disturbed, and what everybody has to see in the end, whatever happened meanwhile."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opensearchpy import OpenSearch

from siem.detect.passes import Passed, detect
from siem.detect.sources import Sources
from siem.errors import Unavailable
from siem.parsing import Registry
from siem.parsing.batch import Parsed
from siem.run.content import load_registry
from siem.sigma import RuleSet, load_rules
from siem.store.contract import Alert, Delivery, LedgerRow, Signal, Store
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.names import Names
from siem.testing.batches import DocumentBatch
from siem.testing.deliveries import NOW, START, TRAIL, delivery, found, put, reject, trail

CALLS, SHARED = 110, 10
"""Of an object, and how many of these the next one has too."""

NEW = CALLS - SHARED
USERS = 3

RULES = (
    """\
title: A console login
name: login
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {event.action: ConsoleLogin}
  condition: selection
level: high
custom: {group: [user.name]}
""",
    """\
title: A name that ends in nine, which no index can tell for sure
name: nine
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {requestParameters.name|re: '^e\\d*9$'}
  condition: selection
level: low
custom: {group: [user.name]}
""",
)


def written(folder: Path) -> RuleSet:
    for number, text in enumerate(RULES):
        (folder / f"rule{number}.yml").write_text(text)
    loaded = load_rules([folder])
    assert not loaded.refused
    return loaded


def opened(
    urls: str | Sequence[str],
    names: Names,
    fields: Any,
    lease: float = 30.0,
    patience: float = 60.0,
    timeout: float = 30.0,
    step: Callable[[str], None] = lambda name: None,
) -> OpenSearchStore:
    """A store of these hosts. lease, patience, timeout: in seconds."""
    hosts = [urls] if isinstance(urls, str) else list(urls)
    client = OpenSearch(
        hosts=hosts,
        serializer=Json(),
        max_retries=len(hosts) - 1,
        retry_on_timeout=False,
        timeout=timeout,
        pool_maxsize=8,
    )
    return OpenSearchStore(Connection(client, "test", patience), names, fields, lease, step)


def logged(number: int) -> tuple[Delivery, list[Parsed]]:
    """An object of calls, a second apart, in two blocks; the last has a reject, and both have one of the calls."""
    of, first, half = delivery(f"object {number}"), number * NEW, CALLS // 2
    places = range(first, first + CALLS)
    return of, [
        Parsed(TRAIL, calls(of, places[: half + 1])),
        Parsed(TRAIL, calls(of, places[half:]), [reject(900)]),
    ]


def calls(of: Delivery, places: Iterable[int]) -> DocumentBatch:
    """One in eleven is a login."""
    made = [
        trail(
            of,
            f"e{at}",
            start=START + timedelta(seconds=at),
            more={"event.action": "ListBuckets" if at % 11 else "ConsoleLogin", "user.name": f"ann{at % USERS}"},
        )
        for at in places
    ]
    return DocumentBatch(TRAIL, [each for one in made for each in one.given], made[0].payloads)


def ingest(store: Store, numbers: Sequence[int], together: int = 4, tries: int = 9, now: datetime = NOW) -> None:
    """As a worker does: a commit that was not to be had is begun again."""
    for start in range(0, len(numbers), together):
        again(lambda some: put(store, *map(logged, some), now=now), numbers[start : start + together], tries)


def again(attempt: Any, given: Any, tries: int) -> Any:
    for _ in range(tries - 1):
        try:
            return attempt(given)
        except Unavailable:
            continue
    return attempt(given)


def judge(store: Store, rules: RuleSet, registry: Registry, tries: int = 9) -> Passed:
    """As a scheduler does: a pass that could not be made is made again."""
    return again(lambda sources: detect(store, rules, sources), Sources.of(registry), tries)


@dataclass(frozen=True)
class Account:
    """What everybody sees."""

    rows: dict[str, LedgerRow]
    visible: dict[str, int]
    calls: Sequence[tuple[str, str]]
    rejects: Sequence[tuple[str, int]]
    alerts: Sequence[Alert]
    signals: Sequence[Signal]


def account(store: Store) -> Account:
    hits = found(store, TRAIL)
    groups = [{"user.name": f"ann{user}"} for user in range(USERS)]
    signals = [signal for rule in ("login", "nine") for group in groups for signal in store.signals(rule, group)]
    rejects = [(one.object, one.reject.ordinal) for one in store.rejects()]
    calls = [(hit.event_id, str(hit.timestamp)) for hit in hits]
    return Account(store.ledger(), Counter(hit.object for hit in hits), calls, rejects, store.alerts(), signals)


def check(seen: Account, objects: int, judged: bool = True) -> None:
    """Everything is there, and once: by arithmetic."""
    all_ = objects * NEW + SHARED
    assert len(seen.rows) == objects
    assert [id_ for id_, _ in seen.calls] == [f"e{at}" for at in range(all_)]
    assert len(seen.rejects) == len(set(seen.rejects)) == objects
    for id_, row in seen.rows.items():
        assert (row.records, row.events, row.rejects) == (CALLS + 2, CALLS + 1, 1)
        assert row.events - row.duplicates == seen.visible[id_]
    logins = [f"e{at}" for at in range(all_) if not at % 11] if judged else []
    nines = [f"e{at}" for at in range(all_) if at % 10 == 9] if judged else []
    assert sorted(one.event_id for one in seen.signals if one.rule_id == "login") == sorted(logins)
    assert sorted(one.event_id for one in seen.signals if one.rule_id == "nine") == sorted(nines)
    for rule, ids in ("login", logins), ("nine", nines):
        mine = [alert for alert in seen.alerts if alert.rule_id == rule]
        assert sum(alert.count for alert in mine) == len(ids)


def sleeping(url: str, prefix: str, step: str, folder: Path | None, numbers: Sequence[int] = ()) -> None:
    """For a process of its own, which stops itself once, at that step: ingest these objects, or judge by the rules in a
    folder."""
    slept = False

    def sleep(name: str) -> None:
        nonlocal slept
        if name == step and not slept:
            slept = True
            os.kill(os.getpid(), signal.SIGSTOP)

    registry = load_registry()[0]
    fields = {dataset: parser.fields for dataset, parser in registry.parsers.items()}
    store = opened(url, Names(prefix), fields, lease=1.0, step=sleep)
    if folder is not None:
        judge(store, written(folder), registry)
    ingest(store, numbers)
    store.close()
    assert slept
