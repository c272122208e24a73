"""What can be told of an event before its record is decoded: bounds of a condition over columns and bytes.

A gate lets too much through, never too little; the condition itself decides then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from siem.schema import Column, DatasetFields, Entry, Extension, Joined, Kind, Path, fold
from siem.sigma.predicate import literal
from siem.sigma.tree import And, FieldRef, Leaf, Node, Not, Or, Text

Required = Mapping[str, frozenset[str]]
"""For each of these fields: folded texts, one of which it must have for the rule to match."""

Piece = TypeVar("Piece", str, bytes)

TRUE, FALSE = And(()), Or(())

PLAIN = re.compile(r"[^\x00-\x1f\"\\/\x7f-\U0010ffff]+")
"""Text that JSON writes as it is, unless by `\\uXXXX`."""

RUNS = re.compile(r"[ !#-+\-.0-9;-Z^-z|~]+")
"""What JSON text has as it is, whatever its value is a part of: ASCII without brackets and any of `"\\\\/,:`."""

ESCAPE = b"\\u"


def required(node: Node) -> Required:
    """What surely has to hold, as far as it is that a field has one of a few texts."""
    match node:
        case Leaf(str(field), test) if (text := literal(test)) is not None:
            return {field: frozenset((text,))}
        case And(items):
            return _narrowest([required(item) for item in items])
        case Or(items) if items:
            return _united([required(item) for item in items])
    return {}


def _narrowest(needed: Iterable[Required]) -> Required:
    """All of these hold: of each field the fewest texts."""
    found: dict[str, frozenset[str]] = {}
    for item in needed:
        for field, texts in item.items():
            if field not in found or len(texts) < len(found[field]):
                found[field] = texts
    return found


def _united(needed: list[Required]) -> Required:
    """One of these holds: the fields that all of them name."""
    shared = set(needed[0]).intersection(*needed[1:])
    return {field: frozenset().union(*[item[field] for item in needed]) for field in shared}


def columns_of(field: str | None, fields: DatasetFields) -> list[str] | None:
    """The columns that a field's values come from; None where the record itself has to be looked at."""
    if field is None or not fields.dataset:
        return None
    found: list[str] = []
    for source in fields.sources(field):
        match source:
            case Column(name) | Extension(name):
                found.append(name)
            case Joined(parts):
                found += [name for _, name in parts]
            case _:
                return None
    return found


def columns_that_are(field: str, fields: DatasetFields) -> list[str] | None:
    """The columns whose values are the field's; None where its values are made of them, or are in the record."""
    sources = fields.sources(field) if fields.dataset else ()
    names = [source.name for source in sources if isinstance(source, Column)]
    return names if names and len(names) == len(sources) else None


def required_columns(node: Node, fields: DatasetFields) -> Required:
    """What `required` says, of columns of text rather than of fields."""
    found: dict[str, frozenset[str]] = {}
    for field, texts in required(node).items():
        sources = fields.sources(field) if fields.dataset else ()
        match sources:
            case (Column(name, Kind.TEXT | Kind.IP),) if name not in found or len(texts) < len(found[name]):
                found[name] = texts
    return found


def columns_read(node: Node, fields: DatasetFields) -> frozenset[str] | None:
    """The columns that hold what the condition looks at, JSON texts among them; None: the whole record."""
    names = names_of(node)
    if not fields.dataset or None in names:
        return None
    return fields_read([name for name in names if name is not None], fields)


def fields_read(names: Iterable[str], fields: DatasetFields) -> frozenset[str]:
    """The columns that the values of these fields come from."""
    found: set[str] = set()
    for source in [source for name in names for source in fields.sources(name)]:
        match source:
            case Column(column) | Extension(column) | Path(column=column):
                found.add(column)
            case Entry(place):
                found.add(place.column)
            case Joined(parts):
                found.update([column for _, column in parts])
    return frozenset(found)


def names_of(node: Node) -> set[str | None]:
    """Every field that the tree names; None stands for keywords."""
    match node:
        case Leaf(field, test):
            return {field, test.field} if isinstance(test, FieldRef) else {field}
        case Not(item):
            return names_of(item)
        case And(items) | Or(items):
            return set().union(*map(names_of, items))


