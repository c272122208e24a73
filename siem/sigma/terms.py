"""The terms of a filter, which is an exception: who answers for it, why, and until when."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from siem.problem import Problems

CUSTOM = "custom"
DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ].+)?", re.ASCII)


def terms(custom: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """`owner`, `reason` and `expires` of a filter's `custom`."""
    texts: dict[str, Any] = {}
    for name in ("owner", "reason"):
        value = custom.get(name)
        if value is not None and not (isinstance(value, str) and value.strip()):
            problems.add(f"{name} must be a text that is not empty", CUSTOM, name)
        texts[name] = value
    return texts | {"expires": _moment(custom.get("expires"), problems)}


def _moment(value: Any, problems: Problems) -> datetime | None:
    """A date is its beginning, and what names no zone is UTC."""
    if value is None:
        return None
    try:
        if isinstance(value, str) and DATE.fullmatch(value):
            time = datetime.fromisoformat(value)
            return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        pass
    problems.add(f"expires must be a date or a time, as 2026-12-31; {value} is none", CUSTOM, "expires")
    return None
