"""What a store's health is told in: one line a check, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from siem.config import Settings
from siem.schema import DatasetFields
from siem.store import is_cluster


class Verdict(StrEnum):
    """How a check ended. A warning can wait; after a failure the store does not work, or not as it promises."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Check:
    """what: was looked at. said: what was found. advice: what to do; "" where there is nothing to do."""

    what: str
    verdict: Verdict
    said: str
    advice: str = ""


def examined(settings: Settings, fields: Mapping[str, DatasetFields], clock: Callable[[], datetime]) -> list[Check]:
    """The checks of the store that the settings name, for these datasets. Nothing is changed."""
    if is_cluster(settings.store):
        from siem.store.opensearch.cluster.doctor import checks  # its client takes 0.2 s to load

        return checks(settings, fields, clock)
    from siem.store.embedded.doctor import checks as of_a_folder

    return of_a_folder(settings.store)
