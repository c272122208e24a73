"""Objects of a commit in the making, whichever store it is made in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, LedgerRow, State

LASTING = frozenset((State.COMMITTED, State.DAMAGED, State.EXPIRED))
"""States that stand. Any other (denied, failed, …) gives way to a later commit that knows more of the object."""

WITH_EVENTS = frozenset((State.COMMITTED, State.DAMAGED))


@dataclass
class Entry:
    """An object of this commit, summed over its blocks."""

    delivery: Delivery
    dataset: str | None = None
    unique_ids: bool = False
    events: int = 0
    rejects: int = 0
    skipped: int = 0
    first: datetime | None = None
    last: datetime | None = None
    state: State | None = None
    reason: str | None = None
    parser_version: str = ""

    def add(self, parsed: Parsed, first: datetime | None, last: datetime | None) -> None:
        """A block; first, last: of its events, None without any."""
        self.events += parsed.events
        self.rejects += len(parsed.rejects)
        self.skipped += parsed.skipped
        if first is not None and last is not None:
            self.first = min(self.first or first, first)
            self.last = max(self.last or last, last)

    def row(self, duplicates: int, now: datetime) -> LedgerRow:
        """The ledger row. An object that failed has no content, whatever was read before it did."""
        source, state = self.delivery.source, self.state or State.FAILED
        counted = self if state in WITH_EVENTS else Entry(self.delivery)
        return LedgerRow(
            object=source.id,
            bucket=source.bucket,
            key=source.key,
            version=source.version,
            sha256=self.delivery.sha256,
            bytes=self.delivery.bytes,
            state=state,
            dataset=self.dataset,
            records=counted.events + counted.rejects + counted.skipped,
            events=counted.events,
            rejects=counted.rejects,
            skipped=counted.skipped,
            duplicates=duplicates,
            first=counted.first,
            last=counted.last,
            reason=self.reason,
            committed=now,
            parser_version=self.parser_version,
        )


def stands(row: LedgerRow | None, entry: Entry) -> bool:
    """The row in the ledger stays as it is, and this entry is left out: it knows no more of the object."""
    return row is not None and knowledge(row.state) >= knowledge(entry.state or State.FAILED)


def knowledge(state: State) -> int:
    """How much is known of an object: nothing but its name; its bytes; what is in them."""
    return 2 if state in LASTING else int(state is State.UNRECOGNISED)
