"""Rules over records that nobody stores: a node evaluates them in an index that lasts as long as the work."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from siem.errors import Refused, SiemError, Unavailable
from siem.schema import OVERSIZE, Clause, DatasetFields
from siem.schema.mapping import index, put
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.events.bulk import CONFLICT, Bulk
from siem.store.opensearch.names import Names
from siem.store.opensearch.search.view import MOST_BYTES, STRICT, batches

TOGETHER = 5_000
"""Documents that are asked about at a time; a search gives 10,000 hits at most, and every rule may find all."""

MOST = 50_000
"""Documents of an index: a text that is looked for within leaves is compared with all that were ever written."""

ROW = "siem.row"
"""Which document of the index it is. Each search is about those that were written last."""

SETTINGS = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": -1, "hidden": True}

LEFT = 24 * 3600 * 1000
"""Milliseconds by the cluster's clock, after which an index is one that a killed process left."""

NAME = re.compile(r".*siem-hunt-[0-9a-f]{16}", re.DOTALL)
GONE, THERE = "index_not_found_exception", "resource_already_exists_exception"


class Lost(Exception):
    """Somebody removed the index."""


@dataclass(frozen=True)
class Answer:
    """What clauses find among documents, by their places.

    rows: for each clause; None where the node cannot run it. unknown: the documents of which it can say nothing.
    """

    rows: Sequence[Sequence[int] | None]
    unknown: frozenset[int]


