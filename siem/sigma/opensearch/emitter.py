"""A condition as OpenSearch bool DSL: exact on schema fields, a superset on the leaves of a record, never too little.

Where a value is indexed is derived from the schema (`schema.mapping`, `schema.leaves`). Leaves are folded with their
paths, a key can hold `=`, and a field that is an object is its JSON to a rule: so what is found there the predicate
judges. Text from rules travels as JSON values; there is no `query_string`.
"""

from __future__ import annotations

from siem.schema import BY_NAME, LEAVES, Clause, Column, DatasetFields, Entry, Extension, Joined, Path, Source, fold
from siem.sigma.bounds import Bounds
from siem.sigma.opensearch import derived, keyword, typed
from siem.sigma.opensearch.dsl import (
    LOGIC,
    All,
    Condition,
    Match,
    all_of,
    any_of,
    at_most,
    rendered,
    size,
)
from siem.sigma.opensearch.keyword import Place
from siem.sigma.record import KEYWORDS, column_of, leaf_path
from siem.sigma.tree import And, Exists, FieldRef, Leaf, Node, Not, Or, Regex, Test, Text, Wild
from siem.sigma.tree import fields as named

ANY_LEAF = Place(LEAVES, before=(Wild.ANY, "="))

MOST_CLAUSES = 200
"""Clauses of one rule. A node allows 1,024 in a search, and several rules share one."""


def clause(tree: Node, fields: DatasetFields) -> Clause:
    """The condition over an index as `mapping.index` describes it.

    For `ANY_JSON` the documents are those that `record.projected_leaves` makes.
    """
    bounds = LOGIC.bounds(tree, _Emitter(fields).leaf)
    most = fewer(bounds.most)
    query = rendered(most)
    is_exact = bounds.is_exact and most == bounds.most
    return Clause(fields.dataset, query, needed(tree, fields), is_exact, size(query))


def fewer(condition: Condition) -> Condition:
    """The same, or what is left of it when the largest parts of a conjunction are dropped."""
    if size(rendered(condition)) <= MOST_CLAUSES:
        return condition
    kept: list[Condition] = []
    for item in sorted(condition.items if isinstance(condition, All) else (), key=lambda item: size(rendered(item))):
        if size(rendered(all_of([*kept, item]))) <= MOST_CLAUSES:
            kept.append(item)
    return all_of(kept)


class _Emitter:
    def __init__(self, fields: DatasetFields) -> None:
        self._fields = fields

    def leaf(self, field: str | None, test: Test) -> Bounds[Condition]:
        if field is None:
            return self.keywords(test)
        if isinstance(test, FieldRef):
            return at_most(all_of([self.present(field), self.present(test.field)]))
        if not self._fields.dataset:
            return keyword.holds(projection(column_of(field)), test)
        return LOGIC.some([self.source(source, test) for source in self._fields.sources(field)])

    def present(self, field: str) -> Condition:
        return self.leaf(field, Exists()).most

    def keywords(self, test: Test) -> Bounds[Condition]:
        """Any leaf of the record, also those that schema fields hold."""
        fields = self._fields
        if not fields.dataset:
            return keyword.holds(projection(KEYWORDS), test)
        columns = [Column(name, BY_NAME[name].kind) for name in sorted(set(fields.native.values()))]
        held = [typed.holds(column, test).most for column in columns]
        return at_most(any_of([keyword.holds(ANY_LEAF, test).most, *held]))

    def source(self, source: Source, test: Test) -> Bounds[Condition]:
        match source:
            case Path(_, path):
                return at_most(self.inside(path, test))
            case Entry(place, _, value):
                return at_most(self.inside(f"{place.path}.{value}", test))
            case Column(name) if name in BY_NAME:
                return typed.holds(source, test)
            case Column(name):
                return at_most(found(name.removeprefix(f"{self._fields.dataset}."), test))
        return at_most(derived.holds(source, test))

    def inside(self, path: str, test: Test) -> Condition:
        """The record can have such a value at the path; of a list's entries, whatever they are called."""
        return any_of([found(path, test), *self.objects(path, test)])

    def objects(self, path: str, test: Test) -> list[Condition]:
        """There is something below the path, whose JSON may pass."""
        if not may_be_json(test):
            return []
        below = [name for own, name in self._fields.native.items() if own.startswith(f"{path}.")]
        held = [typed.holds(Column(name, BY_NAME[name].kind), Exists()).most for name in sorted(below)]
        return [Match(LEAVES, (f"{fold(path)}.", Wild.ANY)), *held]


def projection(column: str) -> Place:
    return Place(LEAVES, before=(fold(f"{leaf_path(column)}="),))


def found(path: str, test: Test) -> Condition:
    """A leaf at the path may pass."""
    return keyword.holds(Place(LEAVES, before=(fold(f"{path}="),)), test).most


def may_be_json(test: Test) -> bool:
    """A text `{…}` can pass the test."""
    match test:
        case Exists() | Regex():
            return True
        case Text(parts):
            return bool(parts) and can_be(parts[0], 0, "{") and can_be(parts[-1], -1, "}")
    return False


def can_be(part: str | Wild, at: int, letter: str) -> bool:
    return isinstance(part, Wild) or part[at] == letter


def needed(tree: Node, fields: DatasetFields) -> frozenset[str]:
    """Keys of the documents that the predicate reads; columns, where there is no dataset."""
    names, keywords = named(tree), has_keywords(tree)
    if not fields.dataset:
        return frozenset(map(column_of, names)) | ({KEYWORDS} if keywords else frozenset())
    sources = [source for name in names for source in fields.sources(name)]
    keys = {key for source in sources for key in read(source)}
    if keywords:
        keys |= {fields.dataset} if fields.nested else {f"{fields.dataset}.*", *fields.native.values()}
    return frozenset(keys)


def read(source: Source) -> tuple[str, ...]:
    """Keys of a document that hold the source's values."""
    match source:
        case Column(name) | Extension(name):
            return (name,)
        case Joined(parts):
            return tuple([name for _, name in parts])
        case Entry(Path(root)) | Path(root):
            return (root,)


def has_keywords(node: Node) -> bool:
    match node:
        case Leaf(field):
            return field is None
        case Not(item):
            return has_keywords(item)
        case And(items) | Or(items):
            return any(map(has_keywords, items))
