"""Executes a declared table over the columns of a block: fields, what no field holds, times, skipped rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from siem.parsing.batch import Parsed, Reject, text_of
from siem.parsing.casts import FEW, NULL, Cast
from siem.parsing.columns import Coded, Column, ColumnBatch, Mask, Numbered, first_of
from siem.parsing.headers import Plan
from siem.schema import ORDER, Origin

Ordinals = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Skip:
    """Lines whose `column` has one of `values`."""

    column: str
    values: tuple[str, ...]


def holds(column: str, *values: str) -> Skip:
    return Skip(column, values)


@dataclass(frozen=True)
class Block:
    """Rows under one header. line: the row as it was written."""

    columns: dict[str, Coded]
    ordinals: Ordinals
    line: Callable[[int], bytes]

    def filtered(self, keep: Mask) -> Block:
        rows = np.flatnonzero(keep)
        columns = {name: column.filtered(keep) for name, column in self.columns.items()}
        return Block(columns, self.ordinals[keep], lambda row: self.line(int(rows[row])))


class Declared(Protocol):
    """What a parser declares beside its tables. See `Delimited` for the attributes."""

    @property
    def dataset(self) -> str: ...
    @property
    def constants(self) -> Mapping[str, str]: ...
    @property
    def skip(self) -> Skip | None: ...
    @property
    def time_in_key(self) -> re.Pattern[str] | None: ...


class Execution:
    """The table of a parser, for one object.

    constants: fields that are the same in all events of this object.
    """

    def __init__(self, parser: Declared, origin: Origin, constants: Mapping[str, str] = MappingProxyType({})) -> None:
        self._parser, self._origin, self._own = parser, origin, constants

    def events(self, plan: Plan, block: Block, rejects: Sequence[Reject] = ()) -> Parsed:
        """The events of a block; rows without a time become rejects."""
        block, skipped = self._unskipped(block)
        values = Values(plan, block.columns, len(block.ordinals))
        time = values.first("@timestamp", *self._key_time)
        missing = time.missing(len(block.ordinals))
        if missing.any():
            untimed = [
                Reject.of(int(block.ordinals[row]), "no time", block.line(row))
                for row in np.flatnonzero(missing).tolist()
            ]
            block, time, rejects = block.filtered(~missing), time.filtered(~missing), [*rejects, *untimed]
            values = Values(plan, block.columns, len(block.ordinals))
        columns: dict[str, Column] = {"@timestamp": time, "event.id": Numbered(self._prefix, block.ordinals)}
        columns |= self._constants | values.fields()
        documents = {name: columns[name] for name in sorted(columns, key=ORDER.__getitem__)}
        documents |= values.natives(self._parser.dataset)
        batch = ColumnBatch(self._parser.dataset, len(block.ordinals), documents) if len(block.ordinals) else None
        return Parsed(self._parser.dataset, batch, rejects, skipped)

    def _unskipped(self, block: Block) -> tuple[Block, int]:
        skip = self._parser.skip
        if skip is None or skip.column not in block.columns:
            return block, 0
        column = block.columns[skip.column]
        skipped = column.mask(pc.is_in(column.texts, pa.array(skip.values)), len(block.ordinals))
        count = int(np.count_nonzero(skipped))
        return (block.filtered(~skipped) if count else block), count

    @cached_property
    def _prefix(self) -> str:
        return self._origin.event_id(0).removesuffix("0")

    @cached_property
    def _key_time(self) -> tuple[Coded, ...]:
        """The time in the key, for events without."""
        found = self._parser.time_in_key.search(self._origin.key) if self._parser.time_in_key else None
        try:
            time = datetime.strptime(found[1], "%Y%m%dT%H%M").replace(tzinfo=UTC) if found else None
        except ValueError:
            time = None
        return (Coded.constant(text_of(time) if time else None),)

    @cached_property
    def _constants(self) -> dict[str, Column]:
        every = {
            "event.dataset": self._parser.dataset,
            "event.ingested": text_of(self._origin.ingested),
            "siem.object": self._origin.object,
        }
        return {name: Coded.constant(text) for name, text in (every | {**self._parser.constants, **self._own}).items()}


class Values:
    """The casts of a block's columns, each done once."""

    def __init__(self, plan: Plan, columns: Mapping[str, Coded], rows: int) -> None:
        self._plan, self._columns, self._rows = plan, columns, rows
        self._done: dict[tuple[str, int], Coded] = {}

    def _cast(self, column: str, cast: Cast) -> Coded:
        key = column, id(cast)
        if key not in self._done:
            source = self._columns[column] if column in self._columns else self.first(column)
            result = source.cast(cast.texts)
            distinct = source.at is None  # most of its texts, and then of what they become
            few = len(result.texts) <= FEW
            self._done[key] = result if cast.exact or cast.normal or distinct or few else result.recoded()
        return self._done[key]

    def first(self, field: str, *others: Coded) -> Coded:
        """For each row the field's value, or else what `others` have."""
        sources, cast = next(((names, cast) for name, names, cast in self._plan.fields if name == field), ((), None))
        mine = [self._cast(source, cast) for source in sources] if cast else []
        return first_of([*mine, *others], self._rows)

    def fields(self) -> dict[str, Column]:
        """Every field but the time that has a value."""
        found = {field: self.first(field) for field, _, _ in self._plan.fields if field != "@timestamp"}
        return {field: column for field, column in found.items() if column.texts.null_count < len(column.texts)}

    def natives(self, dataset: str) -> dict[str, Column]:
        """What no field holds as it stands, by native name."""
        found: dict[str, Column] = {}
        for name in self._plan.names:
            column = self._columns[name]
            for cast in self._plan.holders[name]:
                held = self._cast(name, cast).texts
                if cast.exact:
                    column = Coded(unheld(column.texts, held), column.at)
                else:
                    column = Coded(
                        pc.if_else(pc.equal(column.texts, held).fill_null(False), NULL, column.texts), column.at
                    ).recoded()
            if column.texts.null_count < len(column.texts):
                found[f"{dataset}.{name}"] = column
        return found


def unheld(texts: pa.StringArray, held: pa.StringArray) -> pa.StringArray:
    """The texts of which none is held."""
    return pc.if_else(pc.is_null(held), texts, NULL) if held.null_count else pa.nulls(len(texts), texts.type)
