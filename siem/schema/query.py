"""What travels from an emitter to a store: a condition in the store's own language, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class Dialect(StrEnum):
    """What a store is asked in: `Query` or `Clause`."""

    DUCKDB = "duckdb"
    OPENSEARCH = "opensearch"


@dataclass(frozen=True)
class Gate:
    """A weaker condition that a store may look at first: it holds wherever the query's does.

    where, parameters, columns: as in `Query`, over columns of short values alone.
    """

    where: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Query:
    """A rule's condition for one dataset.

    dataset: whose events it is for; "" for records of no dataset.
    where: the condition; for DuckDB an SQL expression over the dataset's columns, never null, with `$name` parameters.
    parameters: values of `where`; text from rules travels only here, never inside the SQL.
    columns: the columns that `where` names; a store supplies null for those that a file lacks.
    exact: False: `where` may find too much (never too little), and the predicate has to judge each hit's document.
    gate: where `where` looks into JSON text; None: it looks at columns of short values alone.
    required: column of text -> folded texts, one of which an event has there wherever the condition holds.
    apart: column of short values -> a weaker condition over that column alone.
    reads: the columns that the predicate looks into, JSON texts by their column's name; None: all of the document.
    """

    dataset: str
    where: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()
    exact: bool = True
    gate: Gate | None = None
    required: Mapping[str, frozenset[str]] = field(default_factory=dict)
    apart: Mapping[str, Gate] = field(default_factory=dict)
    reads: frozenset[str] | None = None

    @property
    def first(self) -> Gate:
        """What can be told from columns of short values."""
        return self.gate or Gate(self.where, self.parameters, self.columns)


@dataclass(frozen=True)
class Clause:
    """A rule's condition for one dataset in OpenSearch's query DSL, over an index as `mapping.index` describes it.

    It speaks of documents without `siem.oversize`; those that have it are left to the predicate.

    dataset: whose events it is for; "" for records of no dataset.
    query: for filter context; it names no inner clauses, and text from rules stands in it as JSON values only.
    fields: keys of the document that the predicate reads, one that ends in `*` all that begin so; of records of no
    dataset the columns that `record.projected` has to supply. A node that filters `_source` rewrites the numbers of
    records (1.50 becomes 1.5, 2e1 becomes 20.0): where a record is among the fields, take the whole `_source`.
    exact: False: it may find too much (never too little), and the predicate has to judge each hit's document.
    size: clauses that it counts against the node's limit for a search (1,024, over all rules of the search).
    """

    dataset: str
    query: Mapping[str, Any]
    fields: frozenset[str] = frozenset()
    exact: bool = True
    size: int = 1


Question: TypeAlias = Query | Clause
"""A condition in the dialect of some store."""
