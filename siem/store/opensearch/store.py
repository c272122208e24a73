"""The store on OpenSearch: events in indices by dataset and period, the ledger and all other state in `siem-*`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from datetime import datetime

from siem.errors import ContentError, Refused
from siem.parsing.batch import Parsed
from siem.schema import Clause, DatasetFields, Dialect, Question
from siem.store.contract import (
    Alert,
    Compacted,
    DatasetStats,
    Dropped,
    Heard,
    Held,
    Hit,
    Judged,
    Known,
    LedgerRow,
    Pending,
    Progress,
    Settle,
    Signal,
    StoredReject,
    raised,
)
from siem.store.handling import Action
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.commit import ledger, rejects, senders
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.reparsing import OpenSearchReparsing
from siem.store.opensearch.commit.replaying import Replay, replay
from siem.store.opensearch.commit.retention import retain
from siem.store.opensearch.commit.writing import OpenSearchWriting, Place
from siem.store.opensearch.judgements import Judgements
from siem.store.opensearch.names import Names
from siem.store.opensearch.news import Newsroom
from siem.store.opensearch.outbox import Notices
from siem.store.opensearch.scheduling import Schedules
from siem.store.opensearch.search import holding
from siem.store.opensearch.search.counting import counted
from siem.store.opensearch.search.searching import Asked, hits
from siem.store.outbox import News, Notice, Outcome
from siem.store.scheduling import Lease, Pass

LEASE = 30.0
"""Seconds without a sign of life after which what a process had claimed is taken from it."""


def _no_step(name: str) -> None:
    """Nobody listens."""


class OpenSearchStore:
    """See `siem.store.contract.Store`. The cluster must be prepared (`preparing.prepare`).

    fields: of the datasets that are written. lease: see `LEASE`.
    step: told of every point at which a process could die; for tests.
    """

    def __init__(
        self,
        connection: Connection,
        names: Names,
        fields: Mapping[str, DatasetFields],
        lease: float = LEASE,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._connection, self._names = connection, names
        self._place = Place(connection, names, fields, lease, step)
        self._log = Log(connection, names)
        self._newsroom, self._notices = Newsroom(connection, names), Notices(connection, names)
        self._judgements = Judgements(self._place, self._log, self._newsroom)
        self._schedules = Schedules(connection, names)

    @property
    def dialect(self) -> Dialect:
        return Dialect.OPENSEARCH

    def ledger(self, objects: Iterable[str] | None = None) -> dict[str, LedgerRow]:
        return ledger.ledger_rows(self._connection, self._names, self._log, objects)

    def known(self, bucket: str, prefix: str = "") -> Iterator[Known]:
        return ledger.known(self._connection, self._names, self._log, bucket, prefix)

    def committed(self, after: int = 0) -> Iterator[tuple[int, LedgerRow]]:
        return ledger.committed(self._connection, self._names, self._log, after)

    def held(self) -> Iterator[Held]:
        return holding.held(self._connection, self._names, self._log)

    def event_ids(self, object_: str) -> Iterator[str]:
        return holding.event_ids(self._connection, self._names, object_)

    def writing(self, now: datetime) -> AbstractContextManager[OpenSearchWriting]:
        return closing(OpenSearchWriting(self._place, self._log, now))

    def reparsing(self, now: datetime, judge: bool = False) -> AbstractContextManager[OpenSearchWriting]:
        return closing(OpenSearchReparsing(self._place, self._log, now, judge))

    def rejects(self) -> Iterator[StoredReject]:
        return rejects.stored(self._connection, self._names, self._log)

    def replay(
        self, stored: Sequence[StoredReject], parsed: Parsed, now: datetime, parser_version: str | None = None
    ) -> int:
        if not stored:
            return 0
        what = Replay(stored[0].object, stored, parsed, parser_version or stored[0].parser_version)
        return replay(self._place, self._log, what, now)

    def pending(self, dataset: str, after: int = 0, most: int | None = None) -> list[Pending]:
        return ledger.pending(self._connection, self._names, self._log, dataset, after, most)

    def progress(self) -> Progress:
        return self._judgements.progress()

    def owed(self, dataset: str) -> dict[str, list[str]]:
        return self._judgements.owed(dataset)

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
        if not queries:
            return
        clauses = [one for one in queries if isinstance(one, Clause)]
        assert len(clauses) == len(queries), "a store is asked in its own dialect"  # noqa: S101
        asked = Asked(clauses, objects, since, until, documents, columns)
        before = self._log.follow()
        if objects is not None and (unseen := self._unseen(asked.dataset, objects)):
            for place in range(len(clauses)):
                erred(place, unseen)
            return
        yield from hits(
            self._connection,
            self._names,
            asked,
            lambda: ledger.hidden(self._connection, self._names, self._log, before),
            erred,
        )

    def _unseen(self, dataset: str, objects: Sequence[str]) -> ContentError | None:
        """The same also where an index is closed; other datasets can be judged all the same."""
        try:
            return self._missing(dataset, objects)
        except Refused as refused:
            return ContentError(str(refused))

    def _missing(self, dataset: str, objects: Sequence[str]) -> ContentError | None:
        """What is wrong where not every event that the ledger has of these objects can be seen: they must not be taken
        for judged."""
        visible = counted(self._connection, self._names, objects, dataset)
        before = self._log.pointer().dropped.get(dataset)
        for id_, row in self._log.rows(objects).items():
            stored = row.row.events - row.row.duplicates if row.row and row.row.dataset == dataset else 0
            if visible[id_] < stored and visible[id_] < (left := row.left(before)):
                stored = left
                said = f"{stored - visible[id_]:,} of {stored:,} events of {row.row.key if row.row else id_}"
                return ContentError(f"{said} cannot be found in {self._names.events(dataset)}: was an index removed?")
        return None

    def mark(self, judged: Judged, settle: Settle) -> set[str]:
        return self._judgements.mark(judged, settle)

    def signals(self, rule_id: str, group: Mapping[str, str]) -> list[Signal]:
        return self._judgements.signals(rule_id, group)

    def every_signal(self) -> Iterator[Signal]:
        return self._judgements.every_signal()

    def alerts(self, merged: bool = False) -> list[Alert]:
        return self._judgements.alerts(merged)

    def alert(self, id_: str) -> Alert | None:
        return self._judgements.alert(id_)

    def act(self, actions: Sequence[Action]) -> list[Alert]:
        return self._judgements.act(actions)

    def actions(self, alerts: Collection[str] | None = None) -> list[Action]:
        return self._judgements.actions(alerts)

    def stats(self) -> list[DatasetStats]:
        return ledger.stats(self._connection, self._names, self._log)

    def heard(self) -> list[Heard]:
        return senders.heard(self._connection, self._names, self._log)

    def retain(self, limits: Mapping[str, datetime], dry_run: bool = False) -> list[Dropped]:
        return retain(self._place, self._log, limits, dry_run)

    def compact(self, now: datetime, dry_run: bool = False) -> list[Compacted]:
        """Nodes merge segments by themselves."""
        return []

    def lease(self, name: str) -> Lease | None:
        return self._schedules.lease(name)

    def take(self, name: str, holder: str, seen: Lease | None) -> Lease | None:
        return self._schedules.take(name, holder, seen)

    def record(self, done: Pass) -> None:
        self._schedules.record(done)

    def passes(self, most: int) -> list[Pass]:
        return self._schedules.passes(most)

    def news(self, most: int) -> list[News]:
        return self._judgements.news(most)

    def post(self, notices: Sequence[Notice], news: Sequence[News]) -> bool:
        if not self._notices.put(notices):
            return False
        self._place.step("posted")
        self._newsroom.clear(news)
        return True

    def notices(self, keys: Collection[str]) -> dict[str, Notice]:
        return self._notices.of(keys)

    def latest(self, channel: str, kind: str) -> Notice | None:
        return self._notices.latest(channel, kind)

    def recent(self, channel: str, since: datetime) -> int:
        return self._notices.recent(channel, since)

    def due(self, channel: str, now: datetime, most: int) -> list[Notice]:
        return self._notices.due(channel, now, most)

    def tried(self, outcome: Outcome) -> None:
        self._notices.tried(outcome)

    def outbox(self, most: int, unsent: bool = False) -> list[Notice]:
        return self._notices.outbox(most, unsent)

    def close(self) -> None:
        self._connection.close()
