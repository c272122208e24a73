"""What a proof comes to: a verdict, counts, findings with the object's key, and notes on what was not proven."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

KEPT = 1_000
"""Findings of one kind that are kept; the rest is counted: of a bucket of millions of keys the ledger may have none."""


class Verdict(StrEnum):
    """`not proven`: nothing was found, but something could not be looked at; the notes say what."""

    PROVEN = "proven"
    FINDINGS = "findings"
    NOT_PROVEN = "not proven"


@dataclass(frozen=True)
class Finding:
    """Something is not as it should be. kind: a word for programs; said: a sentence for people.

    key: of the object; where nobody knows it any more, the id of the object or alert.
    """

    proof: str
    kind: str
    bucket: str
    key: str
    said: str


@dataclass
class Proof:
    """One of the proofs, while it is made and afterwards. counts: name -> how many were looked at, and held."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    complete: bool = True

    def found(self, kind: str, bucket: str, key: str, said: str) -> None:
        self.kinds[kind] += 1
        if self.kinds[kind] <= KEPT:
            self.findings.append(Finding(self.name, kind, bucket, key, said))

    def noted(self, said: str) -> None:
        """Worth knowing; the verdict stays."""
        self.notes.append(said)

    def unproven(self, said: str) -> None:
        """Something could not be looked at."""
        self.notes.append(said)
        self.complete = False

    @property
    def more(self) -> dict[str, int]:
        """By kind, findings that were counted and not kept."""
        return {kind: count - KEPT for kind, count in self.kinds.items() if count > KEPT}

    @property
    def verdict(self) -> Verdict:
        if self.kinds:
            return Verdict.FINDINGS
        return Verdict.PROVEN if self.complete else Verdict.NOT_PROVEN


def overall(proofs: list[Proof]) -> Verdict:
    """Of all proofs together."""
    verdicts = {proof.verdict for proof in proofs}
    order = (Verdict.FINDINGS, Verdict.NOT_PROVEN)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.PROVEN)
