"""Rules over records that are at hand: batches of a parser, or lines of any JSON. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pyarrow as pa

from siem.detect.correlated import Correlated, Episode, Seen
from siem.detect.correlating import Correlator
from siem.detect.new_terms import Firsts, terms_of
from siem.detect.sources import Sources
from siem.errors import ContentError, UsageError
from siem.parsing import Batch, Documents
from siem.parsing.guards import is_deeper
from siem.schema import BY_NAME, DatasetFields, additions, decoded
from siem.sigma import (
    Dispatch,
    NewTerms,
    Reader,
    Rule,
    RuleSet,
    clause,
    compiled,
    fields_read,
    projected,
    projected_leaves,
    query,
    time_of,
)
from siem.store.embedded.engine import Engine

if TYPE_CHECKING:  # who hunts without a cluster does not load its client, which takes 0.1 s
    from siem.store.opensearch.search.engine import Engine as Node

ENGINES = ("python", "duckdb")
"""Those that need nothing but this process."""

NODE = "opensearch"
"""The one that needs a cluster."""


@dataclass(frozen=True)
class Match:
    """An event that a rule matches. timestamp: RFC 3339; None where the record has none.

    values: of the fields that correlations ask for, as the record has them.
    """

    rule: Rule
    event_id: str
    timestamp: str | None
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)


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

    def __init__(
        self,
        rules: RuleSet,
        sources: Sources,
        engine: str = "python",
        database: Engine | None = None,
        node: Node | None = None,
    ) -> None:
        """database: for `duckdb`, where several hunts share one; to open one takes 25 ms. node: for `opensearch`."""
        if engine not in ENGINES and (engine, node is None) != (NODE, False):
            raise UsageError(f"engine {engine}: this version has {', '.join((*ENGINES, NODE))}")
        self._rules, self._sources = rules, sources
        self._correlated = Correlated(rules.correlations, rules.silent)
        self._database = database or Engine() if engine == "duckdb" else None
        self._node = node if engine == NODE else None
        self._judges: dict[str, Judge] = {}

    def batch(self, batch: Batch) -> Iterator[Match]:
        """Matches in a batch, in the order of its events."""
        yield from self._of(batch.dataset).batch(batch)

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        """Matches in records of no dataset, in order."""
        yield from self._of("").records(records)

    def concluded(self, matches: Iterable[Match]) -> Iterator[Match | Finding]:
        """The matches of rules that alert by themselves, then what correlations make of all matches."""
        yield from concluded(matches, self._rules, self._correlated)

    def _of(self, dataset: str) -> Judge:
        if dataset not in self._judges:
            rules = self._sources.rules_for(dataset, self._rules.rules)
            fields = self._sources.fields_of(dataset)
            self._judges[dataset] = self._judge(rules, fields, Matches(self._correlated, fields))
        return self._judges[dataset]

    def _judge(self, rules: Sequence[Rule], fields: DatasetFields, match: Matches) -> Judge:
        if self._node is not None:
            return NodeJudge(rules, fields, match, self._node)
        if self._database is not None:
            return DuckdbJudge(rules, fields, match, self._database)
        return PythonJudge(rules, fields, match)


@dataclass(frozen=True)
class Finding:
    """What a correlation found; of a rule of new terms only what it left out.

    left_out: events that had no value to be grouped or counted by. untimed: no time.
    """

    episodes: Sequence[Episode]
    left_out: int
    key: str
    untimed: int = 0


def concluded(matches: Iterable[Match], rules: RuleSet, correlated: Correlated) -> Iterator[Match | Finding]:
    """See `Hunt.concluded`. A match without a time is left out of correlations and new terms, and counted."""
    new: dict[str, NewOnes] = {rule.key: NewOnes(rule.new_terms) for rule in rules.rules if rule.new_terms}
    seen: list[Seen] = []
    untimed: Counter[str] = Counter()
    silent = rules.silent
    for match in matches:
        if (mine := new.get(match.rule.key)) is not None:
            mine.add(match)
            continue
        if match.rule.key not in silent:
            yield match
        if (key := match.rule.key) not in correlated.rules:
            continue
        if time := time_of(match.timestamp or ""):
            seen.append(Seen(key, match.event_id, time, match.values))
        else:
            untimed[key] += 1
    for key, ones in new.items():
        yield from ones.matches()
        yield Finding((), ones.left_out, key, ones.untimed)
    if not correlated.alerting:
        return
    correlator = Correlator()
    for one in correlated.alerting:
        outcome = correlated.outcome(one, seen, correlator)
        without = sum(untimed[key] for key in correlated.rules_of(one))
        yield Finding(outcome.episodes, outcome.left_out, one.key, without)


class NewOnes:
    """The matches of a rule of new terms. left_out: those that had no value to be grouped by. untimed: no time."""

    def __init__(self, terms: NewTerms) -> None:
        self._terms, self._firsts = terms, Firsts[Match]()
        self.left_out = self.untimed = 0

    def add(self, match: Match) -> None:
        if (time := time_of(match.timestamp or "")) is None:
            self.untimed += 1
            return
        for term in terms_of(self._terms, match.values):
            self._firsts.add(term[: len(self._terms.by)], term, time, match.event_id, match)
        looked_at = all(match.values.get(name) for name in self._terms.fields)
        self.left_out += looked_at and not all(match.values.get(name) for name in self._terms.by)

    def matches(self) -> list[Match]:
        """Those that have what is new, each once, in order of time."""
        return list({id(match): match for match in self._firsts.new(self._terms.learning)}.values())


class Matches:
    """Makes matches in documents of one dataset, with the values that correlations and new terms ask for."""

    def __init__(self, correlated: Correlated, fields: DatasetFields) -> None:
        self._correlated, self._reader = correlated, Reader(fields)

    def columns(self, rules: Iterable[Rule]) -> frozenset[str]:
        """The columns of a document that matches of these rules are made of."""
        wanted = {name for rule in rules for name in self._wanted(rule)}
        return fields_read(wanted, self._reader.fields) | {"event.id", "@timestamp"}

    def __call__(self, rule: Rule, document: Any, event_id: str | None = None) -> Match:
        """event_id: of a record of no dataset."""
        values = {name: self._reader.texts(name, document) for name in self._wanted(rule)}
        if event_id is None:
            return Match(rule, document["event.id"], document["@timestamp"], values)
        return Match(rule, event_id, written_time(document), values)

    def _wanted(self, rule: Rule) -> frozenset[str]:
        return self._correlated.wanted(rule.key).union(rule.new_terms.names if rule.new_terms else ())


class Judge(Protocol):
    """Rules of one dataset, ready to run."""

    def batch(self, batch: Batch) -> Iterator[Match]: ...

    def records(self, records: Sequence[Record]) -> Iterator[Match]: ...


class PythonJudge:
    """The predicate on every document; rules that need a value are asked only where it is."""

    def __init__(self, rules: Sequence[Rule], fields: DatasetFields, match: Matches) -> None:
        self._dispatch, self._match = Dispatch(rules, fields), match

    def batch(self, batch: Batch) -> Iterator[Match]:
        documents = batch.documents()
        for row, rule in self._dispatch.matches(documents):
            yield self._match(rule, documents[row])

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        for record in records:
            for rule in self._dispatch.matching(record.document):
                yield self._match(rule, record.document, record.id)


class DuckdbJudge:
    """SQL over the columns; what it finds too much of is judged by the predicate on the document."""

    def __init__(self, rules: Sequence[Rule], fields: DatasetFields, match: Matches, engine: Engine) -> None:
        self._engine, self._match = engine, match
        self._queries = [(rule, query(rule.tree, fields), compiled(rule.tree, fields)) for rule in rules]

    def batch(self, batch: Batch) -> Iterator[Match]:
        held = batch.documents()
        yield from (self._match(rule, held[row]) for row, rule in self._found(batch.arrow(), held))

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        names = sorted(frozenset().union(*[asked.columns for _, asked, _ in self._queries]))
        held = [record.document for record in records]
        values = [projected(document, names) for document in held]
        columns = {name: pa.array([value[name] for value in values], pa.list_(pa.string())) for name in names}
        table = pa.table({"|line": pa.array(range(len(held))), **columns})
        for row, rule in self._found(table, held):
            yield self._match(rule, held[row], records[row].id)

    def _found(self, table: pa.Table, held: Documents | Sequence[Any]) -> list[tuple[int, Rule]]:
        """Rows and the rules that match them, row by row."""
        found: list[tuple[int, int]] = []
        for place, (_, asked, judge) in enumerate(self._queries):
            try:
                rows, exact = self._engine.matches(table, asked), asked.exact
            except ContentError:  # what the engine refuses at run time costs speed, and no other rule its answer
                rows, exact = list(range(len(held))), False
            found += [(row, place) for row in rows if exact or judge(held[row])]
        return [(row, self._queries[place][0]) for row, place in sorted(found)]


class NodeJudge:
    """Clauses on a node, which is sent what its index would have of each document; the predicate judges where a clause
    finds too much, or an index would leave something out."""

    def __init__(self, rules: Sequence[Rule], fields: DatasetFields, match: Matches, node: Node) -> None:
        self._fields, self._match, self._node = fields, match, node
        self._queries = [(rule, clause(rule.tree, fields), compiled(rule.tree, fields)) for rule in rules]

    def batch(self, batch: Batch) -> Iterator[Match]:
        held = batch.documents()
        asked = (self._indexed(held[row]) for row in range(len(held)))
        yield from (self._match(rule, held[row]) for row, rule in self._found(asked, held))

    def records(self, records: Sequence[Record]) -> Iterator[Match]:
        held = [record.document for record in records]
        names = sorted(frozenset().union(*[asked.fields for _, asked, _ in self._queries]))
        asked = (projected_leaves(document, names) for document in held)
        for row, rule in self._found(asked, held):
            yield self._match(rule, held[row], records[row].id)

    def _indexed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What an index knows of a document."""
        known = {name: value for name, value in document.items() if name in BY_NAME}
        return {**known, **additions(document, self._fields)}

    def _found(self, asked: Iterable[Mapping[str, Any]], held: Documents | Sequence[Any]) -> Iterator[tuple[int, Rule]]:
        """Rows and the rules that match them, row by row."""
        answer = self._node.matches(self._fields, asked, [one for _, one, _ in self._queries])
        found: list[tuple[int, int]] = []
        for place, ((_, one, judge), rows) in enumerate(zip(self._queries, answer.rows, strict=True)):
            if rows is None:  # what the node refuses costs speed, and no other rule its answer
                found += [(row, place) for row in range(len(held)) if judge(held[row])]
                continue
            sure = one.exact
            found += [(row, place) for row in rows if row not in answer.unknown and (sure or judge(held[row]))]
            found += [(row, place) for row in answer.unknown if judge(held[row])]
        return ((row, self._queries[place][0]) for row, place in sorted(found))


def written_time(document: Any) -> str | None:
    """`@timestamp` of a record of no dataset."""
    time = document.get("@timestamp") if isinstance(document, dict) else None
    return time if isinstance(time, str) else None


def any_json(file: str, number: int, line: bytes, depth: int) -> Record:
    """A line of any JSON.

    Raises:
        ContentError: the line is none, or nested deeper than rules can follow.
    """
    try:
        if is_deeper(line, depth):
            raise ContentError(f"nested deeper than {depth} levels (limits.depth)", file, number)
        return Record(f"{file}:{number}", decoded(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContentError(f"no JSON: {error}", file, number) from error
