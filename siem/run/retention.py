"""Retention: from days per dataset to limits, and what the store drops before them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from siem.errors import ConfigError
from siem.store.contract import Dropped, Store

DEFAULT = "default"
"""In place of a dataset: those that are not named."""


def retain(
    store: Store, days: Mapping[str, int], known: Collection[str], now: datetime, dry_run: bool = False
) -> list[Dropped]:
    """Drop what is older than its dataset's days; with `dry_run` say what that is. known: datasets that parsers make.

    Raises:
        ConfigError: a dataset of the setting is none.
        Unavailable: the store is away; the next run goes on.
    """
    stored = {sums.dataset for sums in store.stats() if sums.dataset is not None}
    for dataset in days:
        if dataset not in {DEFAULT, *stored, *known}:
            there = ", ".join(sorted({*stored, *known}))
            raise ConfigError(f"retention: {dataset} is no dataset; there are: {DEFAULT}, {there}")
    kept = {dataset: days.get(dataset, days.get(DEFAULT)) for dataset in stored}
    return store.retain(
        {dataset: now - timedelta(days=most) for dataset, most in kept.items() if most is not None}, dry_run
    )
