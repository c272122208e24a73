"""Times as the ledger and the files hold them: microseconds since 1970 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
DAY = 86_400_000_000


def micros(time: datetime) -> int:
    """Microseconds since 1970; negative before."""
    return (time - EPOCH) // MICROSECOND


def from_micros(microseconds: int) -> datetime:
    """The inverse of `micros`."""
    return EPOCH + timedelta(microseconds=microseconds)


def from_micros_or_none(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else from_micros(microseconds)


def micros_or_none(time: datetime | None) -> int | None:
    return None if time is None else micros(time)
