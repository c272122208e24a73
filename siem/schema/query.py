"""What travels from an emitter to a store: a condition in the store's own language, and how far it can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Query:
    """A rule's condition for one dataset.

    dataset: whose events it is for; "" for records of no dataset.
    where: the condition; for DuckDB an SQL expression over the dataset's columns, never null, with `$name` parameters.
    parameters: values of `where`; text from rules travels only here, never inside the SQL.
    columns: the columns that `where` names; a store supplies null for those that a file lacks.
    exact: False: `where` may find too much (never too little), and the predicate has to judge each hit's document.
    """

    dataset: str
    where: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    columns: frozenset[str] = frozenset()
    exact: bool = True
