"""What an alert's level and marks depend on beside rule and events: when people work, and whose account it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(hours=24)


def _never(time: datetime) -> bool:
    return False


def _nobody(account: str) -> str | None:
    return None


@dataclass(frozen=True)
class Circumstances:
    """after_hours: a time is outside of working hours. environment: of an account by its id, where it is known.

    live_window: an event that was older than this when it was stored is history.
    """

    after_hours: Callable[[datetime], bool] = _never
    environment: Callable[[str], str | None] = _nobody
    live_window: timedelta = DAY


USUAL = Circumstances()
"""Nothing is known."""
