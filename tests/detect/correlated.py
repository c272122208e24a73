"""Correlations and tables of parts, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import brute_force
import pyarrow as pa

from siem.sigma.correlation import Correlation, Kind, Threshold

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SCHEMA = pa.schema(
    {
        "slot": pa.int16(),
        "group": pa.string(),
        "time": pa.timestamp("us", tz="UTC"),
        "event": pa.string(),
        "value": pa.string(),
        "number": pa.float64(),
    }
)


def correlation(kind: Kind, span: timedelta, rules: tuple[str, ...] = ("a",), **more: Any) -> Correlation:
    return Correlation(key="key", title="title", kind=kind, rules=rules, span=span, file="rule.yml", line=1, **more)


def table(parts: Iterable[brute_force.Part]) -> pa.Table:
    return pa.Table.from_pylist([vars(part) for part in parts], schema=SCHEMA)


def at_least(number: float) -> Threshold:
    return Threshold((("gte", number),))
