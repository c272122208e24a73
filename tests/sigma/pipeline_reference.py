"""What pySigma makes of a rule and a pipeline, in a form in which two rules that ask the same of events are equal."""

from __future__ import annotations

import copy
from itertools import product
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule
from sigma.types import SigmaString

Clauses = frozenset[frozenset[tuple[Any, ...]]]


def shown(rule: SigmaRule) -> dict[str, Any]:
    """Everything about a rule that a pipeline can change; conditions as alternatives of literals."""
    return {
        "conditions": [_condition(one.parsed) for one in rule.detection.parsed_condition],
        "fields": rule.fields,
        "logsource": (rule.logsource.category, rule.logsource.product, rule.logsource.service),
        "custom": rule.custom_attributes,
    }


def by_reference(pipeline: ProcessingPipeline, content: dict[str, Any]) -> dict[str, Any]:
    return shown(pipeline.apply(SigmaRule.from_dict(copy.deepcopy(content))))  # type: ignore[arg-type]


def as_read(content: dict[str, Any]) -> dict[str, Any]:
    return shown(SigmaRule.from_dict(copy.deepcopy(content)))


def _condition(node: Any, negated: bool = False) -> Clauses | None:
    """Alternatives of literals; what another alternative covers is left out, so that equal meaning is equal.

    None: a pipeline left nothing of it.
    """
    match node:
        case None:
            return None
        case ConditionNOT():
            return _condition(node.args[0], not negated)
        case ConditionAND() | ConditionOR():
            below = [made for one in node.args if (made := _condition(one, negated)) is not None]
            if not below:
                return None
            if isinstance(node, ConditionOR) != negated:
                return _shortest({clause for clauses in below for clause in clauses})
            return _shortest({frozenset().union(*chosen) for chosen in product(*below)})
        case ConditionFieldEqualsValueExpression():
            return frozenset({frozenset({(negated, node.field, _value(node.value))})})
        case ConditionValueExpression():
            return frozenset({frozenset({(negated, None, _value(node.value))})})
    raise AssertionError(f"unexpected {node!r}")


def _shortest(clauses: set[frozenset[tuple[Any, ...]]]) -> Clauses:
    return frozenset(clause for clause in clauses if not any(other < clause for other in clauses))


def _value(value: Any) -> str:
    if not isinstance(value, SigmaString):
        return repr(value) if "object at" not in repr(value) else type(value).__name__
    parts: list[str] = []
    for part in value.s:
        one = f"<{part}>" if not isinstance(part, str) else part
        if isinstance(part, str) and part == "":
            continue
        if parts and parts[-1] == one == "<SpecialChars.WILDCARD_MULTI>":
            continue
        parts.append(one)
    return f"{type(value).__name__}:{'|'.join(parts)}"
