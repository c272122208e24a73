"""Who writes an object: claims in the ledger, and signs that their writers are alive.

A writer shows that it lives by counting in a document of its own. Others do not compare clocks: they look whether the
count moves, by their own clock, for as long as a lease.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from siem.errors import Unavailable
from siem.store.entries import Entry, stands
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.scanning import document, remove
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import ABANDONED, Row
from siem.store.opensearch.names import Names, States

BEAT = 3.0
"""Seconds between two signs of life, at least."""

PAUSE = 0.25
"""Seconds between two looks at somebody else's claim."""


class Contended(Exception):
    """Somebody else who is alive has what this commit needs: give everything back, and begin again a little later."""


Seen: TypeAlias = dict[str, tuple[int, float]]
"""Tokens of writers: what they had counted to, and since when by the clock of who looks."""


class Writer:
    """This writer. lease: seconds without a sign of life after which somebody is gone.

    seen: what is known of others. Writers of one process share it: each would wait for the same dead one.
    """

    def __init__(self, connection: Connection, names: Names, lease: float, seen: Seen) -> None:
        self._connection, self._index, self.lease = connection, names.state(States.STATE), lease
        self.token = secrets.token_hex(8)
        self._beats, self._beaten = 0, 0.0
        self._seen = seen

    def beat(self) -> None:
        """Show that this writer lives."""
        if self._beats and time.monotonic() - self._beaten < min(BEAT, self.lease / 4):
            return
        self._beats, self._beaten = self._beats + 1, time.monotonic()
        self._connection.ask("PUT", self._path(self.token), {"kind": "writer", "beats": self._beats})

    def end(self) -> None:
        """Whatever this writer has claimed still is free."""
        if self._beats:
            self._beats = 0
            with suppress(Unavailable):  # others see that this writer gives no sign of life
                self._connection.ask("DELETE", self._path(self.token), also=(404,), patience=0)

    def renew(self) -> None:
        """Go on under another token, which nothing in the log is about; what was seen of others stays known."""
        self.end()
        self.token = secrets.token_hex(8)

    def is_gone(self, token: str) -> bool:
        """Another writer has ended, or has given no sign of life for as long as a lease while this one looked."""
        found = document(self._connection.ask("GET", self._path(token), also=(404,)))
        if found is None:
            self._seen.pop(token, None)
            return True
        beats, now = found["_source"]["beats"], time.monotonic()
        seen, since = self._seen.get(token, (None, now))
        if seen != beats:
            since = now
        self._seen[token] = beats, since
        return now - since >= self.lease

    def _path(self, token: str) -> str:
        return f"/{self._index}/_doc/writer-{token}"


@dataclass(frozen=True)
class Claimed:
    """standing: rows that stay as they are. mine: what is to be written now."""

    standing: Mapping[str, Row] = field(default_factory=dict)
    mine: Mapping[str, Row] = field(default_factory=dict)


def is_settled(row: Row | None, entry: Entry) -> bool:
    """The object is in the ledger for good, and a commit leaves it out."""
    return row is not None and not row.is_claimed and stands(row.row, entry)


def claimed(
    log: Log, writer: Writer, entries: Mapping[str, Entry], stays: Callable[[Row | None, Entry], bool] = is_settled
) -> Claimed:
    """Claim the objects but those of which a row says that it stays as it is.

    Raises:
        Contended: another writer is at some of them. None of them is claimed then.
    """
    writer.beat()
    log.follow()
    while True:
        rows = log.rows(list(entries))
        standing = {id_: row for id_, row in rows.items() if stays(row, entries[id_])}
        mine = {id_: row for id_, row in rows.items() if row.token == writer.token}
        others = {row.token for id_, row in rows.items() if row.token and id_ not in mine and id_ not in standing}
        if others:
            try:
                _wait_for(log, writer, others, [id_ for id_, row in rows.items() if row.token in others])
            except Contended:  # they may be waiting for what is ours already
                released(log, writer.token, mine.keys())
                raise
            continue
        wanted = [
            (rows.get(id_) or Row(id_, ABANDONED)).claimed(writer.token)
            for id_, entry in entries.items()
            if id_ not in mine and not stays(rows.get(id_), entry)
        ]
        if not wanted:
            return Claimed(standing, mine)
        log.put(wanted)


def _wait_for(log: Log, writer: Writer, others: Collection[str], objects: Collection[str]) -> None:
    """Free what writers claimed that are gone.

    Raises:
        Contended: one of them lives.
    """
    for token in others:
        if not writer.is_gone(token):
            time.sleep(PAUSE)
            raise Contended
        released(log, token, objects)


def released(log: Log, token: str, objects: Collection[str]) -> None:
    """Free what a writer claimed of these objects. Something of it may be written."""
    if objects:
        log.append({"kind": "release", "token": token, "to": "", "rows": [{"object": id_} for id_ in objects]})


def swept(connection: Connection, names: Names, writer: Writer, objects: Collection[str]) -> None:
    """Remove what an earlier claim of these objects left behind."""
    remove(connection, names.every_event(), {"terms": {"siem.object": list(objects)}}, writer.beat)
    remove(connection, names.state(States.REJECTS), {"terms": {"object": list(objects)}}, writer.beat)
