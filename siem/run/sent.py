"""Cases of rules of silence: what was sent when, and the time at which they are asked.

cases:
  - name: nothing for more than a day
    match: true
    logs:                           # each an object that came; what it holds does not matter
      - {at: 2026-11-01T02:00:00Z, key: AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/01/a.json.gz}
      - {at: 2026-11-02T02:00:00Z, key: …, bucket: logs, dataset: aws.cloudtrail}
    now: 2026-11-03T02:00:01Z
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from siem.intake.senders import sender
from siem.problem import Problem
from siem.store.contract import Heard

KEYS = frozenset(("at", "key", "bucket", "dataset"))


def heard(given: Any, answered: Sequence[str]) -> Iterator[Heard]:
    """Who sent. answered: the datasets that the rule is about.

    Raises:
        Problem: an entry is none.
    """
    told = "`logs:` of a rule of silence must be a list of `at` (a time) and `key`, with `bucket` and `dataset`"
    if not isinstance(given, list):
        raise Problem(told)
    for one in given:
        if not isinstance(one, Mapping) or one.keys() - KEYS or not isinstance(one.get("key"), str):
            raise Problem(told)
        dataset = one.get("dataset") or (answered[0] if len(answered) == 1 else None)
        if not isinstance(dataset, str):
            raise Problem(f"`dataset:` must be one of {', '.join(answered)}")
        who, at = sender(str(one.get("bucket", "")), one["key"]), moment(one.get("at"), "at")
        yield Heard(dataset, who.place, who.account, at, at)


def moment(value: Any, name: str) -> datetime:
    """Raises: Problem."""
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Problem(f"`{name}:` must be a time, as 2026-11-01T02:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
