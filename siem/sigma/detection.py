"""A rule's `detection` as one tree: selections, then the condition over them (specification, "Detection")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from siem.problem import Place, Problems
from siem.sigma import modifiers, parse
from siem.sigma.modifiers import Lists
from siem.sigma.tree import And, Node, Or

NOTHING = Or(())


@dataclass(frozen=True)
class Detection:
    """A section with selections. tree: what it means. selections, conditions: what it is written with, for people."""

    tree: Node
    selections: Mapping[str, Node] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()


def detection(definition: Any, lists: Lists, problems: Problems, section: str = "detection") -> Detection:
    """A section as it is read; what is wrong goes to `problems`, and then its tree means nothing."""
    if not isinstance(definition, Mapping):
        problems.add(f"{section} must be a mapping of selections and a condition", section)
        return Detection(NOTHING)
    selections = {
        str(name): selection(given, lists, problems, (section, name))
        for name, given in definition.items()
        if name not in ("condition", "timeframe")
    }
    if "timeframe" in definition:
        problems.add("`timeframe` was replaced by correlation rules", section, "timeframe")
    given = definition.get("condition")
    texts = given if isinstance(given, list) else [given]
    return Detection(conditions(given, selections, problems, section), selections, tuple(map(str, texts)))


def conditions(given: Any, selections: Mapping[str, Node], problems: Problems, section: str) -> Node:
    """One condition, or several of which one has to hold."""
    place: Place = (section, "condition")
    if given in (None, "", []):
        problems.add(f"{section} has no condition", section)
        return NOTHING
    nodes: list[Node] = []
    for text in given if isinstance(given, list) else [given]:
        if not isinstance(text, str):
            problems.add(f"a condition must be text, not {type(text).__name__}", *place)
            continue
        node = problems.attempt(place, partial(parse.condition, text, selections))
        nodes += [node] if node is not None else []
    return nodes[0] if len(nodes) == 1 else Or(tuple(nodes))


def selection(definition: Any, lists: Lists, problems: Problems, place: Place) -> Node:
    """A mapping: all lines hold. A list of values: keywords, one is found. A list with mappings: one of them holds."""
    if isinstance(definition, Mapping):
        return mapping(definition, lists, problems, place)
    if isinstance(definition, list) and any(isinstance(entry, (dict, list)) for entry in definition):
        return Or(
            tuple([selection(entry, lists, problems, (*place, position)) for position, entry in enumerate(definition)])
        )
    if definition == []:
        problems.add("selection is empty", *place)
        return NOTHING
    return line("", definition, lists, problems, place)


def mapping(definition: Mapping[Any, Any], lists: Lists, problems: Problems, place: Place) -> Node:
    if not definition:
        problems.add("selection is empty", *place)
    nodes = [line(key, value, lists, problems, (*place, key)) for key, value in definition.items()]
    return nodes[0] if len(nodes) == 1 else And(tuple(nodes))


def line(key: Any, value: Any, lists: Lists, problems: Problems, place: Place) -> Node:
    if not isinstance(key, str):
        problems.add(f"the name of a field must be text: put {key} into quotes", *place)
        return NOTHING
    node = problems.attempt(place, partial(modifiers.item, key, value, lists))
    return NOTHING if node is None else node
