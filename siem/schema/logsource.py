"""Sigma log sources that a dataset answers (specification 2.1.0, "Log Source")."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LogSource:
    """A log source; None matches anything."""

    category: str | None = None
    product: str | None = None
    service: str | None = None

    def covers(self, other: LogSource) -> bool:
        """A rule for `other` looks at this source: whatever `other` names, this one has."""
        return all(
            wanted is None or wanted == mine
            for wanted, mine in (
                (other.category, self.category),
                (other.product, self.product),
                (other.service, self.service),
            )
        )
