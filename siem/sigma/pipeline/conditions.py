"""When a transformation of a processing pipeline is applied (pySigma: sigma.processing.conditions).

Conditions on rules answer None where the document does not tell: a filter is a part of rules that it does not show.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from siem.problem import Problem
from siem.sigma.pipeline.selections import Item
from siem.sigma.pipeline.subject import Run, Subject
from siem.sigma.pipeline.values import Value, compared, plain, read
from siem.sigma.tree import And, Leaf, Node, Not, Or, Wild

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt,
}  # fmt: skip
LEVELS = ("informational", "low", "medium", "high", "critical")
STATUSES = ("unsupported", "deprecated", "experimental", "test", "stable")
RANKS = {"level": LEVELS, "status": STATUSES}
DATES = frozenset(("date", "modified"))
TEXTS = frozenset(("title", "id", "name", "taxonomy", "description", "license", "author"))
LISTS = frozenset(("references", "tags", "fields", "falsepositives", "scope"))
UNCOMPARABLE = frozenset(("logsource", "detection", "correlation", "filter", "related", "errors", "source"))


def compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise Problem(f"regular expression {pattern!r} cannot be read: {error}") from error


def one_of(value: Any, allowed: Sequence[str], name: str) -> None:
    if value not in allowed:
        raise Problem(f"{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}")


@dataclass(frozen=True)
class Logsource:
    """The rule's log source is this, or narrower. Of a correlation: that of one of its rules is."""

    category: str | None = None
    product: str | None = None
    service: str | None = None

    def __post_init__(self) -> None:
        if not self._wanted():
            raise Problem("condition `logsource` needs a category, product or service")

    def _wanted(self) -> dict[str, str]:
        named = {"category": self.category, "product": self.product, "service": self.service}
        return {name: value.lower() for name, value in named.items() if value is not None}

    def of_rule(self, subject: Subject, run: Run) -> bool | None:
        if subject.kind != "correlation":
            return self._covers(subject.content, subject.kind == "filter")
        if subject.referenced is None:
            return None
        return any(self._covers(content, False) for content in subject.referenced)

    def _covers(self, content: Mapping[str, Any], is_filter: bool) -> bool | None:
        given = content.get("logsource")
        source = given if isinstance(given, Mapping) else {}
        found = [self._same(source.get(name), value, is_filter) for name, value in self._wanted().items()]
        return conjunction(found)

    @staticmethod
    def _same(given: Any, wanted: str, is_filter: bool) -> bool | None:
        if given is None and is_filter:
            return None
        return isinstance(given, str) and given.lower() == wanted


@dataclass(frozen=True)
class ContainsField:
    field: str

    def of_rule(self, subject: Subject, run: Run) -> bool | None:
        found = any(item.field == self.field for item in subject.items())
        return found or (None if subject.kind == "filter" else False)


@dataclass(frozen=True)
class ContainsDetectionItem:
    field: str
    value: str | int | float | bool | None

    def of_rule(self, subject: Subject, run: Run) -> bool | None:
        found = any(item.field == self.field and self._is_in(item) for item in subject.items())
        return found or (None if subject.kind == "filter" else False)

    def _is_in(self, item: Item) -> bool:
        wanted = read(self.value, False) if isinstance(self.value, str) else self.value
        if isinstance(wanted, tuple) and "cased" in item.modifiers:
            return False
        return any(equal(value, wanted) for value in compared(item))


def equal(value: Value, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool) or value is None or wanted is None:
        return value is wanted
    return bool(value == wanted)


@dataclass(frozen=True)
class IsSigmaRule:
    def of_rule(self, subject: Subject, run: Run) -> bool:
        return subject.kind != "correlation"


@dataclass(frozen=True)
class IsSigmaCorrelationRule:
    def of_rule(self, subject: Subject, run: Run) -> bool:
        return subject.kind == "correlation"


