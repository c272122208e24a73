"""Correlation rules: what several events together have to be (specification, "Correlation").

docs/decisions/0010-correlations.md says what each word means exactly; `siem.detect.correlating` runs them.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from siem.sigma.custom import Suppress
from siem.sigma.head import Head
from siem.sigma.tree import Node


class Kind(StrEnum):
    """What is looked at inside a window."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"


NUMERIC = frozenset((Kind.VALUE_SUM, Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN))
"""Kinds whose `field` has to hold numbers."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """What the number of a window is compared with: all of (`gte`, 10), … hold."""

    limits: tuple[tuple[str, float], ...]

    def holds(self, number: float) -> bool:
        return all(COMPARISONS[name](number, limit) for name, limit in self.limits)


@dataclass(frozen=True, eq=False, kw_only=True)
class Correlation(Head):
    """A rule about several events.

    rules: keys of the rules or correlations that it looks at, in order; a part's slot is the place here from 0.
    group_by: fields or aliases; () is one group of everything.
    aliases: alias -> key of a rule -> that rule's field.
    threshold: of the number that the kind is about; None only where `expression` is there instead.
    expression: for `temporal`: tree of leaves whose field is a rule's key and whose test is `Exists`: it was seen.
    fields: whose values are counted or summed up; several only for `value_count`.
    percentile: 0 to 100, for `value_percentile`.
    ties: for `temporal_ordered`: equal times are in order.
    generate: the rules that it names alert for themselves too.
    suppress: which episodes are one alert, where that is not each; `by` are some of `group_by`.
    """

    kind: Kind
    rules: tuple[str, ...]
    span: timedelta
    group_by: tuple[str, ...] = ()
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    threshold: Threshold | None = None
    expression: Node | None = None
    fields: tuple[str, ...] = ()
    percentile: float | None = None
    ties: bool = False
    generate: bool = False
    suppress: Suppress | None = None

    @property
    def about(self) -> tuple[str, ...]:
        """The names of `group_by` that its alerts are about."""
        return self.group_by if self.suppress is None or self.suppress.by is None else self.suppress.by

    @property
    def fingerprint(self) -> str:
        """Hash of what it means; another title does not change it."""
        own = (self.kind, self.rules, self.span, self.group_by, sorted(self.aliases.items()), self.threshold)
        meaning = repr((own, self.expression, self.fields, self.percentile, self.ties, self.level))
        return hashlib.sha256(meaning.encode()).hexdigest()[:24]

    def field_of(self, name: str, rule: str) -> str:
        """The field of a rule's events that a name of `group_by` or `fields` stands for."""
        return self.aliases.get(name, {}).get(rule, name)
