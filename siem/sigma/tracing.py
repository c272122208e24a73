"""Why a rule matches a record, or does not: the verdict of each part of its condition, with the record's own values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from siem.schema import ANY_JSON, DatasetFields
from siem.sigma.detection import Detection
from siem.sigma.predicate import condition
from siem.sigma.record import Document, Reader, View
from siem.sigma.rule import Rule
from siem.sigma.tree import And, FieldRef, Leaf, Node, Not, Or, Test
from siem.sigma.wording import Names, alike, names, quoted, simple

LONGEST = 80
"""Characters of a value that are shown."""

MOST = 5
"""Values of a field that are shown."""

MOST_REASONS = 8

ALONE = Reader(ANY_JSON)


@dataclass(frozen=True)
class Trace:
    """A part of a condition, and whether it holds for the record.

    name: of the selection that it is. values: the record's, of the field that a leaf is about; of a keyword, and where
    there are many, those that pass.
    """

    node: Node
    holds: bool
    name: str | None = None
    values: tuple[str, ...] = ()
    below: tuple[Trace, ...] = ()


def trace(detection: Detection, fields: DatasetFields, document: Document) -> Trace:
    """Every part of a section, as it goes on a document of a dataset."""
    return _traced(detection.tree, names(detection.selections), View(Reader(fields), document))


def _traced(node: Node, known: Names, view: View) -> Trace:
    name = known.get(node)
    inner = known if name is None else {}
    match node:
        case Leaf(field, test):
            return Trace(node, condition(node)(view), name, _values(field, test, view))
        case Not(item):
            below = _traced(item, inner, view)
            return Trace(node, not below.holds, name, (), (below,))
        case And(items):
            parts = tuple([_traced(item, inner, view) for item in items])
            return Trace(node, all(part.holds for part in parts), name, (), parts)
        case Or(items):
            parts = tuple([_traced(item, inner, view) for item in items])
            return Trace(node, any(part.holds for part in parts), name, (), parts)


def _values(field: str | None, test: Test, view: View) -> tuple[str, ...]:
    texts = view.texts(field)
    if isinstance(test, FieldRef):
        return (*texts, *view.texts(test.field))
    if field is not None and len(texts) <= MOST:
        return texts
    passes = condition(Leaf("value", test))
    passing = tuple([text for text in texts if passes(View(ALONE, {"value": text}))])
    return passing or (() if field is None else texts)


def reasons(rule: Rule, fields: DatasetFields, document: Document) -> list[str]:
    """What decided: the parts that hold where the rule matches, else those that fail; filters by their titles."""
    sections = [("", rule.detection), *[(f"filter {one.title}: ", one.detection) for one in rule.filters]]
    traces = [(before, trace(section, fields, document)) for before, section in sections]
    matches = all(traced.holds for _, traced in traces)
    told = [f"{before}{reason}" for before, traced in traces if traced.holds == matches for reason in decisive(traced)]
    return told[:MOST_REASONS] + [f"and {len(told) - MOST_REASONS} more"] * (len(told) > MOST_REASONS)


def decisive(traced: Trace) -> list[str]:
    """The parts that made a part hold, or fail."""
    told = list(_decisive(traced))
    return [f"{traced.name}: {reason}" for reason in told] if traced.name else told


def _decisive(traced: Trace) -> Iterator[str]:
    node = traced.node
    if isinstance(node, Leaf):
        yield f"{simple(node)}: {having(traced.values)}"
    elif not traced.below:
        yield f"{simple(node)}"
    elif isinstance(node, Not):
        yield from _negated(traced.below[0])
    elif (told := alike(node)) is not None and isinstance(node, Or) and not traced.holds:
        yield f"{told}: {having(traced.below[0].values)}"
    elif isinstance(node, Or) and not traced.holds and len(traced.below) > 1:
        yield f"none of ({' | '.join([reason for part in traced.below for reason in decisive(part)])})"
    else:
        for part in traced.below:
            if part.holds == traced.holds:
                yield from decisive(part)


def _negated(inner: Trace) -> Iterator[str]:
    """The part behind a `not`, and what it matched or missed."""
    name = f"not {inner.name}" if inner.name else "not"
    verb = "matched by" if inner.holds else "not matched by"
    for reason in _decisive(inner):
        yield f"{name}: {verb} {reason}"


def having(values: Sequence[str]) -> str:
    if not values:
        return "the record has none"
    shown = [quoted(cut(value)) for value in values[:MOST]]
    more = f" and {len(values) - MOST} more" if len(values) > MOST else ""
    return f"the record has {', '.join(shown)}{more}"


def cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
