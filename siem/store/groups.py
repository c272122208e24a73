"""What an alert is about, as a key: values that differ in case alone are the same group."""

from __future__ import annotations

import json
from collections.abc import Mapping

from siem.schema import fold
from siem.store.contract import Signal


def grouping(group: Mapping[str, str]) -> str:
    """A group as text that is the same for the same group."""
    return json.dumps({name: fold(value) for name, value in group.items()}, sort_keys=True)


def part(signal: Signal) -> str:
    """Of a correlation's signal what belongs to its key beside rule and event; "" of others."""
    return json.dumps([signal.matched, grouping(signal.group)]) if signal.matched else ""
