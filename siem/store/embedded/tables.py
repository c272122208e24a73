"""Events as tables on their way to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siem.schema import CODED, arrow_type, suits

REPEATS = 4
"""How often a text has to come on average to be worth a dictionary."""


def micros_of(table: pa.Table) -> np.ndarray:
    """Event times in microseconds since 1970."""
    times: np.ndarray = table["@timestamp"].cast(pa.int64()).to_numpy()
    return times


def in_order(table: pa.Table) -> pa.Table:
    """The rows in order of time, equal times as they came."""
    times = micros_of(table)
    if np.all(times[1:] >= times[:-1]):
        return table
    return table.take(np.argsort(times, kind="stable"))


def tidy(events: pa.Table, object_: str) -> pa.Table:
    """The table with the schema's types, whatever a parser made of them, and the object as the ledger knows it."""
    for at, name in enumerate(events.column_names):
        if not suits(name, events.schema.field(at).type):
            events = events.set_column(at, name, events[name].cast(arrow_type(name)))
    owner = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), len(events)), pa.array([object_]))
    if "siem.object" not in events.column_names:
        return events.append_column("siem.object", owner)
    return events.set_column(events.column_names.index("siem.object"), "siem.object", owner)


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all columns. Text is coded in all tables or in none, as its values repeat: a row group is written
    with all of a dictionary, however few of its rows need it."""
    kinds = {field.name: arrow_type(field.name) for table in tables for field in table.schema}
    for name in {field.name for table in tables for field in table.schema if field.type == CODED}:
        columns = [table[name] for table in tables if name in table.column_names]
        if REPEATS * sum(map(distinct, columns)) <= sum(map(len, columns)):
            kinds[name] = CODED
    return pa.concat_tables([_of(table, kinds) for table in tables], promote_options="default").unify_dictionaries()


def ends(events: pa.Table | None) -> tuple[datetime | None, datetime | None]:
    """Earliest and latest time."""
    if events is None:
        return None, None
    found = pc.min_max(events["@timestamp"]).as_py()
    return found["min"], found["max"]


def distinct(column: pa.ChunkedArray) -> int:
    """At most so many values."""
    return sum([len(chunk.dictionary) if column.type == CODED else len(chunk) for chunk in column.chunks])


def _of(table: pa.Table, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """The table with columns of these types."""
    for at, field in enumerate(table.schema):
        if field.type != (kind := kinds[field.name]):
            column = table[field.name]
            table = table.set_column(at, field.name, column.dictionary_encode() if kind == CODED else column.cast(kind))
    return table
