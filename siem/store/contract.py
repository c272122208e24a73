"""What a store promises, whichever it is. One test suite (`siem.testing.store_contract`) runs on every store.

Words: an *object* is a version of a key in a bucket; its *ledger row* says what it came to. A *commit* makes whole
objects visible together with their rows, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from siem.errors import ContentError
from siem.parsing.batch import Parsed, Reject
from siem.schema import Dialect, Question, SourceObject
from siem.store.judging import Again, Alert, Judged, Judging, Pending, Progress, Settle, Signal
from siem.store.outbox import Outbox
from siem.store.scheduling import Scheduling


class State(StrEnum):
    """What became of an object. Only COMMITTED and DAMAGED objects have events; EXPIRED ones had."""

    COMMITTED = "committed"
    UNRECOGNISED = "unrecognised"
    DAMAGED = "damaged"
    REFUSED = "refused"
    DENIED = "denied"
    GONE = "gone"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Delivery:
    """An object as it was delivered: `bytes` and `sha256` (hex) are of the stored bytes, before decompression."""

    source: SourceObject
    sha256: str
    bytes: int


@dataclass(frozen=True)
class LedgerRow:
    """One object. records = events + rejects + skipped; what is stored = events - duplicates.

    first, last: earliest and latest event time; None without events.
    dataset: None for an object that no parser claims.
    parser_version: of the parser that its events came from; empty where none gave any block.
    """

    object: str
    bucket: str
    key: str
    version: str | None
    sha256: str
    bytes: int
    state: State
    dataset: str | None = None
    records: int = 0
    events: int = 0
    rejects: int = 0
    skipped: int = 0
    duplicates: int = 0
    first: datetime | None = None
    last: datetime | None = None
    reason: str | None = None
    committed: datetime | None = None
    parser_version: str = ""


class Known(NamedTuple):
    """An object in the ledger, in short: a ledger has millions of them. committed: microseconds since 1970."""

    key: str
    state: str
    sha256: str
    bytes: int
    committed: int


class Held(NamedTuple):
    """Events of an object. expected: that are stored by what the ledger says, without those that retention dropped;
    None: the ledger has no such object. visible: that can be found."""

    object: str
    expected: int | None
    visible: int


@dataclass(frozen=True)
class StoredReject:
    """A reject with the object that it came from."""

    object: str
    bucket: str
    key: str
    dataset: str
    parser_version: str
    reject: Reject


@dataclass(frozen=True)
class Hit:
    """An event that queries of a pack found.

    document: as `Batch.ndjson()` has it, read by `schema.decoded`, or what was asked for of it; None where the queries
    are exact and nobody asked.
    matched: which queries of the pack found it, in order.
    unsure: those of them that may have found too much: the predicate has to judge the document.
    """

    event_id: str
    timestamp: datetime
    dataset: str
    object: str
    document: Mapping[str, Any] | None = None
    matched: tuple[int, ...] = (0,)
    unsure: tuple[int, ...] = ()


def raised(place: int, error: ContentError) -> None:
    """The query at that place of a pack cannot be run, and nobody does without it."""
    raise error


@dataclass(frozen=True)
class DatasetStats:
    """Sums over a dataset's objects (None: over the objects without one).

    records = events + duplicates + rejects + skipped, where `events` is what is stored, or was until retention dropped
    it. bytes: of what is stored.
    """

    dataset: str | None
    objects: int
    records: int
    events: int
    rejects: int
    skipped: int
    duplicates: int
    bytes: int
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True)
class Heard:
    """Who has sent objects of a dataset. place, account: as `intake.senders` has them of keys.

    first, last: when the first and the last of its objects were committed that have, or had, content.
    """

    dataset: str
    place: str
    account: str | None
    first: datetime
    last: datetime


@dataclass(frozen=True)
class Dropped:
    """A period of a dataset that retention drops: `2026.11.01` or `2026.11`, with what was stored of it."""

    dataset: str
    period: str
    events: int
    bytes: int


@dataclass(frozen=True)
class Compacted:
    """Files of a dataset and day (`2026.11.01`, or `other` for few events of many days) that became fewer.

    bytes, bytes_after: of the files; bytes_after is 0 where nothing was changed yet.
    """

    dataset: str
    day: str
    files: int
    into: int
    events: int
    bytes: int
    bytes_after: int


class Writing(Protocol):
    """One commit in the making. Nothing of it is visible before `commit` returns."""

    def add(self, delivery: Delivery, parsed: Parsed, parser_version: str, unique_ids: bool) -> None:
        """Take a block of an object; may write it aside.

        Raises:
            Unavailable: the store cannot be written now; the whole commit has to be begun again.
        """
        ...

    def finish(self, delivery: Delivery, state: State, reason: str | None = None, dataset: str | None = None) -> None:
        """The object is whole: no more blocks of it will come. Also for objects without any."""
        ...

    def commit(self) -> list[LedgerRow]:
        """Make every finished object visible, durably, all of them or none. Safe to repeat in a new `Writing`.

        An object that is in the ledger already is left out: its row is returned as it stands there. Only what
        could not be had (denied, gone, failed, refused) gives way to what was read, and UNRECOGNISED to content.

        Raises:
            Unavailable: nothing was committed; try again later.
        """
        ...


class Store(Judging, Scheduling, Outbox, Protocol):
    """Events, the ledger, and everything that must outlive a process."""

    @property
    def dialect(self) -> Dialect:
        """What `search` is asked in."""
        ...

    def ledger(self, objects: Iterable[str] | None = None) -> dict[str, LedgerRow]:
        """Rows by object id, of these objects or of all."""
        ...

    def known(self, bucket: str, prefix: str = "") -> Iterator[Known]:
        """The objects of a bucket whose keys begin so, in the order of the keys' bytes, as they stand when the first is
        asked for: one at a time, in memory that does not grow with their number."""
        ...

    def committed(self, after: int = 0) -> Iterator[tuple[int, LedgerRow]]:
        """Rows in the order of commits, each with its place in it, after a place: as they stand when the first is asked
        for. What is committed later has a later place; a row that gives way to another gives up its place."""
        ...

    def held(self) -> Iterator[Held]:
        """Every object that has events, or should have, each once: every event is counted. What is being written, or
        dropped, meanwhile makes no difference between `expected` and `visible`."""
        ...

    def event_ids(self, object_: str) -> Iterator[str]:
        """Ids of an object's events that can be found, in no order; one that comes at two times comes twice."""
        ...

    def writing(self, now: datetime) -> AbstractContextManager[Writing]:
        """Begin a commit; leaving the block without `commit` leaves no trace. `now` becomes `committed`."""
        ...

    def reparsing(self, now: datetime, judge: bool = False) -> AbstractContextManager[Writing]:
        """As `writing`, for objects that are COMMITTED or DAMAGED in the ledger with the same sha256, read again: what
        is finished as one of the two takes the place of the object's events, rejects, counts, state, reason and
        parser_version. Any other object is left out, and its row, if there is one, returned as it stands.

        An event is of the object that holds it until that object gives it up; of dropped periods (`retain`) those alone
        come back that the object still holds. Readers find an event as it was or as it is, and now and then as both;
        they never miss one that stays. `committed` stays. A replay of rejects that were read before finds them gone.

        judge: the object gets a new turn, and what a rule finds when its mark passes that turn (unless it is its first
        one), or when it pays what it owes, takes the place of the signals that it has of the object, but for those of
        dropped periods. Without it signals stay as they are, and so does the turn, unless nobody could judge the
        object: it had no events, and now has.
        """
        ...

    def rejects(self) -> Iterator[StoredReject]:
        """Every reject that is kept, oldest object first."""
        ...

    def replay(
        self, stored: Sequence[StoredReject], parsed: Parsed, now: datetime, parser_version: str | None = None
    ) -> int:
        """`parsed` is what the rejects `stored` (of one object) came to when parsed again: store its events, keep
        its rejects, move the counts in the object's row, in one commit. Returns the events stored; 0 and no change
        where somebody else replayed one of them meanwhile.

        parser_version: of the rejects that stay; None leaves the old one.
        """
        ...

    def search(
        self,
        queries: Sequence[Question],
        objects: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        documents: bool = False,
        columns: Collection[str] = (),
        erred: Callable[[int, ContentError], None] = raised,
    ) -> Iterator[Hit]:
        """Events that queries of a pack (all of one dataset) find, in these objects (None: all), since <= time < until,
        in order of time and id; each event once, with the queries that found it.

        documents, columns: whole documents, or at least these columns of them (JSON text by its column's name), come
        with every hit. What the predicate reads comes in any case with hits that a query is unsure of.

        erred: told of queries that cannot be run over these events, at any time before the iteration ends. What they
        found earlier does not count; the other queries are not disturbed.
        """
        ...

    def stats(self) -> list[DatasetStats]:
        """Sums per dataset, by its name; objects without a dataset first."""
        ...

    def heard(self) -> list[Heard]:
        """Who has sent, by dataset and place: cheap, however many objects there are."""
        ...

    def retain(self, limits: Mapping[str, datetime], dry_run: bool = False) -> list[Dropped]:
        """Drop the events of whole periods that end at or before their dataset's limit; what is dropped, in order of
        dataset and period. Datasets without a limit keep everything. With `dry_run` nothing is changed.

        An object of which nothing is left is EXPIRED from then on: its counts stay, its rejects go, it is not pending
        any more, and it does not come back. Signals and alerts stay. Interrupted anywhere, the next call goes on.

        Raises:
            Unavailable: the store is away; what was dropped stays dropped.
        """
        ...

    def compact(self, now: datetime, dry_run: bool = False) -> list[Compacted]:
        """Make few large files of many small ones, where the store keeps files itself; what was made, or with `dry_run`
        would be, in order of dataset and day. Readers and other writers are not disturbed. Objects that a rule has yet
        to judge stay in their small files. Interrupted anywhere, the next call goes on.

        Raises:
            Unavailable: the store is away; what was made stays.
        """
        ...

    def close(self) -> None: ...


__all__ = [
    "Again",
    "Alert",
    "Compacted",
    "DatasetStats",
    "Delivery",
    "Dropped",
    "Heard",
    "Held",
    "Hit",
    "Judged",
    "Judging",
    "Known",
    "LedgerRow",
    "Pending",
    "Progress",
    "Settle",
    "Signal",
    "State",
    "Store",
    "StoredReject",
    "Writing",
    "raised",
]
