"""Notices, as documents of `siem-outbox`. A body is kept as text: keys in it may be no names that a node takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import documents, first, refresh
from siem.store.opensearch.names import Names, States
from siem.store.opensearch.signals import digest
from siem.store.outbox import Notice, Outcome
from siem.store.times import from_micros, from_micros_or_none, micros, micros_or_none

MOST = 10_000
"""Notices that are read at a time, at most: a search gives no more."""

NEWEST_FIRST = ({"created": "desc"}, {"key": "asc"})
OLDEST_FIRST = ({"due": "asc"}, {"key": "asc"})

Document = Mapping[str, Any]


class Notices:
    """Of one store."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._index = connection, names.state(States.OUTBOX)

    def put(self, notices: Sequence[Notice]) -> bool:
        """Each in the place of the one that was seen; False: one is another by now."""
        left = {notice.key: notice for notice in notices}
        while left:
            there = self._documents(list(left))
            operations = []
            for notice in left.values():
                before = _notice(there[notice.key])
                if (before.revision if before else 0) != notice.revision:
                    return False
                operations.append(self._operation(_posted(notice, before), there[notice.key]))
            failed = {one.document["key"] for one in conflicts(self._connection, operations)}
            left = {key: notice for key, notice in left.items() if key in failed}
        return True

    def of(self, keys: Collection[str]) -> dict[str, Notice]:
        found = {key: _notice(there) for key, there in self._documents(list(keys)).items()}
        return {key: notice for key, notice in found.items() if notice is not None}

    def latest(self, channel: str, kind: str) -> Notice | None:
        found = self._found([{"term": {"channel": channel}}, {"term": {"kind": kind}}], NEWEST_FIRST, 1)
        return next(iter(found), None)

    def recent(self, channel: str, since: datetime) -> int:
        refresh(self._connection, self._index)
        filters = [{"term": {"channel": channel}}, {"range": {"created": {"gte": micros(since)}}}]
        body = {"query": {"bool": {"filter": filters}}}
        answer = self._connection.ask("POST", f"/{self._index}/_count", body, also=(404,))
        return 0 if answer.status == 404 else int(answer.body["count"])

    def due(self, channel: str, now: datetime, most: int) -> list[Notice]:
        late = {"range": {"due": {"lte": micros(now)}}}
        return self._found([{"term": {"channel": channel}}, late], OLDEST_FIRST, most, [{"exists": {"field": "sent"}}])

    def tried(self, outcome: Outcome) -> None:
        while (there := self._documents([outcome.key])[outcome.key]) is not None:
            before = _notice(there)
            assert before is not None  # noqa: S101
            if not conflicts(self._connection, [self._operation(_tried(before, outcome), there)]):
                return

    def outbox(self, most: int, unsent: bool) -> list[Notice]:
        waits = {"bool": {"should": [{"exists": {"field": "due"}}, {"term": {"failed": True}}]}}
        sent = [{"exists": {"field": "sent"}}]
        return self._found([waits] if unsent else [], NEWEST_FIRST, most, sent if unsent else [])

    def _found(
        self, filters: Sequence[Document], order: Sequence[Document], most: int, without: Sequence[Document] = ()
    ) -> list[Notice]:
        refresh(self._connection, self._index)
        query = {"bool": {"filter": list(filters), "must_not": list(without)}}
        hits = first(self._connection, self._index, query, order, min(most, MOST))
        return [notice for hit in hits if (notice := _notice(hit)) is not None]

    def _documents(self, keys: Sequence[str]) -> dict[str, Document | None]:
        return dict(zip(keys, documents(self._connection, self._index, [*map(digest, keys)]), strict=True))

    def _operation(self, notice: Notice, there: Document | None) -> Operation:
        version = (there["_seq_no"], there["_primary_term"]) if there else None
        return Operation(self._index, digest(notice.key), _document(notice), version, absent=version is None)


def _posted(notice: Notice, before: Notice | None) -> Notice:
    kept = before or notice
    return replace(
        notice,
        created=kept.created,
        ref=kept.ref,
        attempts=0,
        error="",
        sent=None,
        revision=notice.revision + 1,
    )


def _tried(before: Notice, outcome: Outcome) -> Notice:
    named = replace(before, ref=outcome.ref or before.ref)
    if before.revision != outcome.revision:
        return named
    due = outcome.due if outcome.sent is None else before.due
    return replace(named, attempts=before.attempts + 1, error=outcome.error, sent=outcome.sent, due=due)


def _document(notice: Notice) -> dict[str, Any]:
    return {
        "key": notice.key,
        "channel": notice.channel,
        "kind": notice.kind,
        "body": orjson.dumps(notice.body).decode(),
        "created": micros(notice.created),
        "due": micros_or_none(notice.due),
        "attempts": notice.attempts,
        "error": notice.error,
        "failed": bool(notice.error),
        "sent": micros_or_none(notice.sent),
        "ref": notice.ref,
        "revision": notice.revision,
    }


def _notice(found: Document | None) -> Notice | None:
    if found is None:
        return None
    source = found["_source"]
    return Notice(
        *(source["key"], source["channel"], source["kind"], orjson.loads(source["body"])),
        *(from_micros(source["created"]), from_micros_or_none(source["due"]), source["attempts"], source["error"]),
        *(from_micros_or_none(source["sent"]), source["ref"], source["revision"]),
    )
