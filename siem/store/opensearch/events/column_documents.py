"""Bulk lines of a batch in columns: action and additions are columns more, joined with the document's in one go.

What repeats is written once, for all rows that have it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siem.parsing.columns import Coded, Column, ColumnBatch, Mask, Numbered, Piece, between, folded, joined
from siem.schema import LEAVES, SEQ
from siem.schema.leaves import LONGEST
from siem.store.opensearch.events.places import DAY, Places


def in_columns(batch: ColumnBatch, places: Places, first: int) -> Iterator[bytes] | None:
    """Action and document of each row, a few MB at a time.

    None where a text may be too long for the index: such rows ask for more care.
    """
    if any(may_be_long(name, column) for name, column in batch.columns.items()):
        return None
    own, rows = f"{batch.dataset}.", len(batch)
    natives = {name.removeprefix(own): column for name, column in batch.columns.items() if name.startswith(own)}
    seq = pa.array(np.arange(first, first + rows)).cast(pa.string())
    pieces = [*action(batch.columns, places), *batch.pieces(), f',"{SEQ}":', seq, *listed(natives, rows), "}\n"]
    return map(pa.Buffer.to_pybytes, joined(folded(pieces, rows), rows))


def may_be_long(name: str, column: Column) -> bool:
    """An item of the column can be longer than the index keeps; bytes are no fewer than UTF-16 units."""
    if isinstance(column, Numbered) or column.texts.nbytes + len(name) < LONGEST:
        return False
    longest: int = pc.max(pc.binary_length(column.texts)).as_py() or 0
    return len(name) + 1 + longest > LONGEST


def action(columns: Mapping[str, Column], places: Places) -> list[Piece]:
    """`{"create":{"_index":"…","_id":"…"}}` and a newline."""
    time, event_id = columns["@timestamp"], columns["event.id"]
    assert isinstance(time, Coded)  # noqa: S101
    index = index_of(time.texts, places)
    heads: list[Piece] = [f'{{"create":{{"_index":"{(index or b"").decode()}']
    if index is None:
        heads.append(spread(time, lambda text: places[text][0].decode()))
    suffix = [spread(time, lambda text: places[text][1])] if places.dated else []
    return [*heads, '","_id":"', *between("", event_id, ""), *suffix, '"}}\n']


def spread(column: Coded, text_of: Callable[[str], str]) -> Piece:
    """What is made of each text, in the rows that have it. No row has null, but there may be one."""
    texts = ["" if text is None else text_of(text) for text in column.texts.to_pylist()]
    return Coded(pa.array(texts, pa.string()), column.at)


def index_of(times: pa.StringArray, places: Places) -> bytes | None:
    """The index of all of these times; None where they are in several."""
    days = pc.unique(pc.utf8_slice_codeunits(times, 0, DAY).drop_null()).to_pylist()
    (index, *others) = {places.of_day(day) for day in days}
    return None if others else index


def listed(natives: Mapping[str, Column], rows: int) -> list[Piece]:
    """`,"siem.leaves":["name=text",…]` for each row that has one."""
    pieces: list[Piece] = []
    begun: Mask = np.zeros(rows, np.bool_)
    every = False
    for name, column in natives.items():
        if not every and begun.any():
            pieces.append(where(",", begun & ~missing(column, rows)))
        pieces += between(f'{"," * every}"{name}=', column, '"')
        if not every:
            begun |= ~missing(column, rows)
            every = bool(begun.all())
    if not begun.any():
        return []
    return [where(f',"{LEAVES}":[', begun), *pieces, where("]", begun)]


def where(text: str, holds: Mask) -> Piece:
    """The text in the rows where that holds."""
    return text if holds.all() else Coded(pa.array(["", text]), holds.astype(np.int32))


def missing(column: Column, rows: int) -> Mask:
    """The rows without a text."""
    return np.zeros(rows, np.bool_) if isinstance(column, Numbered) else column.missing(rows)
