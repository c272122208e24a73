"""Rows of the ledger as documents: what an object came to, or who is writing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from siem.intake.senders import sender
from siem.parsing.batch import text_of
from siem.store.contract import LedgerRow, State
from siem.store.entries import LASTING, WITH_EVENTS
from siem.store.opensearch.names import begun
from siem.store.times import from_micros_or_none, micros_or_none

ENTRY = 1_000_000
"""Turns of one entry of the log; a commit has fewer objects."""

WRITING, ABANDONED = "writing", "abandoned"
"""States of a claim: somebody writes the object; somebody began and gave up."""

CLAIMS = (WRITING, ABANDONED)


@dataclass(frozen=True)
class Row:
    """An object in the ledger, as it stood when it was read.

    row: what it came to; while it is claimed what it had come to before, if anything. token: of the claim; of an object
    that holds events, of who parses it again. leftovers: an earlier claim may have written events. applied: the last
    entry of the log that changed the row. turn: 0 without events. position: place in the ledger. replays: how many
    there were, of rejects or of all of it. unique_ids: see `Writing.add`. periods: how many of its events are stored in
    which index of the dataset, by what the index's name ends with. version: (`_seq_no`, `_primary_term`). again: it has
    its turn to be judged again, and what a rule finds then replaces what it had found.
    """

    object: str
    state: str
    row: LedgerRow | None = None
    token: str = ""
    leftovers: bool = False
    applied: int = 0
    turn: int = 0
    position: int = 0
    replays: int = 0
    unique_ids: bool = False
    periods: Mapping[str, int] = field(default_factory=dict)
    version: tuple[int, int] | None = None
    again: bool = False

    @property
    def is_claimed(self) -> bool:
        return self.state in CLAIMS

    @property
    def holds(self) -> bool:
        """Its events are stored for good."""
        return self.row is not None and self.row.state in LASTING

    def claimed(self, token: str) -> Row:
        """In a writer's hands. What holds events goes on to hold them."""
        return replace(self, state=self.state if self.holds else WRITING, token=token)

    def left(self, before: datetime | None) -> int:
        """Events that are stored, once all periods before that time were dropped."""
        return sum([count for period, count in self.periods.items() if not is_dropped(period, before)])

    def expired(self, before: datetime | None, number: int) -> Row:
        """The row as entry `number` leaves it where nothing is left of what was stored."""
        if self.row is None or self.row.state not in WITH_EVENTS or not self.periods or self.left(before):
            return self
        row = replace(self.row, state=State.EXPIRED)
        changed = replace(self, row=row, state=row.state.value, turn=0, applied=number, replays=self.replays + 1)
        return replace(changed, token="")

    def document(self) -> dict[str, Any]:
        own = {
            "object": self.object,
            "state": self.state,
            "token": self.token,
            "leftovers": self.leftovers,
            "applied": self.applied,
            "turn": self.turn,
            "position": self.position,
            "replays": self.replays,
            "again": self.again,
        }
        return own if self.row is None else written(self) | own


def of(found: Mapping[str, Any] | None, object_: str) -> Row | None:
    """From a document of the ledger."""
    if found is None:
        return None
    source = found["_source"]
    return Row(
        object_,
        source["state"],
        read(source) if "row_state" in source else None,
        source["token"],
        source["leftovers"],
        source["applied"],
        source["turn"],
        source["position"],
        source["replays"],
        source.get("unique_ids", False),
        source.get("periods", {}),
        (found["_seq_no"], found["_primary_term"]),
        source["again"],
    )


def committed(new: Mapping[str, Any], before: Row, number: int, place: int) -> Row:
    """A row that a commit makes of a claim: entry `number` of the log, `place` in it. new: as `written`."""
    row, turn = read(new), number * ENTRY + place
    return Row(
        row.object,
        row.state.value,
        row,
        applied=number,
        turn=turn if row.events > row.duplicates else 0,
        position=turn,
        unique_ids=new["unique_ids"],
        periods=new["periods"],
        version=before.version,
    )


