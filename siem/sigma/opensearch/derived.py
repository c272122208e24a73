"""Tests of values that are made of schema fields when a rule asks for them: bounded by what the fields must hold."""

from __future__ import annotations

from collections.abc import Iterable

from siem.schema import BY_NAME, Column, Extension, Joined, fold
from siem.schema.leaves import TEXTS
from siem.schema.mapping import folded_name
from siem.sigma.modifiers import joined
from siem.sigma.opensearch import typed
from siem.sigma.opensearch.dsl import Condition, Match, Parts, all_of, any_of
from siem.sigma.tree import Exists, Test, Text, Wild


def holds(source: Joined | Extension, test: Test) -> Condition:
    """The fields can make a value that passes."""
    if isinstance(source, Extension):
        there = column(source.column)
        return ends(there.name, test.parts) if isinstance(test, Text) and is_text(there.name) else present(there)
    first = column(source.parts[0][1])
    if not isinstance(test, Text):
        return present(first)
    names = [folded_name(name) for _, name in source.parts]
    return all_of([present(first), *[somewhere(names, run) for run in runs(test.parts, source)]])


def column(name: str) -> Column:
    return Column(name, BY_NAME[name].kind)


def is_text(name: str) -> bool:
    return BY_NAME[name].kind in TEXTS


def present(there: Column) -> Condition:
    return typed.holds(there, Exists()).most


def ends(name: str, parts: Parts) -> Condition:
    folded = [part if isinstance(part, Wild) else fold(part) for part in parts]
    return Match(folded_name(name), joined((Wild.ANY, ".", *folded)))


def somewhere(names: Iterable[str], run: str) -> Condition:
    return any_of([Match(name, (Wild.ANY, run, Wild.ANY)) for name in names])


def runs(parts: Parts, source: Joined) -> list[str]:
    """The longest run of each literal that no border of two fields can be in, and nothing that stands before one."""
    borders = {letter for before, _ in source.parts for letter in fold(before)}
    if not all(is_text(name) for _, name in source.parts) or not all(before for before, _ in source.parts[1:]):
        return []
    found = [longest(fold(part), borders) for part in parts if not isinstance(part, Wild)]
    return [run for run in found if run]


def longest(text: str, borders: set[str]) -> str:
    """Cut to what a node takes without work."""
    cut = "".join(["\0" if letter in borders else letter for letter in text])
    return max(cut.split("\0"), key=len)[:50]
