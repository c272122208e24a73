"""Leases and passes, as documents of `siem-state` that are read by their ids.

Passes have numbers that count on (`passes` has the last), and a document for each of the last `MOST_PASSES`: a new one
takes the place of the oldest, so nothing has to be searched for or removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation, conflicts
from siem.store.opensearch.cluster.scanning import document, documents
from siem.store.opensearch.names import Names, States
from siem.store.scheduling import MOST_PASSES, Lease, Pass
from siem.store.times import from_micros, micros

COUNT = "passes"


class Schedules:
    """Of one store."""

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection, self._state = connection, names.state(States.STATE)

    def lease(self, name: str) -> Lease | None:
        return _lease(self._read(_lease_id(name)))

    def take(self, name: str, holder: str, seen: Lease | None) -> Lease | None:
        there = self._read(_lease_id(name))
        if _lease(there) != seen:
            return None
        taken = Lease(name, holder, seen.version + 1 if seen else 1)
        return taken if self._written(_lease_id(name), {"kind": "lease", **asdict(taken)}, there) else None

    def record(self, done: Pass) -> None:
        while True:
            there = self._read(COUNT)
            number = _last(there) + 1
            if self._written(COUNT, {"kind": COUNT, "last": number, "by": done.holder}, there):
                break
        conflicts(self._connection, [Operation(self._state, _pass_id(number), _document(number, done))])

    def passes(self, most: int) -> list[Pass]:
        last = _last(self._read(COUNT))
        numbers = range(last, max(last - min(most, MOST_PASSES), 0), -1)
        found = documents(self._connection, self._state, [_pass_id(number) for number in numbers])
        there = [(number, one["_source"]) for number, one in zip(numbers, found, strict=True) if one]
        return [_pass(source) for number, source in there if source["number"] == number]  # else its writer was killed

    def _read(self, id_: str) -> Mapping[str, Any] | None:
        return document(self._connection.ask("GET", f"/{self._state}/_doc/{id_}", also=(404,)))

    def _written(self, id_: str, body: Mapping[str, Any], there: Mapping[str, Any] | None) -> bool:
        """False: the document is not any more what was read."""
        version = (there["_seq_no"], there["_primary_term"]) if there else None
        return not conflicts(self._connection, [Operation(self._state, id_, body, version, absent=version is None)])


def _lease_id(name: str) -> str:
    return f"lease-{name}"


def _pass_id(number: int) -> str:
    return f"pass-{number % MOST_PASSES}"


def _lease(found: Mapping[str, Any] | None) -> Lease | None:
    source = found and found["_source"]
    return Lease(source["name"], source["holder"], source["version"]) if source else None


def _last(found: Mapping[str, Any] | None) -> int:
    return int(found["_source"]["last"]) if found else 0


def _document(number: int, done: Pass) -> dict[str, Any]:
    """Errors in pairs: a rule's key may be no name that a node takes."""
    changed = {"started": micros(done.started), "errors": list(done.errors.items())}
    return {"kind": "pass", "number": number, **asdict(done), **changed}


def _pass(source: Mapping[str, Any]) -> Pass:
    kept = {name: value for name, value in source.items() if name not in ("kind", "number")}
    seconds = float(source["seconds"])  # numbers that are not whole come as they were written
    return Pass(
        **kept | {"started": from_micros(source["started"]), "seconds": seconds, "errors": dict(source["errors"])}
    )
