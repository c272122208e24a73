"""Parameters of a pipeline's transformations and conditions, checked against what each of them declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from siem.problem import Place, Problem
from siem.sigma import parse, tree
from siem.sigma.pipeline import conditions as known_conditions
from siem.sigma.pipeline import selections
from siem.sigma.pipeline.conditions import Linked

LINKS = (
    ("rule", "rule", known_conditions.RULE),
    ("item", "detection_item", known_conditions.ITEM),
    ("field", "field_name", known_conditions.FIELD),
)
LINK_KEYS = frozenset(
    f"{prefix}_{what}" for _, prefix, _ in LINKS for what in ("conditions", "cond_expr", "cond_op", "cond_not")
)
TYPES: Mapping[str, tuple[type | tuple[type, ...], type | None, str]] = {
    "str": (str, None, "text"),
    "str | None": ((str, type(None)), None, "text"),
    "bool": (bool, None, "true or false"),
    "str | int | float": ((str, int, float), None, "text or a number"),
    "str | int | float | bool": ((str, int, float, bool), None, "text, a number, true or false"),
    "str | int | float | bool | None": (selections.SCALARS, None, "text, a number, true, false or null"),
    "dict[str, Any]": (dict, None, "a map"),
    "dict[Any, Any]": (dict, None, "a map"),
    "list[str]": (list, str, "a list of texts"),
    "list[str] | None": (list, str, "a list of texts"),
    "Names": ((str, list), str, "a text or a list of texts"),
    "tuple[Step, ...]": (tuple, None, "transformations"),
    "Any": (object, None, ""),
}
"""The annotation of a parameter -> what it may be, what a list of it holds, and how that is said."""


def made(kind: type[Any], given: Mapping[Any, Any], what: str) -> Any:
    """An object of its parameters.

    Raises:
        Problem: one is missing, not known or of a wrong type.
    """
    known = {each.name: each for each in fields(kind) if each.init}
    for key, value in given.items():
        if key not in known:
            raise Problem(f"{what} has no `{key}`", (key,))
        types, inner, told = TYPES[str(known[key].type)]
        fits = isinstance(value, types) and (
            not isinstance(value, bool) or types in (bool, object) or bool in _tuple(types)
        )
        if not fits or (inner and isinstance(value, list) and not all(isinstance(one, inner) for one in value)):
            raise Problem(f"`{key}` must be {told}", (key,))
    for name, each in known.items():
        if name not in given and each.default is MISSING and each.default_factory is MISSING:
            raise Problem(f"{what} needs `{name}`")
    return kind(**given)


def _tuple(types: type | tuple[type, ...]) -> tuple[type, ...]:
    return types if isinstance(types, tuple) else (types,)


def linked(given: Mapping[str, Any], prefix: str, known: Mapping[str, type[Any]]) -> Linked:
    key = f"{prefix}_conditions"
    listed = given.get(key) or {}
    if not isinstance(listed, (list, dict)):
        raise Problem(f"{key} must be a list or a map", (key,))
    pairs = listed.items() if isinstance(listed, dict) else enumerate(listed)
    conditions = {str(name): _condition(one, known, (key, name)) for name, one in pairs}
    negated = given.get(f"{prefix}_cond_not", False)
    if not isinstance(negated, bool):
        raise Problem(f"{prefix}_cond_not must be true or false", (f"{prefix}_cond_not",))
    link = given.get(f"{prefix}_cond_op")
    if link not in (None, "and", "or"):
        raise Problem(f"{prefix}_cond_op must be and, or", (f"{prefix}_cond_op",))
    text = given.get(expression := f"{prefix}_cond_expr")
    if text is None:
        return Linked(conditions, None, link == "or", negated)
    if link is not None or not isinstance(listed, dict) or not isinstance(text, str):
        raise Problem(f"{expression} is a text over a map of {key}, without {prefix}_cond_op", (expression,))
    return Linked(conditions, _expression(text, conditions, expression), negated=negated)


def _expression(text: str, conditions: Mapping[str, Any], key: str) -> Any:
    try:
        node = parse.condition(text, {name: tree.Leaf(name, tree.Exists()) for name in conditions})
    except Problem as problem:
        raise Problem(problem.message.replace("selection", "condition"), (key,)) from problem
    if unused := [name for name in conditions if name not in tree.fields(node)]:
        raise Problem(f"{key} does not name condition `{unused[0]}`", (key,))
    return node


def _condition(given: Any, known: Mapping[str, type[Any]], place: Place) -> Any:
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise Problem("a condition must be a map with a `type`", place)
    kind = given["type"]
    if kind not in known:
        raise Problem(f"condition `{kind}` is not known in {place[0]}", (*place, "type"))
    try:
        return made(known[kind], {key: value for key, value in given.items() if key != "type"}, f"condition `{kind}`")
    except Problem as problem:
        raise Problem(problem.message, (*place, *problem.place)) from problem