def over_columns(node: Node, fields: DatasetFields, at_most: bool = True, among: frozenset[str] | None = None) -> Node:
    """A bound of the condition that looks at columns (None: any) alone: from above (`at_most`), or from below."""
    match node:
        case Leaf(field, test):
            named = [field, test.field] if isinstance(test, FieldRef) else [field]
            columns = [columns_of(name, fields) for name in named]
            told = all(names is not None and (among is None or among.issuperset(names)) for names in columns)
            return node if told else TRUE if at_most else FALSE
        case Not(item):
            inner = over_columns(item, fields, not at_most, among)
            return FALSE if inner == TRUE else TRUE if inner == FALSE else Not(inner)
        case And(items):
            return _linked(And, [over_columns(item, fields, at_most, among) for item in items], TRUE, FALSE)
        case Or(items):
            return _linked(Or, [over_columns(item, fields, at_most, among) for item in items], FALSE, TRUE)


def _linked(kind: type[And | Or], items: list[Node], neutral: Node, decisive: Node) -> Node:
    kept = tuple([item for item in items if item != neutral])
    if decisive in kept:
        return decisive
    return kept[0] if len(kept) == 1 else kind(kept)


def needles(node: Node, fields: DatasetFields) -> frozenset[bytes] | None:
    """Bytes of which the record's JSON has one, unless it has `\\u`, where the condition holds; None: nothing is known.

    They are the last keys of paths that have to be there.
    """
    return _one_of(node, lambda leaf: _key(leaf.field, fields) if leaf.field is not None else None)


def literals(node: Node, fields: DatasetFields) -> frozenset[str] | None:
    """Folded ASCII texts of which the record's JSON has one in some case, unless it has `\\u` or letters beyond ASCII,
    where the condition holds; None: nothing is known."""

    def longest(leaf: Leaf) -> frozenset[str] | None:
        if leaf.field is None or not isinstance(leaf.test, Text) or not _is_inside(leaf.field, fields):
            return None
        runs = [run for part in leaf.test.parts if isinstance(part, str) for run in RUNS.findall(part)]
        return frozenset((fold(max(runs, key=len)),)) if runs else None

    return _one_of(node, longest)


def _one_of(node: Node, needed: Callable[[Leaf], frozenset[Piece] | None]) -> frozenset[Piece] | None:
    """Pieces of which one has to be there, given those of leaves: of several such sets that of the longest pieces."""
    match node:
        case Leaf():
            return needed(node)
        case And(items):
            known = [found for item in items if (found := _one_of(item, needed)) is not None]
            return max(known, key=lambda found: min(map(len, found))) if known else None
        case Or(items) if items:
            every = [_one_of(item, needed) for item in items]
            known = [found for found in every if found is not None]
            return frozenset().union(*known) if len(known) == len(every) else None
    return None


def _is_inside(field: str, fields: DatasetFields) -> bool:
    """All values of the field are in the record's JSON."""
    sources = fields.sources(field) if fields.dataset else ()
    return bool(sources) and all(isinstance(source, Path | Entry) for source in sources)


def _key(field: str, fields: DatasetFields) -> frozenset[bytes] | None:
    """A field of paths is there only where the last part of one of them is written."""
    sources = fields.sources(field) if fields.dataset else ()
    last = [source.path.rpartition(".")[2] for source in sources if isinstance(source, Path)]
    known = sources and len(last) == len(sources) and all(map(PLAIN.fullmatch, last))
    return frozenset(map(str.encode, last)) if known else None


def cheapest_first(node: Node, fields: DatasetFields) -> Node:
    """The same condition, with what columns tell before what needs the record."""
    match node:
        case And(items) | Or(items):
            made = [cheapest_first(item, fields) for item in items]
            made.sort(key=lambda item: _looks_into_records(item, fields))
            return And(tuple(made)) if isinstance(node, And) else Or(tuple(made))
        case Not(item):
            return Not(cheapest_first(item, fields))
    return node


def _looks_into_records(node: Node, fields: DatasetFields) -> bool:
    match node:
        case Leaf(field, test):
            named = [field, test.field] if isinstance(test, FieldRef) else [field]
            return any(columns_of(name, fields) is None for name in named)
        case Not(item):
            return _looks_into_records(item, fields)
        case And(items) | Or(items):
            return any(_looks_into_records(item, fields) for item in items)
