"""Rule documents as processing pipelines make them, before they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from siem.documents import Document
from siem.problem import Problem
from siem.sigma.collection import Labelled
from siem.sigma.correlation.reading import named_rules
from siem.sigma.head import names_of
from siem.sigma.pipeline import Pipeline

Refuse = Callable[[Document, str, Problem], None]


def piped(given: Sequence[Labelled], pipelines: Sequence[Pipeline], refuse: Refuse) -> Iterator[Labelled]:
    """The documents in their order, changed; one that a pipeline cannot be applied to is refused and left out."""
    if not pipelines:
        yield from given
        return
    changing = _Changing(given, pipelines)
    for document, label in given:
        try:
            yield replace(document, content=changing.changed(document.content)), label
        except Problem as problem:
            refuse(document, label, problem)
        except RecursionError:
            refuse(document, label, Problem("nested too deep for a pipeline"))


class _Changing:
    """Changes each document once; a correlation behind the rules that it names, which conditions look at."""

    def __init__(self, given: Sequence[Labelled], pipelines: Sequence[Pipeline]) -> None:
        self._pipelines = pipelines
        self._made: dict[int, Any] = {}
        self._named = {name.lower(): one.content for one, _ in reversed(given) for name in names_of(one.content)}

    def changed(self, content: Any) -> Any:
        """Raises: Problem."""
        if not isinstance(content, dict):
            return content  # its reader says what is wrong with it
        if id(content) not in self._made:
            self._made[id(content)] = content  # for a correlation that names itself
            referenced = [self.changed(one) for one in self._below(content)]
            changed = content
            for pipeline in self._pipelines:
                changed = pipeline.applied(changed, referenced)
            self._made[id(content)] = changed
        return self._made[id(content)]

    def _below(self, content: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The event rules that a correlation stands on."""
        found: list[dict[str, Any]] = []
        seen: set[int] = set()
        waiting = [content]
        while waiting:
            one = waiting.pop()
            for name in named_rules(one):
                below = self._named.get(name.lower())
                if not isinstance(below, dict) or id(below) in seen:
                    continue
                seen.add(id(below))
                (waiting if "correlation" in below else found).append(below)
        return found