@dataclass(frozen=True)
class Tag:
    tag: str

    def of_rule(self, subject: Subject, run: Run) -> bool | None:
        tags = subject.content.get("tags")
        return None if subject.kind == "filter" else isinstance(tags, list) and self.tag in tags


@dataclass(frozen=True)
class RuleAttribute:
    attribute: str
    value: str | int | float
    op: str = "eq"

    def __post_init__(self) -> None:
        one_of(self.op, (*COMPARISONS, "in", "not_in"), "op")
        if self.attribute in UNCOMPARABLE:
            raise Problem(f"attribute `{self.attribute}` cannot be compared")

    def of_rule(self, subject: Subject, run: Run) -> bool | None:
        if subject.kind == "filter":
            return None
        value = subject.content.get(self.attribute)
        if value is None and self.attribute in LISTS:
            value = []
        if value is None and self.attribute == "taxonomy":
            value = "sigma"
        if value is None and self.attribute not in TEXTS | DATES | RANKS.keys():
            return False
        return self._compares(value)

    def _compares(self, value: Any) -> bool:
        if isinstance(value, list):
            return {"in": self.value in value, "not_in": self.value not in value}.get(self.op, self.op == "ne")
        if self.op in ("in", "not_in"):
            raise self._wrong(value)
        try:
            left, right = self._sides(value)
        except (ValueError, AttributeError, TypeError) as error:
            raise self._wrong(value) from error
        if isinstance(left, str) and self.op not in ("eq", "ne"):
            raise self._wrong(value)
        return COMPARISONS[self.op](left, right)

    def _sides(self, value: Any) -> tuple[Any, Any]:
        wanted: Any = self.value
        if self.attribute in RANKS:
            return RANKS[self.attribute].index(value.lower()), RANKS[self.attribute].index(wanted.lower())
        if self.attribute in DATES:
            return date.fromisoformat(value.replace("/", "-")), date.fromisoformat(wanted)
        if self.attribute == "id":
            return value.lower(), wanted
        if isinstance(value, (int, float)):
            return value, float(wanted)
        if isinstance(value, str):
            return value, wanted
        raise TypeError

    def _wrong(self, value: Any) -> Problem:
        told = "is not there" if value is None else f"({value!r})"
        return Problem(f"attribute `{self.attribute}` {told}: `{self.op}` {self.value!r} cannot be asked of it")


@dataclass(frozen=True)
class ProcessingItemApplied:
    processing_item_id: str

    def of_rule(self, subject: Subject, run: Run) -> bool:
        return self.processing_item_id in run.applied

    def of_item(self, item: Item, run: Run) -> bool:
        return self.processing_item_id in item.applied

    def of_field(self, name: str | None, run: Run) -> bool:
        return name is not None and self.processing_item_id in run.names.get(name, ())

    def of_line(self, item: Item, run: Run) -> bool:
        return self.processing_item_id in item.applied


@dataclass(frozen=True)
class ProcessingState:
    key: str
    val: str | int | float | bool
    op: str = "eq"

    def __post_init__(self) -> None:
        one_of(self.op, tuple(COMPARISONS), "op")

    def _holds(self, run: Run) -> bool:
        if self.key not in run.state:
            return False
        try:
            return COMPARISONS[self.op](run.state[self.key], self.val)
        except TypeError as error:
            raise Problem(
                f"state `{self.key}` is {run.state[self.key]!r}: `{self.op}` cannot be asked of it"
            ) from error

    def of_rule(self, subject: Subject, run: Run) -> bool:
        return self._holds(run)

    def of_item(self, item: Item, run: Run) -> bool:
        return self._holds(run)

    def of_field(self, name: str | None, run: Run) -> bool:
        return self._holds(run)


@dataclass(frozen=True)
class ValueCondition:
    """cond: whether `any` value of the line has to pass, or `all`."""

    cond: str

    def __post_init__(self) -> None:
        one_of(self.cond, ("any", "all"), "cond")

    def of_item(self, item: Item, run: Run) -> bool:
        return (any if self.cond == "any" else all)([self.passes(value) for value in compared(item)])

    def passes(self, value: Value) -> bool:
        raise NotImplementedError


