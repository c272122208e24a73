"""Columns by their distinct values: what is asked of many rows is asked of each combination of values once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

SPARSE = 4
"""Numbers of combinations that there could be, per row, up to which counting them all is faster than hashing rows."""


@dataclass(frozen=True)
class Coded:
    """codes: per row the place in `values` of its value; `len(values)` stands for null."""

    codes: np.ndarray
    values: pa.Array

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Coded:
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        whole = column.unify_dictionaries().combine_chunks()
        codes = whole.indices.fill_null(len(whole.dictionary)).to_numpy()
        return cls(codes, whole.dictionary)

    def taken(self, rows: np.ndarray) -> pa.Array:
        """The values of these rows."""
        codes = self.codes[rows]
        return self.values.take(pa.array(codes, pa.int32(), mask=codes == len(self.values)))


@dataclass(frozen=True)
class Combinations:
    """Which of the combinations each row has. examples: a row of each; which: per row the place in `examples`."""

    examples: np.ndarray
    which: np.ndarray

    @classmethod
    def of(cls, columns: Sequence[Coded], rows: np.ndarray) -> Combinations:
        which, count = np.zeros(len(rows), np.int64), 1
        for column in columns:
            which, count = which * (len(column.values) + 1) + column.codes[rows], count * (len(column.values) + 1)
            which, count = _renumbered(which, count)
        examples = np.zeros(count if len(rows) else 0, np.int64)
        examples[which] = rows
        return cls(examples, which)


def _renumbered(numbers: np.ndarray, limit: int) -> tuple[np.ndarray, int]:
    """The numbers (below the limit) without gaps, and how many there are."""
    if limit > SPARSE * len(numbers) + 1024:
        encoded = pa.array(numbers).dictionary_encode()
        return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)
    there = np.bincount(numbers, minlength=limit) > 0
    return (np.cumsum(there) - 1)[numbers], int(there.sum())
