"""Runs a condition on a real OpenSearch node, over the same documents as the other engines, as a store would."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from sigma_world import World

from siem.schema import OVERSIZE, Clause, DatasetFields, Written, additions, decoded
from siem.schema.mapping import index
from siem.sigma import clause, compiled, projected_leaves
from siem.sigma.tree import Node

Found = Mapping[str, Any]
"""Documents by id."""


class Refused(AssertionError):
    """The node answered with an error."""


@dataclass
class Server:
    """An OpenSearch node: one index per dataset, every document under an id of its own."""

    url: str
    _indices: set[str] = field(default_factory=set)
    _ids: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self._connection = HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=120)

    def close(self) -> None:
        """Takes its indices away."""
        for name in self._indices:
            self.call("DELETE", f"/{name}")
        self._connection.close()

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        self._connection.request(
            method, path, None if body is None else body.encode(), {"Content-Type": "application/json"}
        )
        answer = self._connection.getresponse()
        content = decoded(answer.read())
        if answer.status >= 300:
            raise Refused(f"{method} {path}: {answer.status} {json.dumps(content)[:600]} for {(body or '')[:600]}")
        return content

    def index(self, fields: DatasetFields) -> str:
        """The index of a dataset, made the first time; other processes have others."""
        name = f"test-{os.getpid()}-{fields.dataset or 'json'}"
        if name not in self._indices:
            body = index(fields)
            body["settings"] |= {"number_of_shards": 1, "number_of_replicas": 0}
            self.call("PUT", f"/{name}", json.dumps(body))
            self._indices.add(name)
        return name

    def put(self, name: str, documents: Sequence[Mapping[str, Any]]) -> list[str]:
        """Documents as they were written, at once visible."""
        ids = [f"{next(self._ids)}" for _ in documents]
        pairs = zip(ids, documents, strict=True)
        lines = [f'{{"create":{{"_id":"{given}"}}}}\n{written(document)}\n' for given, document in pairs]
        answer = self.call("POST", f"/{name}/_bulk?refresh=true", "".join(lines))
        if answer["errors"]:
            raise Refused(json.dumps(answer["items"])[:600])
        return ids

    def search(self, name: str, query: Mapping[str, Any], ids: Sequence[str]) -> dict[str, Any]:
        """The documents of `ids` that a query finds, by id."""
        return self.searches(name, [query], ids)[0]

    def searches(self, name: str, queries: Sequence[Mapping[str, Any]], ids: Sequence[str]) -> list[dict[str, Any]]:
        """What each of several queries finds, asked in one request."""
        lines = []
        for query in queries:
            within = {"bool": {"filter": [query, {"ids": {"values": list(ids)}}]}}
            lines += [{"allow_partial_search_results": False}, {"query": within, "size": max(1, len(ids))}]
        answer = self.call("POST", f"/{name}/_msearch", "".join([json.dumps(line) + "\n" for line in lines]))
        for query, each in zip(queries, answer["responses"], strict=True):
            if "error" in each:
                raise Refused(f"{json.dumps(each)[:600]} for {json.dumps(query)[:600]}")
        return [{hit["_id"]: hit["_source"] for hit in each["hits"]["hits"]} for each in answer["responses"]]


@dataclass(frozen=True)
class Judged:
    """Positions of documents: what the predicate finds, what the node finds, what the predicate leaves of that.

    oversize: positions of those that only the predicate can judge.
    """

    predicate: list[int]
    node: list[int]
    verified: list[int]
    oversize: list[int]
    clause: Clause

    def check(self) -> None:
        """The laws that hold for every rule and every event."""
        assert self.verified == self.predicate, f"{self}"
        if self.clause.exact:
            assert set(self.node) - set(self.oversize) == set(self.predicate) - set(self.oversize), f"{self}"


def judged(tree: Node, world: World, node: Server) -> Judged:
    """The node's answer beside the predicate's."""
    return judged_each([tree], world, node)[0]


def judged_each(trees: Sequence[Node], world: World, node: Server) -> list[Judged]:
    """Several conditions over the same documents, which are written once."""
    clauses = [clause(tree, world.fields) for tree in trees]
    read = frozenset[str]().union(*[given.fields for given in clauses])
    name = node.index(world.fields)
    ids = node.put(name, [stored_document(document, read, world.fields) for document in world.documents])
    lane, *found = node.searches(name, [{"exists": {"field": OVERSIZE}}, *[given.query for given in clauses]], ids)
    return [
        compared(given, compiled(tree, world.fields), world, ids, hits, lane)
        for tree, given, hits in zip(trees, clauses, found, strict=True)
    ]


def compared(
    given: Clause, matches: Callable[[Any], bool], world: World, ids: Sequence[str], hits: Found, lane: Found
) -> Judged:
    """What a store would find, who verifies what it has to with the predicate."""
    verified = []
    for row, place in enumerate(ids):
        if place in lane or (place in hits and not given.exact):
            document = world.documents[row] if not world.fields.dataset else {**lane, **hits}[place]
            assert matches(document) == matches(world.documents[row]), "the document came back changed"
            if world.fields.dataset:
                assert matches(kept(document, given.fields)) == matches(document), "the predicate reads other fields"
            found = matches(document)
        else:
            found = place in hits
        verified += [row] if found else []
    rows = {place: row for row, place in enumerate(ids)}
    predicate = [row for row, document in enumerate(world.documents) if matches(document)]
    return Judged(predicate, sorted(rows[i] for i in hits), verified, sorted(rows[i] for i in lane), given)


def stored_document(document: Any, read: frozenset[str], fields: DatasetFields) -> dict[str, Any]:
    if not fields.dataset:
        return projected_leaves(document, read)
    return {**document, **additions(document, fields)}


def kept(document: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """The document with these keys alone."""
    begins = tuple(name[:-1] for name in fields if name.endswith("*"))
    return {name: value for name, value in document.items() if name in fields or name.startswith(begins)}


def written(value: Any) -> str:
    """JSON in which numbers are as they were written."""
    if isinstance(value, Mapping):
        return "{" + ",".join([f"{json.dumps(key)}:{written(below)}" for key, below in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return str(value) if isinstance(value, Written) else json.dumps(value)
