"""What a filter would have hidden: two backtests compared, and what people had said of these alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from siem.detect.alerts import MOST_VALUES, folded
from siem.sigma import RuleSet
from siem.store.contract import Alert
from siem.store.handling import MERGED, Action, Disposition, Verb


@dataclass(frozen=True)
class Hidden:
    """An alert that is gone with the filter, or shrinks to `left` events, or appears (then `left` is its count).

    standing: the alert as it is in the store, if it was raised. confirmed: somebody closed it as true, at last.
    """

    what: str
    alert: Alert
    left: int
    standing: Alert | None = None
    confirmed: bool = False


def affected(rules: RuleSet, keys: Collection[str]) -> tuple[RuleSet, frozenset[str]]:
    """The rules and correlations that a change of these rules reaches, with all that those stand on; and their keys."""
    reached = set(keys)
    for above in rules.correlations:
        reached.update({above.key} if reached.intersection(above.rules) else ())
    wanted = set(reached)
    for above in reversed(rules.correlations):
        wanted.update(above.rules if above.key in wanted else ())
    mine = replace(
        rules,
        rules=tuple([one for one in rules.rules if one.key in wanted]),
        correlations=tuple([one for one in rules.correlations if one.key in wanted]),
    )
    return mine, frozenset(reached)


def hidden(
    before: Iterable[Alert], after: Iterable[Alert], standing: Iterable[Alert], actions: Iterable[Action]
) -> list[Hidden]:
    """What is not as it was: confirmed alerts first, then by what became of them, newest first.

    before, after: without and with the filter, of the same span. standing, actions: of the store, merged alerts too.
    """
    without, by_filter, raised = ByGroup(before), ByGroup(after), ByGroup(standing)
    closed = {one.alert: one.disposition for one in actions if one.verb is Verb.CLOSE}
    found = [Hidden("appears", alert, alert.count) for alert in by_filter.all if not without.over(alert)]
    for alert in without.all:
        left = _left(alert, by_filter.over(alert))
        if left == alert.count:
            continue
        there = sorted(raised.over(alert), key=lambda one: (one.state == MERGED, one.first))
        confirmed = Disposition.TRUE in [closed.get(one.id) for one in there]
        what = "shrinks" if left else "gone"
        found.append(Hidden(what, alert, left, there[0] if there else None, confirmed))
    order = ("gone", "shrinks", "appears")
    found.sort(key=lambda one: one.alert.first, reverse=True)
    return sorted(found, key=lambda one: (not one.confirmed, order.index(one.what)))


def _left(alert: Alert, over: Sequence[Alert]) -> int:
    """How many of its events alert still, in those that overlap it: with `suppress` these may have others of its
    neighbours'. Where not all are listed, as many as those have."""
    if all(len(one.events) == one.count for one in [alert, *over]):
        return len(set(alert.events).intersection([event for one in over for event in one.events]))
    return min(alert.count, sum([one.count for one in over]))


def unlike(found: Iterable[Hidden], alert: Alert, said: Collection[str]) -> dict[str, dict[str, int]]:
    """What other alerts that are hidden show and this one does not: field -> value -> in how many, the rarest first.

    said: fields that the filter names. Each other would make it narrower; of two with the same values the first.
    """
    counts: dict[str, Counter[str]] = {
        name: Counter() for name, texts in alert.values.items() if name not in said and len(texts) < MOST_VALUES
    }
    for one in found:
        for name in counts if one.what != "appears" else ():
            counts[name].update(set(one.alert.values.get(name, ())).difference(alert.values[name]))
    others = {
        name: dict(sorted(values.items(), key=lambda item: (item[1], item[0]))) for name, values in counts.items()
    }
    told = list(others.values())
    return {
        name: values for place, (name, values) in enumerate(others.items()) if values and values not in told[:place]
    }


class ByGroup:
    """Alerts by rule and group."""

    def __init__(self, alerts: Iterable[Alert]) -> None:
        self.all = list(alerts)
        self._held: dict[object, list[Alert]] = {}
        for alert in self.all:
            self._held.setdefault(_group(alert), []).append(alert)

    def over(self, alert: Alert) -> Sequence[Alert]:
        """Those of its rule and group that it overlaps."""
        mine = self._held.get(_group(alert), ())
        return [one for one in mine if one.first <= alert.last and one.last >= alert.first]


def _group(alert: Alert) -> object:
    return alert.rule_id, folded(alert.group)
