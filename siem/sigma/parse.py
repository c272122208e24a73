"""The border to pySigma, the parser of reference: wildcards and escapes, conditions, the fields of a rule's head.

Only this module imports `sigma`. pySigma's modifiers are not used: they take the `\\*` of an escaped star into base64,
count characters where bytes are meant, know no `utf16le`, round integers beyond 2^53 and lose `cased` before others;
ours are in `siem.sigma.modifiers`. Its grammar of conditions is given numbers for the names of selections, as it reads
`notable` as `not able`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionItem,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
    SigmaCondition,
)
from sigma.exceptions import SigmaConditionError, SigmaError
from sigma.rule import SigmaDetections, SigmaRule
from sigma.types import SigmaString, SpecialChars

from siem.problem import Problem
from siem.sigma.tree import And, Node, Not, Or, Wild

WORDS = frozenset(("and", "or", "not", "of", "them"))
QUANTIFIED = re.compile(r"\b(?:1|any|all)\s+of\s+\S")
WILDCARDS = {SpecialChars.WILDCARD_MULTI: Wild.ANY, SpecialChars.WILDCARD_SINGLE: Wild.ONE}
STUB = {"logsource": {"category": "any"}, "detection": {"selection": {"field": "value"}, "condition": "selection"}}

OURS = frozenset(("id", "tags", "references", "falsepositives", *STUB))
"""Fields of a rule that pySigma does not see."""


def pattern(text: str) -> tuple[str | Wild, ...]:
    """A value of a rule as literals and wildcards, its escapes resolved (specification, "Escaping")."""
    parts: list[str | Wild] = []
    for part in SigmaString(text).s:
        if isinstance(part, SpecialChars):
            parts.append(WILDCARDS[part])
        else:
            parts.append(str(part))
    return tuple(parts)


def head_problems(document: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with title, level, status, dates and the like. What is left out here is read elsewhere."""
    head = {key: value for key, value in document.items() if key not in OURS}
    try:
        errors = SigmaRule.from_dict({**head, **STUB}, collect_errors=True).errors
    except (AttributeError, TypeError, ValueError) as error:  # pySigma meets a type that it did not expect
        return [Problem(f"title, related, level or another field of the head has the wrong type ({error})")]
    return [_problem(error, document) for error in errors]


def _problem(error: SigmaError, document: Mapping[str, Any]) -> Problem:
    """pySigma names its errors by fields: SigmaLevelError."""
    field = type(error).__name__.removeprefix("Sigma").removesuffix("Error").lower()
    return Problem(str(error.args[0] if error.args else error), (field,) if field in document else ())


def condition(text: str, selections: Mapping[str, Node]) -> Node:
    """The tree of a condition over named selections.

    Raises:
        Problem: it cannot be read, or names what is not there.
    """
    if "|" in text:
        raise Problem("aggregations behind `|` were replaced by correlation rules")
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        word = found.group()
        if word in WORDS or (word in ("1", "any", "all") and QUANTIFIED.match(text, found.start())):
            return word
        names.append(word)
        return f"S{len(names) - 1}"

    safe = re.sub(r"[^\s()]+", numbered, text)
    try:
        parsed = SigmaCondition(safe, SigmaDetections({"S": _nothing}, [safe])).parse(postprocess=False)
        return _node(parsed, names, selections)
    except SigmaConditionError as error:
        raise Problem(f"condition `{text}` cannot be read{hint(names, selections)}") from error
    except SigmaError as error:
        raise Problem(f"condition `{text}`: {error}") from error
    except RecursionError as error:
        raise Problem("condition is nested too deep to be read") from error


def hint(names: Iterable[str], selections: Mapping[str, Node]) -> str:
    """What may be wrong with a condition: `AND` is no word of it."""
    for name in names:
        if name not in selections and name.lower() in WORDS | {"all", "any"} and name != name.lower():
            return f": write `{name.lower()}`, not `{name}`"
    return ""


_nothing: Any = None  # pySigma wants detections, and does not look at them before it resolves names


def _node(parsed: object, names: list[str], selections: Mapping[str, Node]) -> Node:
    match parsed:
        case ConditionIdentifier():
            return _selected(parsed.identifier, names, selections)
        case ConditionSelector():
            found = _matching(parsed.pattern, names, selections)
            return And(found) if parsed.cond_class is ConditionAND else Or(found)
        case ConditionNOT():
            return Not(_node(parsed.args[0], names, selections))
        case ConditionAND():
            return And(_nodes(parsed, names, selections))
        case ConditionOR():
            return Or(_nodes(parsed, names, selections))
    raise Problem(f"condition holds {type(parsed).__name__}, which is not known here")


def _nodes(parsed: ConditionItem, names: list[str], selections: Mapping[str, Node]) -> tuple[Node, ...]:
    return tuple([_node(item, names, selections) for item in parsed.args])


def _name(token: str, names: list[str]) -> str:
    return names[int(token.removeprefix("S"))] if token.startswith("S") else token


def _selected(token: str, names: list[str], selections: Mapping[str, Node]) -> Node:
    name = _name(token, names)
    if name not in selections:
        raise Problem(f"condition names `{name}`, but there is no such selection")
    return selections[name]


def _matching(token: str, names: list[str], selections: Mapping[str, Node]) -> tuple[Node, ...]:
    """The selections of `1 of …`; those that begin with `_` only where the pattern does."""
    wanted = _name(token, names)
    matches = re.compile(translate("*" if wanted == "them" else wanted.replace("[", "[[]").replace("?", "[?]"))).match
    found = [
        node for name, node in selections.items() if matches(name) and (wanted[0] == "_" or not name.startswith("_"))
    ]
    if not found:
        raise Problem(f"condition says `of {wanted}`, but no selection is named so")
    return tuple(found)