class Engine:
    """A node that runs clauses over documents at hand. It has to be closed: its indices are removed then.

    Raises, from everything that asks:
        Unavailable: the cluster is away.
        Refused, ConfigError: it does not let us.
    """

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._prefix = connection, f"{names.prefix}siem-hunt-"
        self._bulk = Bulk(connection)
        self._indices: dict[str, Index] = {}
        self._names: list[str] = []
        self._swept = False

    def matches(
        self, fields: DatasetFields, documents: Iterable[Mapping[str, Any]], clauses: Sequence[Clause]
    ) -> Answer:
        """What each clause finds. documents: of one dataset, or of none, as `schema.mapping.index` maps them."""
        rows: list[list[int] | None] = [[] for _ in clauses]
        unknown: set[int] = set()
        given, first = iter(documents), 0
        while some := list(islice(given, TOGETHER)):
            answer = self._of(fields, some, clauses)
            unknown.update([first + row for row in answer.unknown])
            for place, found in enumerate(answer.rows):
                held = rows[place]
                rows[place] = None if found is None or held is None else held + [first + row for row in found]
            first += len(some)
        return Answer(rows, frozenset(unknown))

    def close(self) -> None:
        """Remove every index, as far as the cluster lets us: what stays is removed by a later hunt."""
        with suppress(SiemError):
            self._remove(self._names, patience=5.0)
        self._connection.close()

    def _of(self, fields: DatasetFields, documents: Sequence[Mapping[str, Any]], clauses: Sequence[Clause]) -> Answer:
        """The same of so few documents that one search can find all."""
        try:
            return self._asked(self._index(fields), documents, clauses)
        except Lost:
            del self._indices[fields.dataset]
        try:
            return self._asked(self._index(fields), documents, clauses)
        except Lost as why:
            raise Unavailable(f"store {self._connection.name}: somebody removes {self._prefix}*; hunt again") from why

    def _asked(self, into: Index, documents: Sequence[Mapping[str, Any]], clauses: Sequence[Clause]) -> Answer:
        first = into.rows
        into.rows += len(documents)
        unknown = frozenset([row for row, document in enumerate(documents) if OVERSIZE in document])
        known = [(first + row, document) for row, document in enumerate(documents) if row not in unknown]
        refused = self._write(into, known) if known else frozenset()
        span = {"range": {ROW: {"gte": first, "lt": into.rows}}}
        found = self._search(into, [{"bool": {"filter": [clause.query, span]}} for clause in clauses] if known else [])
        rows = [None if some is None else [row - first for row in some] for some in found] or [[] for _ in clauses]
        return Answer(rows, unknown | {row - first for row in refused})

    def _write(self, into: Index, documents: Sequence[tuple[int, Mapping[str, Any]]]) -> frozenset[int]:
        """Make them visible; those that the node refuses."""
        bodies = list(bodies_of(into.name, documents))
        refused: list[int] = []
        for number, outcomes in self._bulk.send([body for body, _ in bodies]):
            if any(outcome.kind == GONE for outcome in outcomes):
                raise Lost
            refused += [bodies[number][1][outcome.place] for outcome in outcomes if outcome.status != CONFLICT]
        self._ask("POST", f"/{into.name}/_refresh")
        return frozenset(refused)

    def _search(self, into: Index, queries: Sequence[Mapping[str, Any]]) -> list[list[int] | None]:
        """The rows that each query finds, in order."""
        lines = [
            orjson.dumps({"size": TOGETHER, "_source": False, "sort": ["_doc"], "query": each}) for each in queries
        ]
        header = orjson.dumps({"index": into.name, "allow_partial_search_results": False})
        answers: list[Any] = []
        for some in batches(lines):
            asked = b"".join([header + b"\n" + line + b"\n" for line in some])
            answers += self._ask("POST", "/_msearch", asked)["responses"]
        alone = [
            self._alone(into, line) if "error" in answer else answer
            for line, answer in zip(lines, answers, strict=True)
        ]
        return [answer and sorted([int(hit["_id"]) for hit in answer["hits"]["hits"]]) for answer in alone]

    def _alone(self, into: Index, line: bytes) -> Any:
        """The answer to a search that failed among others: perhaps the node had too much to do. None: it is refused."""
        try:
            return self._ask("POST", f"/{into.name}/_search", line, **STRICT)
        except Refused:
            return None

    def _ask(self, *asked: Any, **params: Any) -> Any:
        try:
            return self._connection.ask(*asked, **params)
        except Refused as refused:
            if refused.kind == GONE:
                raise Lost from refused
            raise

    def _index(self, fields: DatasetFields) -> Index:
        """Where documents of the dataset are written; a new one where there is none, or it has become large."""
        held = self._indices.get(fields.dataset)
        if held is not None and held.rows < MOST:
            return held
        if held is not None:
            self._remove([held.name])
            self._names.remove(held.name)
        name = f"{self._prefix}{secrets.token_hex(8)}"
        self._names.append(name)
        try:
            self._connection.ask("PUT", f"/{name}", orjson.dumps(made(name, fields)))
        except Refused as refused:
            if refused.kind != THERE:  # that answer was lost
                raise
        if not self._swept:
            self._swept = True
            with suppress(SiemError):  # what others left keeps nobody from hunting
                self._remove(self._left(name))
        self._indices[fields.dataset] = Index(name)
        return self._indices[fields.dataset]

    def _left(self, own: str) -> list[str]:
        """Indices of processes that were killed: a day older than our own, by the clock that stamped both."""
        asked: dict[str, Any] = {"format": "json", "h": "index,creation.date", "expand_wildcards": "all"}
        there = self._connection.ask("GET", f"/_cat/indices/{self._prefix}*", **asked)
        made = {row["index"]: int(row["creation.date"]) for row in there}
        return [name for name, at in made.items() if NAME.fullmatch(name) and at < made[own] - LEFT]

    def _remove(self, names: Sequence[str], patience: float | None = None) -> None:
        for name in list(names):
            self._connection.ask("DELETE", f"/{name}", also=(404,), patience=patience)


@dataclass
class Index:
    """rows: how many were given to it."""

    name: str
    rows: int = 0


def made(name: str, fields: DatasetFields) -> dict[str, Any]:
    """An index as events of the dataset have it, which keeps no documents. Its alias has to be there when documents are
    written: a node makes an index that somebody removed, and maps it by guesses."""
    body = index(fields)
    put(body["mappings"]["properties"], ROW, {"type": "long"})
    mappings = {**body["mappings"], "_source": {"enabled": False}}
    return {"settings": {**body["settings"], **SETTINGS}, "mappings": mappings, "aliases": {alias(name): {}}}


def alias(name: str) -> str:
    return f"{name}-in"


def bodies_of(name: str, documents: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[tuple[bytes, list[int]]]:
    """Bodies of bulk requests, and the rows in each."""
    lines: list[bytes] = []
    rows: list[int] = []
    size = 0
    for row, document in documents:
        action = {"_index": alias(name), "_id": str(row), "require_alias": True}
        line = orjson.dumps({"create": action}) + b"\n" + orjson.dumps({**document, ROW: row}) + b"\n"
        if rows and size + len(line) > MOST_BYTES:
            yield b"".join(lines), rows
            lines, rows, size = [], [], 0
        lines.append(line)
        rows.append(row)
        size += len(line)
    if rows:
        yield b"".join(lines), rows
