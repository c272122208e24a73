"""The columns that `siem rules list` has where there is a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any

from siem.cli import options
from siem.cli.output import tell
from siem.config import Settings
from siem.detect.health import Health, health
from siem.errors import ConfigError, Unavailable
from siem.store import existing_store

COLUMNS = ("alerts", "outcomes", "health")


def looked_up(settings: Settings) -> Health | None:
    """None: there is no store, or (which is told) it is away."""
    try:
        store = existing_store(settings)
    except ConfigError:
        return None
    except Unavailable as away:
        tell(f"without alerts and health: {away}")
        return None
    with closing(store):
        return health(store, options.now())


def joined(rows: Iterable[dict[str, Any]], found: Health) -> Iterator[dict[str, Any]]:
    """The rows, those of rules with what is known of them."""
    for row in rows:
        if row["type"] in (None, "filter"):
            yield row | dict.fromkeys(COLUMNS)
            continue
        outcomes = dict(found.of(row["id"]))
        amiss = list(found.told(row["id"], row["datasets"]))
        yield row | {"alerts": sum(outcomes.values()), "outcomes": outcomes, "health": amiss}
