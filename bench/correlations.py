"""Every kind of correlation over a million parts, against sorting the same table by group and time in DuckDB."""

from __future__ import annotations

from datetime import timedelta
from functools import cache, partial
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bench.claim import Claim
from siem.detect.correlating import Correlator
from siem.sigma.correlation import Correlation, Kind, Threshold

PARTS = 1_000_000
GROUPS = 20_000
RULES = ("first", "second", "third")
HOUR = timedelta(hours=1)
SEED = 11

GOAL = 1.0
"""Times of the floor."""


def claims() -> list[Claim]:
    """Limits and spans are such that one part in 50 to 1,000 fires: more than of any rule that people keep."""
    return [
        claim("event_count", Kind.EVENT_COUNT, at_least=7),
        claim("value_count", Kind.VALUE_COUNT, at_least=7),
        claim("value_sum", Kind.VALUE_SUM, at_least=4_000),
        claim("value_avg", Kind.VALUE_AVG, at_least=980),
        claim("value_percentile", Kind.VALUE_PERCENTILE, at_least=990, percentile=90.0),
        claim("value_median", Kind.VALUE_MEDIAN, at_least=985),
        claim("temporal", Kind.TEMPORAL, HOUR / 10),
        claim("temporal_ordered", Kind.TEMPORAL_ORDERED, HOUR / 3),
        claim("temporal_ordered with ties", Kind.TEMPORAL_ORDERED, HOUR / 3, ties=True),
    ]


def claim(name: str, kind: Kind, span: timedelta = HOUR, at_least: float | None = None, **more: Any) -> Claim:
    threshold = None if at_least is None else Threshold((("gte", at_least),))
    head: dict[str, Any] = {"key": name, "title": name, "file": "bench", "line": 1}
    correlation = Correlation(kind=kind, rules=RULES, span=span, threshold=threshold, **head, **more)
    return Claim(f"correlation {name}", "parts", partial(found, correlation), plain, GOAL, at_most=True)


def found(correlation: Correlation) -> int:
    """The product. That firings are few, but some, is checked: else evidence would go unmeasured, or be all."""
    firings = len(Correlator().found(correlation, parts()).firings)
    assert 0.001 < firings / PARTS < 0.02, f"{correlation.key} fires {firings} times"
    return PARTS


def plain() -> int:
    """The floor: what every way of looking at windows does first."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("parts", parts())
        connection.sql('SELECT * FROM parts ORDER BY "group", "time"').to_arrow_table()
    return PARTS


@cache
def parts() -> pa.Table:
    """A day of whole seconds. One event in ten is there for two rules, and one row in a hundred comes twice."""
    random = np.random.default_rng(SEED)
    events = PARTS * 10 // 11
    of = np.concatenate((np.arange(events), random.integers(0, events, PARTS - events)))
    slot = random.integers(0, len(RULES), PARTS).astype(np.int16)
    again = random.integers(1, PARTS, PARTS // 100)
    of[again], slot[again] = of[again - 1], slot[again - 1]
    seconds = 1_790_000_000 + random.integers(0, 86_400, events)
    columns = {
        "slot": pa.array(slot),
        "group": _texts('["arn:aws:iam::123456789012:role/{:05}"]', GROUPS, random.integers(0, GROUPS, events)[of]),
        "time": pa.array(seconds[of] * 1_000_000).cast(pa.timestamp("us", tz="UTC")),
        "event": _texts("5c1ecb3a-08a1-4d0c-9f0e-{:012x}", events, of),
        "value": _texts('["192.0.2.{}"]', 1_000, random.integers(0, 1_000, events)[of]),
        "number": pa.array((random.integers(0, 100_000, events) / 100)[of]),
    }
    return pa.table(columns).take(pa.array(random.permutation(PARTS)))


def _texts(form: str, count: int, places: np.ndarray) -> pa.Array:
    return pa.array([form.format(number) for number in range(count)]).take(pa.array(places))
