"""A condition in words, for people: each test as a sentence, a tree as indented lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from siem.sigma.tree import (
    And,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Leaf,
    Node,
    Not,
    Number,
    Or,
    Regex,
    Test,
    Text,
    TimePart,
    Wild,
)

ANY_VALUE = "any value of the record"
"""The subject of a keyword."""

EMPTY = {And: "always", Or: "never (an empty list)"}
LEVEL = "  "

COMPARISONS = {"lt": "is below", "lte": "is at most", "gt": "is above", "gte": "is at least"}
RELATIONS = {"equals": "equals", "startswith": "begins with", "endswith": "ends with", "contains": "contains"}
SHAPES = {"a": "is", "a*": "begins with", "*a": "ends with", "*a*": "contains"}

Names = Mapping[Node, str]
"""Selections by their trees; of two that say the same, the first."""


def names(selections: Mapping[str, Node]) -> Names:
    return {node: name for name, node in reversed(list(selections.items()))}


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def phrase(test: Test) -> tuple[str, str]:
    """Verb and object: ("is", '"ConsoleLogin"')."""
    match test:
        case Text(parts, cased):
            verb, told = _text(parts)
            return f"{verb}, in this case," if cased else verb, told
        case Regex(pattern, flags):
            letters = "".join([letter for letter, flag in (("i", re.I), ("m", re.M), ("s", re.S)) if flags & flag])
            return "matches", f"/{pattern}/{letters}"
        case Number(value):
            return "is", str(value)
        case Compare(op, number):
            return COMPARISONS[op], str(number)
        case Cidr(network):
            return "is in", str(network)
        case Exists():
            return "is there", ""
        case TimePart(part, value):
            return f"has the {part}", str(value)
        case FieldRef(field, mode, cased):
            return f"{RELATIONS[mode]}{', in its case,' if cased else ''} the field", field


def _text(parts: Sequence[str | Wild]) -> tuple[str, str]:
    if not parts:
        return "is", '""'
    if list(parts) == [Wild.ANY]:
        return "is there", ""
    shape = "".join(["*" if part is Wild.ANY else "?" if part is Wild.ONE else "a" for part in parts])
    if verb := SHAPES.get(shape):
        return verb, quoted("".join([part for part in parts if not isinstance(part, Wild)]))
    return "is like", quoted("".join([part.value if isinstance(part, Wild) else _escaped(part) for part in parts]))


def _escaped(literal: str) -> str:
    return re.sub(r"[*?]", r"\\\g<0>", literal)


def subject(field: str | None) -> str:
    return ANY_VALUE if field is None else field


def sentence(leaf: Leaf) -> str:
    verb, told = phrase(leaf.test)
    return f"{subject(leaf.field)} {verb} {told}".rstrip()


def alike(node: Node) -> str | None:
    """One sentence for several leaves that differ in their values alone; None where they differ in more."""
    if not isinstance(node, (And, Or)) or not all(isinstance(item, Leaf) for item in node.items):
        return None
    leaves = [item for item in node.items if isinstance(item, Leaf)]
    verbs = {(leaf.field, phrase(leaf.test)[0]) for leaf in leaves}
    if len(leaves) < 2 or len(verbs) > 1:
        return None
    ((field, verb),) = verbs
    *most, last = [phrase(leaf.test)[1] for leaf in leaves]
    return f"{subject(field)} {verb} {', '.join(most)} {'or' if isinstance(node, Or) else 'and'} {last}"


def simple(node: Node) -> str | None:
    """A node that one sentence says."""
    match node:
        case Leaf():
            return sentence(node)
        case Not(Leaf(field, Exists())):
            return f"{subject(field)} is missing"
        case And(()) | Or(()):
            return EMPTY[type(node)]
        case Not():
            return None
    return alike(node)


def grouped(node: Or) -> list[Node]:
    """The alternatives, neighbours that differ in their values alone as one."""
    made: list[Node] = []
    for key, items in groupby(node.items, _kind):
        run = tuple(items)
        made += [Or(run)] if key is not None and len(run) > 1 else run
    return made


def _kind(node: Node) -> tuple[str | None, str] | None:
    return (node.field, phrase(node.test)[0]) if isinstance(node, Leaf) else None


def lines(node: Node, known: Names, indent: str = "", before: str = "") -> Iterator[str]:
    """The tree as indented text. known: selections that have not been entered yet. before: what the first line says."""
    if (name := known.get(node)) is not None:
        known, before = {}, f"{before}{name}: "
    if (told := simple(node)) is not None:
        yield f"{indent}{before}{told}"
        return
    match node:
        case Not(item):
            yield from lines(item, known, indent, f"{before}not ")
        case And((only,)) | Or((only,)):
            yield from lines(only, known, indent, before)
        case And(items):
            yield f"{indent}{before}all of"
            for item in items:
                yield from lines(item, known, indent + LEVEL)
        case Or():
            yield f"{indent}{before}one of"
            for item in grouped(node):
                yield from lines(item, known, indent + LEVEL)
