"""What people do with alerts: each step is an action in a log that only grows; the alert shows what the last one left.

An alert begins OPEN. It is ACKNOWLEDGED when somebody looks at it, and CLOSED with what it was. MERGED ones were taken
over by another, which late data made of them, with what was done.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siem.store.judging import Alert

OPEN, ACKNOWLEDGED, CLOSED, MERGED = "open", "acknowledged", "closed", "merged"
"""States of an alert."""

URGENCY = (OPEN, ACKNOWLEDGED, CLOSED)
"""What several alerts that become one are together: the first of these that one of them is."""


class Disposition(StrEnum):
    """What a closed alert was."""

    TRUE = "true"  # it happened, and should not have
    EXPECTED = "expected"  # it happened, and was meant to
    FALSE = "false"  # it did not happen: the rule is wrong
    TEST = "test"  # somebody tried whether the rule works


class Verb(StrEnum):
    """What was done. EXCEPT: a filter was written, so that events like these raise no alert any more."""

    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"
    REOPEN = "reopen"
    EXCEPT = "except"


@dataclass(frozen=True)
class Action:
    """A step that somebody took.

    id: chosen by who acts, different for every step; the same again is the same step.
    alert, rule_id: which alert, and its rule (a log is read by rule too).
    author: who, as people of the team know them. text: why. disposition: of CLOSE, what the alert was.
    """

    id: str
    alert: str
    rule_id: str
    verb: Verb
    author: str
    time: datetime
    text: str = ""
    disposition: Disposition | None = None


LEAVES = {Verb.ACKNOWLEDGE: ACKNOWLEDGED, Verb.CLOSE: CLOSED, Verb.REOPEN: OPEN}
"""The state in which an action leaves an alert; any other leaves it as it is."""


def handled(alert: Alert, action: Action) -> Alert:
    """The alert after an action."""
    if action.verb not in LEAVES:
        return alert
    return replace(
        alert,
        state=LEAVES[action.verb],
        disposition=action.disposition,
        author=action.author,
        note=action.text,
        changed=action.time,
    )


def inherited(alert: Alert, earlier: Iterable[Alert]) -> Alert:
    """An alert, made anew, with what was done with those that it takes over from: open if one of them is.

    One that was closed as TRUE is open again once there is more to it: what should not happen goes on.
    """
    before = sorted([_again(one, alert) for one in earlier], key=lambda one: URGENCY.index(one.state))
    if not before:
        return alert
    state = before[0].state
    last = max(before, key=lambda one: (one.changed is not None, one.changed))
    disposition = last.disposition if state == CLOSED else None
    return replace(
        alert, state=state, disposition=disposition, author=last.author, note=last.note, changed=last.changed
    )


def _again(old: Alert, new: Alert) -> Alert:
    goes_on = old.state == CLOSED and old.disposition == Disposition.TRUE and new.count > old.count
    return replace(old, state=OPEN) if goes_on else old
