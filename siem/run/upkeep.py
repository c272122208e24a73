"""What is done for a store now and then, while nobody looks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from siem.config import Settings
from siem.prove.anchor import anchor_of
from siem.prove.seals import seal
from siem.run.content import fingerprints, load_content, load_registry
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
    for made in store.compact(now):
        log.info("compacted", dataset=made.dataset, day=made.day, files=made.files, into=made.into)


def seal_new(store: Store, settings: Settings, now: datetime, log: Any) -> None:
    """Seal what came since the last seal, where the setting `verify.anchor` says where seals lie.

    Raises:
        ConfigError, ContentError: the anchor cannot be written, or the team's content cannot be read.
        Unavailable: anchor or store are away; the next run goes on.
    """
    if settings.verify.anchor is None:
        return
    rules = load_content(settings.content, settings.detect.live_window, now).rules
    made = seal(store, fingerprints(rules), anchor_of(settings.verify.anchor, settings.access_to), now)
    log.info("sealed", number=made.number, **made.counts)
