"""What is wrong with a rule, and where inside its document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value: ("detection", "selection", "eventName|contains")."""

T = TypeVar("T")


class Problem(ValueError):
    """A sentence on what cannot be read or run."""

    def __init__(self, message: str, place: Place = ()) -> None:
        super().__init__(message)
        self.message, self.place = message, place


class Problems:
    """Collects the problems of a document, so that all are told at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, message: str, *place: str | int) -> None:
        self.found.append(Problem(message, place))

    def attempt(self, place: Place, read: Callable[[], T]) -> T | None:
        """What `read` returns; None where it raised a problem, which then stands at `place` or below."""
        try:
            return read()
        except Problem as problem:
            self.found.append(Problem(problem.message, (*place, *problem.place)))
            return None
