"""Event indices of a node of tests, written by hand: what searches find there is asked without the rest of a store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
from opensearch import asked
from opensearchpy import OpenSearch

from siem.errors import ContentError
from siem.parsing.batch import Parsed, text_of
from siem.schema import Clause, DatasetFields, Dialect, additions, decoded
from siem.schema.mapping import index
from siem.store.contract import Delivery, Hit, LedgerRow, State, raised
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.names import Names
from siem.store.opensearch.search.searching import Asked, hits
from siem.testing.deliveries import FLOW, NOW, TRAIL

FIELDS = {FLOW: DatasetFields(FLOW, nested=False), TRAIL: DatasetFields(TRAIL)}


@dataclass
class Searchable:
    """hidden: objects that are not committed."""

    url: str
    connection: Connection
    names: Names
    hidden: list[str] = field(default_factory=list)
    dialect: Dialect = Dialect.OPENSEARCH

    @classmethod
    def at(cls, url: str) -> Searchable:
        client = OpenSearch([url], serializer=Json(), max_retries=0, timeout=60)
        return cls(url, Connection(client, "tests", patience=10), Names(f"hsearch-{uuid4().hex[:8]}-"))

    # What tests ask of the node itself

    def made(self, name: str, dataset: str = TRAIL, **settings: Any) -> str:
        body = index(FIELDS[dataset])
        body["settings"] = {**body["settings"], "number_of_replicas": 0, "refresh_interval": -1, **settings}
        self.connection.ask("PUT", f"/{name}", orjson.dumps(body))
        return name

    def index(self, documents: Iterable[Mapping[str, Any]], name: str | None = None, dataset: str = TRAIL) -> None:
        """Each document in the index of its time, or in this one."""
        lines = []
        for seq, document in enumerate(documents):
            time = datetime.fromisoformat(document["@timestamp"])
            into = name or self.names.of(dataset, time, NOW)
            added = {"siem.seq": seq, **additions(document, FIELDS[dataset])}
            lines.append((into, orjson.dumps({**document, **added})))
        for into in sorted({into for into, _ in lines}):
            if asked(self.url, "GET", f"/{into}").get("status") == 404:
                self.made(into, dataset)
            self.bulk(into, [line for of, line in lines if of == into])

    def bulk(self, name: str, lines: Sequence[bytes]) -> None:
        for at in range(0, len(lines), 5000):
            body = b"".join([b'{"create":{}}\n' + line + b"\n" for line in lines[at : at + 5000]])
            answer = self.connection.ask("POST", f"/{name}/_bulk", body)
            assert not answer["errors"], answer["items"][0]

    def views(self) -> int:
        """Points in time of these indices that are open."""
        stats = self.connection.ask("GET", f"/{self.names.every_event()}/_stats/search")
        return int(stats["_all"]["total"].get("search", {}).get("point_in_time_current", 0))

    def removed(self) -> None:
        for one in asked(self.url, "GET", f"/_cat/indices/{self.names.prefix}*?format=json&expand_wildcards=all"):
            asked(self.url, "DELETE", f"/{one['index']}")
        self.connection.close()

    # What a store has

    @contextmanager
    def writing(self, now: datetime) -> Iterator[Writing]:
        yield Writing(self)

    def search(
        self,
        queries: Sequence[Clause],
        objects: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        documents: bool = False,
        columns: Collection[str] = (),
        erred: Callable[[int, ContentError], None] = raised,
    ) -> Iterator[Hit]:
        searched = Asked(queries, objects, since, until, documents, columns)
        return hits(self.connection, self.names, searched, lambda: self.hidden, erred)

    def close(self) -> None:
        self.removed()


class Writing:
    def __init__(self, into: Searchable) -> None:
        self._into = into

    def add(self, delivery: Delivery, parsed: Parsed, parser_version: str, unique_ids: bool) -> None:
        if parsed.batch is not None:
            documents = [decoded(line) for line in parsed.batch.ndjson().splitlines()]
            self._into.index(documents, dataset=parsed.dataset)

    def finish(self, delivery: Delivery, state: State) -> None: ...

    def commit(self) -> list[LedgerRow]:
        return []


EVERY, NOTHING = Clause(TRAIL, {"match_all": {}}), Clause(TRAIL, {"match_none": {}})
BROKEN = Clause(TRAIL, {"regexp": {"event.action": {"value": "(no expression"}}})
SECOND, MILLISECOND, MICROSECOND = timedelta(seconds=1), timedelta(milliseconds=1), timedelta(microseconds=1)


def event(time: datetime, id_: str, of: str = "a" * 24, **more: Any) -> dict[str, Any]:
    action = more.pop("action", "list")
    return {
        "@timestamp": text_of(time),
        "event.id": id_,
        "event.dataset": TRAIL,
        "event.action": action,
        "siem.object": of,
        TRAIL: {"eventID": id_, **more},
    }


def does(action: str, **more: Any) -> Clause:
    return Clause(TRAIL, {"term": {"event.action": {"value": action}}}, frozenset({"event.action"}), **more)


def two_indices(store: Searchable) -> tuple[str, str]:
    return tuple([store.made(f"{store.names.prefix}events-{TRAIL}-{name}") for name in ("2026.10", "2026.11")])
