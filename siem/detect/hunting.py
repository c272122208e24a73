"""Rules over records that are at hand: batches of a parser, or lines of any JSON. Nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from siem.detect.sources import Sources
from siem.errors import ContentError, UsageError
from siem.parsing import Batch
from siem.parsing.guards import nesting
from siem.schema import DatasetFields, decoded
from siem.sigma import Dispatch, Rule, compiled, projected, query
from siem.store.embedded.engine import Engine

ENGINES = ("python", "duckdb")


@dataclass(frozen=True)
class Match:
    """An event that a rule matches. timestamp: RFC 3339; None where the record has none."""

    rule: Rule
    event_id: str
    timestamp: str | None


@dataclass(frozen=True)
class Record:
    """A record of no dataset: where it stands (`FILE:LINE`) and what it says."""

    id: str
    document: Any


class Hunt:
    """One engine with its rules made ready, per dataset.

    Raises:
        UsageError: there is no such engine.
    """

    def __init__(self, rules: Sequence[Rule], sources: Sources, engine: str = "python") -> None:
        if engine not in ENGINES:
            raise UsageError(f"engine {engine}: this version has {', '.join(ENGINES)}")
        self._rules, self._sources = rules, sources
        self._judge: Callable[[str], Judge] = self._python if engine == "python" else self._duckdb
        self._judges: dict[str, Judge] = {}

    def batch(self, batch: Batch) -> Iterator[Match]:
        """Matches in a batch, in the order of its events."""
        yield from self._of(batch.dataset).batch(batch)

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        """Matches in records of no dataset, in order."""
        yield from self._of("").records(records)

    def _of(self, dataset: str) -> Judge:
        if dataset not in self._judges:
            self._judges[dataset] = self._judge(dataset)
        return self._judges[dataset]

    def _python(self, dataset: str) -> Judge:
        return PythonJudge(self._sources.rules_for(dataset, self._rules), self._sources.fields_of(dataset))

    def _duckdb(self, dataset: str) -> Judge:
        rules = self._sources.rules_for(dataset, self._rules)
        return DuckdbJudge(rules, self._sources.fields_of(dataset), self._engine)

    @cached_property
    def _engine(self) -> Engine:
        return Engine()


class Judge(Protocol):
    """Rules of one dataset, ready to run."""

    def batch(self, batch: Batch) -> Iterator[Match]: ...

    def records(self, records: Sequence[Record]) -> Iterator[Match]: ...


class PythonJudge:
    """The predicate on every document; rules that need a value are asked only where it is."""

    def __init__(self, rules: Iterable[Rule], fields: DatasetFields) -> None:
        self._dispatch = Dispatch(rules, fields)

    def batch(self, batch: Batch) -> Iterator[Match]:
        for document in documents(batch):
            for rule in self._dispatch.matching(document):
                yield match(rule, document)

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        for record in records:
            for rule in self._dispatch.matching(record.document):
                yield Match(rule, record.id, time_of(record.document))


class DuckdbJudge:
    """SQL over the columns; what it finds too much of is judged by the predicate on the document."""

    def __init__(self, rules: Sequence[Rule], fields: DatasetFields, engine: Engine) -> None:
        self._engine = engine
        self._queries = [(rule, query(rule.tree, fields), compiled(rule.tree, fields)) for rule in rules]

    def batch(self, batch: Batch) -> Iterator[Match]:
        held = documents(batch)
        yield from (match(rule, held[row]) for row, rule in self._found(batch.arrow(), held))

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        names = sorted(frozenset().union(*[asked.columns for _, asked, _ in self._queries]))
        held = [record.document for record in records]
        values = [projected(document, names) for document in held]
        columns = {name: pa.array([value[name] for value in values], pa.list_(pa.string())) for name in names}
        table = pa.table({"|line": pa.array(range(len(held))), **columns})
        for row, rule in self._found(table, held):
            yield Match(rule, records[row].id, time_of(held[row]))

    def _found(self, table: pa.Table, held: Sequence[Any]) -> list[tuple[int, Rule]]:
        """Rows and the rules that match them, row by row."""
        found: list[tuple[int, int]] = []
        for place, (_, asked, judge) in enumerate(self._queries):
            rows = self._engine.matches(table, asked)
            found += [(row, place) for row in rows if asked.exact or judge(held[row])]
        return [(row, self._queries[place][0]) for row, place in sorted(found)]


def documents(batch: Batch) -> list[dict[str, Any]]:
    """The batch's documents as rules read them."""
    return [decoded(line) for line in batch.ndjson().splitlines()]


def match(rule: Rule, document: dict[str, Any]) -> Match:
    return Match(rule, document["event.id"], document["@timestamp"])


def time_of(document: Any) -> str | None:
    """`@timestamp` of a record of no dataset."""
    time = document.get("@timestamp") if isinstance(document, dict) else None
    return time if isinstance(time, str) else None


def any_json(file: str, number: int, line: bytes, depth: int) -> Record:
    """A line of any JSON.

    Raises:
        ContentError: the line is none, or nested deeper than rules can follow.
    """
    try:
        if line.count(b"{") + line.count(b"[") > depth and nesting(line) > depth:
            raise ContentError(f"nested deeper than {depth} levels (limits.depth)", file, number)
        return Record(f"{file}:{number}", decoded(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContentError(f"no JSON: {error}", file, number) from error