def reparsed(new: Mapping[str, Any], before: Row, number: int, place: int, judge: bool, whole: bool) -> Row:
    """A row of an object that was parsed again: entry `number` of the log, `place` in it. new: as `written`.

    judge: it shall be judged again. whole: nothing of what it held before is left; until then it keeps its claim.
    """
    row, turn = read(new), before.turn
    stored = row.events > row.duplicates
    again = whole and judge and (stored or turn > 0)
    if again or (whole and stored and not turn):
        turn = number * ENTRY + place
    elif whole and not stored and not before.again:
        turn = 0
    return replace(
        before,
        state=row.state.value,
        row=row,
        token="" if whole else before.token,
        applied=number,
        turn=turn,
        replays=before.replays + 1,
        again=again or before.again,
        unique_ids=new["unique_ids"],
        periods=new["periods"],
    )


def released(row: Row, token: str, number: int) -> Row:
    """A claim that was taken over (by `token`), or given up (no token)."""
    if row.holds:
        return replace(row, token=token)
    return replace(row, state=WRITING if token else ABANDONED, token=token, leftovers=True, applied=number)


def is_dropped(period: str, before: datetime | None) -> bool:
    """Retention drops whole periods, and `before` is where one begins."""
    start = begun(period)
    return before is not None and start is not None and start < before


TEXTS = ("bucket", "key", "version", "reason")
COUNTS = ("bytes", "records", "events", "rejects", "skipped", "duplicates")
TIMES = ("first", "last", "committed")


def written(whole: Row) -> dict[str, Any]:
    """What an object came to as JSON. Octets that are no text are shown as `\\xff` and kept beside; times are kept in
    microseconds."""
    assert whole.row is not None  # noqa: S101  (a claim came to nothing yet)
    row = whole.row
    who = sender(row.bucket, row.key)
    texts = {name: getattr(row, name) for name in TEXTS}
    times: dict[str, datetime | None] = {name: getattr(row, name) for name in TIMES}
    return {
        "object": row.object,
        "sha256": row.sha256,
        "row_state": row.state.value,
        "place": who.place,
        "account": who.account,
        "unique_ids": whole.unique_ids,
        "periods": whole.periods,
        "dataset": row.dataset,
        "parser_version": row.parser_version,
        **{name: shown(text) for name, text in texts.items()},
        "octets": {name: octets(text).hex() for name, text in texts.items() if text != shown(text)},
        **{name: getattr(row, name) for name in COUNTS},
        **{name: None if time is None else text_of(time) for name, time in times.items()},
        "micros": {name: micros_or_none(time) for name, time in times.items()},
    }


def read(source: Mapping[str, Any]) -> LedgerRow:
    """The inverse of `written`."""
    kept = {name: bytes.fromhex(octets).decode("utf-8", "surrogateescape") for name, octets in source["octets"].items()}
    times: dict[str, Any] = {name: from_micros_or_none(source["micros"][name]) for name in TIMES}
    return LedgerRow(
        object=source["object"],
        sha256=source["sha256"],
        state=State(source["row_state"]),
        dataset=source["dataset"],
        parser_version=source["parser_version"],
        **{name: kept.get(name, source[name]) for name in TEXTS},
        **{name: source[name] for name in COUNTS},
        **times,
    )


def octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def shown(text: str | None) -> str | None:
    """Text that JSON can hold."""
    return None if text is None else octets(text).decode("utf-8", "backslashreplace")


def moved(row: LedgerRow, parsed: Mapping[str, int], first: datetime | None, last: datetime | None) -> LedgerRow:
    """The row with counts moved (`parsed` says by how much) and a span that has these times too."""
    ends = [time for time in (row.first, first) if time], [time for time in (row.last, last) if time]
    counts = {name: getattr(row, name) + by for name, by in parsed.items()}
    return replace(row, **counts, first=min(ends[0], default=None), last=max(ends[1], default=None))
