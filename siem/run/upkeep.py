"""What is done for a store now and then, while nobody looks."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from siem.run.content import load_registry
from siem.run.retention import retain
from siem.store.contract import Store


def drop_old(store: Store, days: Mapping[str, int], team: Path | None, now: datetime, log: Any) -> None:
    """Drop what is older than the setting `retention` keeps.

    Raises:
        ConfigError: a dataset of the setting is none.
        Unavailable: the store is away; the next run goes on.
    """
    if not days:
        return
    for dropped in retain(store, days, load_registry(team)[0].fields, now):
        log.info("dropped", dataset=dropped.dataset, period=dropped.period, events=dropped.events, bytes=dropped.bytes)


def compact(store: Store, now: datetime, log: Any) -> None:
    """Merge what lies in many small files.

    Raises:
        Unavailable: the store is away; the next run goes on.
    """
    with suppress(NotImplementedError):  # no store can yet
        if merged := store.compact(now):
            log.info("compacted", merged=len(merged))
