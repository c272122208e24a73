"""Selections of a rule as lines and groups of lines that a processing pipeline can change, and back to a document.

A document has no `and` below a selection's `or`. Where a pipeline makes one of a line (a field mapped to several), the
selection is written as the list of maps that means the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from math import prod
from typing import Any, TypeAlias

from siem.problem import Place, Problem

SCALARS = (str, int, float, bool, type(None))
MOST_MAPS = 1_000
"""Alternatives of one selection: four fields, each mapped to five, are 625."""


@dataclass(eq=False)
class Item:
    """One line of a selection, `field|modifiers: value`, or keywords. (pySigma calls it a detection item.)

    field: None for keywords. value: as written, a scalar or a list of them. place: where it was written.
    applied: ids of the transformations that changed it.
    """

    field: str | None
    modifiers: tuple[str, ...]
    value: Any
    place: Place
    applied: set[str] = dataclasses.field(default_factory=set)

    @property
    def key(self) -> str:
        return "|".join((self.field or "", *self.modifiers))

    @property
    def values(self) -> list[Any]:
        return self.value if isinstance(self.value, list) else [self.value]

    @values.setter
    def values(self, given: list[Any]) -> None:
        self.value = given[0] if len(given) == 1 else given


@dataclass(eq=False)
class Group:
    """Lines of which all hold, or one of them where `either`."""

    parts: list[Item | Group]
    either: bool = False


Part: TypeAlias = Item | Group


def items(part: Part) -> Iterator[Item]:
    """Every line in it."""
    if isinstance(part, Item):
        yield part
    else:
        for below in part.parts:
            yield from items(below)


def read(definition: Any, place: Place) -> Group | None:
    """A selection; None where it is not one, which the reader of the rule tells about."""
    if isinstance(definition, dict):
        lines = [_line(key, value, (*place, key)) for key, value in definition.items()]
        return Group([line for line in lines if line]) if lines and all(lines) else None
    if _is_value(definition) and definition != []:
        return Group([Item(None, (), definition, place)])
    if not isinstance(definition, list) or not definition:
        return None
    groups = [read(entry, (*place, position)) for position, entry in enumerate(definition)]
    return Group([group for group in groups if group], either=True) if all(groups) else None


def _line(key: Any, value: Any, place: Place) -> Item | None:
    if not isinstance(key, str) or not _is_value(value):
        return None
    name, *modifiers = key.split("|")
    return Item(name or None, tuple(modifiers), value, place)


def _is_value(value: Any) -> bool:
    return all(isinstance(given, SCALARS) for given in (value if isinstance(value, list) else [value]))


def state(part: Part) -> Any:
    """What is equal where two selections are written alike."""
    if isinstance(part, Item):
        return part.key, repr(part.value)
    return part.either, [state(below) for below in part.parts]


def pruned(group: Group) -> Group | None:
    """Without groups of which nothing is left; None where that is all of it."""
    parts: list[Part] = []
    for part in group.parts:
        kept = part if isinstance(part, Item) else pruned(part)
        parts += [kept] if kept else []
    return Group(parts, group.either) if parts else None


def written(group: Group) -> Any:
    """The selection as it stands in a document.

    Raises:
        Problem: it takes more maps than a rule can have.
    """
    maps = list(_maps(group))
    return maps[0] if len(maps) == 1 else maps


def _maps(group: Group) -> Iterator[Any]:
    for lines in _alternatives(group):
        if len(lines) == 1 and not lines[0].key:
            yield lines[0].value
        else:
            yield from _joined(lines)


def _alternatives(part: Part) -> list[list[Item]]:
    """Lists of lines: one list of which every line holds."""
    if isinstance(part, Item):
        return [[part]]
    below = [_alternatives(each) for each in part.parts]
    count = sum(map(len, below)) if part.either else prod(map(len, below))
    if count > MOST_MAPS:
        place = next(items(part)).place
        raise Problem(f"fields that are mapped to several make more than {MOST_MAPS:,} alternatives of this", place)
    if part.either:
        return list(chain.from_iterable(below))
    return [list(chain.from_iterable(chosen)) for chosen in product(*below)]


def _joined(lines: list[Item]) -> Iterator[dict[str, Any]]:
    """Lines that all hold as maps of which one holds; more than one only where lines have the same key."""
    kinds: dict[tuple[Any, ...], list[Item]] = {}
    for line in lines:
        alike = kinds.setdefault((line.field, tuple(name for name in line.modifiers if name != "all")), [])
        if all(state(line) != state(other) for other in alike):
            alike.append(line)
    choices = [_without_twins(alike) for alike in kinds.values()]
    if prod(map(len, choices)) > MOST_MAPS:
        raise Problem(f"fields that become one make more than {MOST_MAPS:,} alternatives of this", lines[0].place)
    for chosen in product(*choices):
        yield {line.key: line.value for line in chain.from_iterable(chosen)}


def _without_twins(alike: list[Item]) -> list[list[Item]]:
    """Alternatives for lines of one field and the same modifiers, so that no key stands twice in one of them."""
    if len({line.key for line in alike}) == len(alike):
        return [alike]
    return [[_merged(alike[0], list(chain.from_iterable(chosen)))] for chosen in product(*map(_choices, alike))]


def _choices(line: Item) -> list[list[Any]]:
    """Lists of values: of one list all values are met (with `neq`: none is)."""
    values = line.values or [None]
    together = ("all" in line.modifiers) != ("neq" in line.modifiers)
    return [values] if together else [[value] for value in values]


def _merged(like: Item, values: list[Any]) -> Item:
    rest = tuple(name for name in like.modifiers if name != "all")
    merged = Item(like.field, rest if "neq" in rest or len(values) == 1 else (*rest, "all"), None, like.place)
    merged.values = values
    return merged
