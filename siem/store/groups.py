"""What an alert is about, as a key: values that differ in case alone are the same group."""

from __future__ import annotations

import json
from collections.abc import Mapping

from siem.schema import fold
from siem.store.contract import Alert, Signal


def grouping(group: Mapping[str, str]) -> str:
    """A group as text that is the same for the same group."""
    return json.dumps({name: fold(value) for name, value in group.items()}, sort_keys=True)


def settled_by(one: Signal | Alert) -> str:
    """What is settled together, as a key."""
    return grouping(one.group if one.within is None else one.within)


def part(signal: Signal) -> str:
    """What belongs to a signal's key beside rule and event, of a correlation's and where only the first of its group
    counts; "" of others."""
    if signal.within is not None:
        return json.dumps([grouping(signal.within), grouping(signal.group)])
    return json.dumps([signal.matched, grouping(signal.group)]) if signal.matched else ""
