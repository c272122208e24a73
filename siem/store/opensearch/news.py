"""Which alerts changed: documents of `siem-news`, one per alert, with the number of the commit that changed it.

A commit (`judgements`) writes its news with the number after the one that its lock says, before it writes alerts, and
the lock says that number when the commit has ended. Readers leave out what has a higher one: nobody clears news of what
is not there yet, and who makes an interrupted commit again makes it under the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import documents, first, refresh
from siem.store.opensearch.names import Names, States
from siem.store.outbox import News

MOST = 10_000
"""News that are read at a time, at most: a search gives no more."""


class Newsroom:
    """Of one store."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._index = connection, names.state(States.NEWS)

    def news(self, number: int, most: int) -> list[News]:
        """The oldest, of finished commits: up to this number."""
        refresh(self._connection, self._index)
        query, order = {"range": {"number": {"lte": number}}}, ({"number": "asc"}, {"alert": "asc"})
        hits = first(self._connection, self._index, query, order, min(most, MOST))
        return [News(hit["_source"]["alert"], hit["_source"]["number"]) for hit in hits]

    def write(self, alerts: Collection[str], number: int, check: Callable[[], None]) -> None:
        """Leave news of alerts. Others clear older ones meanwhile, and one that was asleep may still write: each is
        written on condition that it is as it was read. check: asked before it is tried again; raises if the commit is
        not this writer's any more."""
        left = sorted(alerts)
        while left:
            there = documents(self._connection, self._index, left)
            versions = [(one["_seq_no"], one["_primary_term"]) if one else None for one in there]
            wanted = [
                Operation(self._index, id_, {"alert": id_, "number": number}, version, absent=version is None)
                for id_, version in zip(left, versions, strict=True)
            ]
            if left := [one.id for one in conflicts(self._connection, wanted)]:
                check()

    def clear(self, news: Sequence[News]) -> None:
        """Remove those that are still the same."""
        there = documents(self._connection, self._index, [one.alert for one in news])
        gone = [
            Operation(self._index, one.alert, None, (found["_seq_no"], found["_primary_term"]))
            for one, found in zip(news, there, strict=True)
            if found is not None and found["_source"]["number"] == one.number
        ]
        conflicts(self._connection, gone)  # where there are newer ones they stay
