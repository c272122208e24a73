"""The lock that whoever judges holds: a document with what has to be settled or carried out again, and the marks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from siem.store.handling import Action
from siem.store.opensearch.signals import Version
from siem.store.written import action_document, read_action

Group = tuple[str, str]
"""A rule, and the key of one of its groups."""

JUDGING = "judging"
"""Document of the state index."""


@dataclass(frozen=True)
class Lock:
    """The lock as its document says. dirty: groups whose alerts may not be what their signals come to.
    acting: actions that may not have been carried out yet. number: of the last commit that has ended.
    """

    holder: str = ""
    dirty: frozenset[Group] = frozenset()
    acting: tuple[Action, ...] = ()
    marks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    owing: bool = False
    number: int = 0
    version: Version | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any] | None) -> Lock:
        """From its document."""
        if found is None:
            return cls()
        source, version = found["_source"], (found["_seq_no"], found["_primary_term"])
        dirty = frozenset([(rule, key) for rule, key in source["dirty"]])
        acting = tuple(map(read_action, source["acting"]))
        return cls(source["holder"], dirty, acting, source["marks"], source["owing"], source["number"], version)

    def document(self) -> dict[str, Any]:
        return {
            "kind": JUDGING,
            "holder": self.holder,
            "dirty": sorted(self.dirty),
            "acting": list(map(action_document, self.acting)),
            "marks": self.marks,
            "owing": self.owing,
            "number": self.number,
        }

    def advanced(self, marks: Mapping[tuple[str, str], int], owing: bool, dirty: frozenset[Group]) -> Lock:
        """Given back, all other groups settled, with marks that never go back."""
        new = {dataset: dict(of) for dataset, of in self.marks.items()}
        for (rule, dataset), turn in marks.items():
            of = new.setdefault(dataset, {})
            of[rule] = max(of.get(rule, 0), turn)
        return replace(self.ended(), dirty=dirty, marks=new, owing=owing)

    def ended(self) -> Lock:
        """Given back behind a commit, all actions carried out."""
        return replace(self, holder="", acting=(), number=self.number + 1)
