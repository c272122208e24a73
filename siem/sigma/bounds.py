"""A condition known between two others, for engines that cannot say everything: too much is found, never too little."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from siem.sigma.predicate import plain_values
from siem.sigma.tree import And, Leaf, Node, Not, Or, Test

Condition = TypeVar("Condition")

FEW = 16
"""So many alternatives are asked one by one; of more, the plain values of a field as a list."""


@dataclass(frozen=True)
class Bounds(Generic[Condition]):
    """A condition between two: wherever `least` holds it holds, and it holds nowhere but where `most` does."""

    least: Condition
    most: Condition

    @classmethod
    def exact(cls, condition: Condition) -> Bounds[Condition]:
        return cls(condition, condition)

    @property
    def is_exact(self) -> bool:
        return self.least == self.most


@dataclass(frozen=True)
class Logic(Generic[Condition]):
    """How an engine links its conditions. `always` and `never` are what they make of nothing."""

    always: Condition
    never: Condition
    all_of: Callable[[Iterable[Condition]], Condition]
    any_of: Callable[[Iterable[Condition]], Condition]
    negated: Callable[[Condition], Condition]

    def at_most(self, condition: Condition) -> Bounds[Condition]:
        """Only too much is known: the predicate has to decide."""
        return Bounds(self.never, condition)

    def every(self, items: Iterable[Bounds[Condition]]) -> Bounds[Condition]:
        given = list(items)
        return Bounds(self.all_of([item.least for item in given]), self.all_of([item.most for item in given]))

    def some(self, items: Iterable[Bounds[Condition]]) -> Bounds[Condition]:
        given = list(items)
        return Bounds(self.any_of([item.least for item in given]), self.any_of([item.most for item in given]))

    def opposite(self, item: Bounds[Condition]) -> Bounds[Condition]:
        return Bounds(self.negated(item.most), self.negated(item.least))

    def bounds(
        self,
        node: Node,
        leaf: Callable[[str | None, Test], Bounds[Condition]],
        listed: Callable[[str | None, list[str]], Bounds[Condition]] | None = None,
    ) -> Bounds[Condition]:
        """The bounds of a tree, given those of its leaves, and of a field that has one of many folded texts."""
        match node:
            case Leaf(field, test):
                return leaf(field, test)
            case Not(item):
                return self.opposite(self.bounds(item, leaf, listed))
            case And(items):
                return self.every([self.bounds(item, leaf, listed) for item in items])
            case Or(items) if listed is not None and len(items) > FEW:
                plain, others = plain_values(items)
                lists = [listed(field, texts) for field, texts in plain.items()]
                return self.some([*lists, *[self.bounds(item, leaf, listed) for item in others]])
            case Or(items):
                return self.some([self.bounds(item, leaf, listed) for item in items])
