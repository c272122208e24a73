"""What a search looks for, whichever store answers it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from siem.schema import Clause, Query

Q = TypeVar("Q", Query, Clause)


@dataclass(frozen=True)
class Sought(Generic[Q]):
    """What is looked for. See `siem.store.contract.Store.search`."""

    queries: Sequence[Q]
    objects: Sequence[str] | None
    since: datetime | None
    until: datetime | None
    documents: bool
    columns: Collection[str]

    @property
    def dataset(self) -> str:
        return self.queries[0].dataset