@dataclass(frozen=True)
class MatchString(ValueCondition):
    pattern: str
    negate: bool = False
    _compiled: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_compiled", compiled(self.pattern))

    def passes(self, value: Value) -> bool:
        return (isinstance(value, tuple) and bool(self._compiled.match(plain(value)))) != self.negate


@dataclass(frozen=True)
class MatchValue(ValueCondition):
    value: str | int | float | bool

    def passes(self, value: Value) -> bool:
        if isinstance(self.value, str):
            return isinstance(value, tuple) and value == read(self.value, False)
        return isinstance(value, bool) <= isinstance(self.value, bool) and value == self.value


@dataclass(frozen=True)
class ContainsWildcard(ValueCondition):
    def passes(self, value: Value) -> bool:
        return isinstance(value, tuple) and any(isinstance(piece, Wild) for piece in value)


@dataclass(frozen=True)
class IsNull(ValueCondition):
    def passes(self, value: Value) -> bool:
        return value is None


@dataclass(frozen=True)
class IncludeFields:
    fields: list[str]
    mode: str = "plain"
    _patterns: tuple[re.Pattern[str], ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        one_of(self.mode, ("plain", "re"), "mode")
        if self.mode == "re":
            object.__setattr__(self, "_patterns", tuple(map(compiled, self.fields)))

    def of_field(self, name: str | None, run: Run) -> bool:
        return name is not None and (
            name in self.fields if self.mode == "plain" else any(pattern.match(name) for pattern in self._patterns)
        )


@dataclass(frozen=True)
class ExcludeFields(IncludeFields):
    def of_field(self, name: str | None, run: Run) -> bool:
        return not super().of_field(name, run)


RULE: Mapping[str, type[Any]] = {
    "logsource": Logsource,
    "contains_field": ContainsField,
    "contains_detection_item": ContainsDetectionItem,
    "is_sigma_rule": IsSigmaRule,
    "is_sigma_correlation_rule": IsSigmaCorrelationRule,
    "rule_attribute": RuleAttribute,
    "tag": Tag,
    "processing_item_applied": ProcessingItemApplied,
    "processing_state": ProcessingState,
}
ITEM: Mapping[str, type[Any]] = {
    "match_string": MatchString,
    "match_value": MatchValue,
    "contains_wildcard": ContainsWildcard,
    "is_null": IsNull,
    "processing_item_applied": ProcessingItemApplied,
    "processing_state": ProcessingState,
}
FIELD: Mapping[str, type[Any]] = {
    "include_fields": IncludeFields,
    "exclude_fields": ExcludeFields,
    "processing_item_applied": ProcessingItemApplied,
    "processing_state": ProcessingState,
}


def conjunction(answers: Sequence[bool | None]) -> bool | None:
    """Kleene's `and`: None is not known."""
    return False if False in answers else None if None in answers else True


def disjunction(answers: Sequence[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False


@dataclass(frozen=True)
class Linked:
    """Conditions and how they are linked: an expression over their names, else one (`any`) or all of them."""

    conditions: Mapping[str, Any] = field(default_factory=dict)
    expression: Node | None = None
    any: bool = False
    negated: bool = False

    def holds(self, ask: Callable[[Any], bool | None]) -> bool | None:
        if self.expression is not None:
            answer = self._expressed(self.expression, ask)
        else:
            answers = [ask(condition) for condition in self.conditions.values()]
            answer = disjunction(answers) if self.any else conjunction(answers)
        return not answer if self.negated and answer is not None else answer

    def _expressed(self, node: Node, ask: Callable[[Any], bool | None]) -> bool | None:
        match node:
            case Leaf(name):
                return ask(self.conditions[str(name)])
            case Not(item):
                answer = self._expressed(item, ask)
                return None if answer is None else not answer
            case And(items):
                return conjunction([self._expressed(item, ask) for item in items])
            case Or(items):
                return disjunction([self._expressed(item, ask) for item in items])
