"""Reads a Parquet file in bounded memory, as columns of text under the names that the text form has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from siem.errors import Damaged
from siem.parsing.columns import Coded
from siem.parsing.lines import fault, too_long

MAGIC = b"PAR1"
BATCH_ROWS = 16_384
BATCH_BYTES = 32 << 20
"""Text of one batch at most: repeated texts cost a file little."""
BUFFER = 1 << 20
ERRORS = (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError)


class Rows:
    """A Parquet file. `names`: its columns, `_` written as `-`.

    Raises:
        Damaged: the file has no readable footer.
    """

    def __init__(self, file: BinaryIO, largest: int) -> None:
        try:
            plain = parquet.ParquetFile(file)
            schema = plain.schema_arrow
            self._names = schema.names
            groups = [plain.metadata.row_group(number) for number in range(plain.num_row_groups)]
            if sum(group.total_byte_size for group in groups) > largest:
                raise Damaged(f"decompressed beyond {largest:,} bytes (limits.object_bytes)")
            texts = [field.name for field in schema if _is_text(field.type)]
            self._file = parquet.ParquetFile(
                file, read_dictionary=texts, pre_buffer=False, buffer_size=BUFFER, metadata=plain.metadata
            )
        except ERRORS as error:
            raise Damaged(f"not a whole Parquet file: {error}") from error
        self.names = tuple(name.replace("_", "-") for name in self._names)

    def batches(self, most_rows: int) -> Iterator[tuple[int, list[Coded]]]:
        """Rows and columns of one batch after another.

        Raises:
            Damaged: after the last good batch.
        """
        try:
            for batch in self._file.iter_batches(min(BATCH_ROWS, most_rows), use_threads=False):
                columns = [coded(column) for column in batch.columns]
                for part in parts(columns, batch.num_rows):
                    yield part.stop - part.start, [sliced(column, part) for column in columns]
        except ERRORS as error:
            raise Damaged(f"the Parquet file breaks: {error}") from error


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind))


def coded(column: pa.Array) -> Coded:
    """The column's distinct values as text; its bytes may still be no UTF-8."""
    if pa.types.is_nested(column.type):
        lines = [None if value is None else json.dumps(value, default=str) for value in column.to_pylist()]
        column = pa.array(lines, pa.string())
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    indices = column.indices.cast(pa.int32())
    distinct = column.dictionary
    if column.null_count:
        indices = indices.fill_null(len(distinct))
        distinct = pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
    return Coded(distinct if _is_text(distinct.type) else distinct.cast(pa.string()), indices.to_numpy())


def screened(columns: Sequence[Coded], rows: int, longest: int) -> tuple[list[Coded], dict[int, str]]:
    """The columns as sound text, and what is wrong with the rows that are not, by row."""
    faults: dict[int, str] = {}
    sound = []
    for column in columns:
        reasons = text_faults(column.texts)
        texts = column.texts
        if reasons:
            flags = np.zeros(len(texts), np.bool_)
            flags[list(reasons)] = True
            for row in np.flatnonzero(flags[column.at]):
                faults.setdefault(int(row), reasons[int(column.at[row])])  # type: ignore[index]
            texts = pc.if_else(pa.array(flags), pa.scalar(None, texts.type), texts)
        sound.append(Coded(texts.cast(pa.string()), column.at))
    if rows and (total := lengths(columns, rows)).max() > longest:
        faults |= {int(row): too_long(longest) for row in np.flatnonzero(total > longest)}
    return sound, faults


def text_faults(texts: pa.Array) -> dict[int, str]:
    """What is wrong with each text that is not sound."""
    data = texts.buffers()[2]
    raw = data.to_pybytes() if data else b""
    if raw.isascii() and b"\x7f" not in raw and not np.count_nonzero(np.frombuffer(raw, np.uint8) < ord(" ")):
        return {}
    values = texts.cast(pa.binary()).to_pylist()
    faults = {place: fault(value, len(value)) for place, value in enumerate(values) if value is not None}
    return {place: reason for place, reason in faults.items() if reason}


def line_of(columns: Sequence[Coded], row: int, separator: str, null: str) -> bytes:
    """A row as the text form would have it."""
    values = [column.texts[column.place(row)] for column in columns]
    texts = [value.as_buffer().to_pybytes() if value.is_valid else null.encode() for value in values]
    return separator.encode().join(texts)


def lengths(columns: Sequence[Coded], rows: int) -> npt.NDArray[np.int64]:
    """Bytes of each row's texts."""
    total = np.zeros(rows, np.int64)
    for column in columns:
        of = pc.binary_length(column.texts).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        total += of[column.at]
    return total


def parts(columns: Sequence[Coded], rows: int) -> list[slice]:
    """Runs of rows whose texts have `BATCH_BYTES` together; a longer row is a run of its own."""
    found, start, size = [], 0, 0
    total = lengths(columns, rows)
    if total.sum() <= BATCH_BYTES:
        return [slice(0, rows)]
    for row, length in enumerate(total.tolist()):
        if row > start and size + length > BATCH_BYTES:
            found.append(slice(start, row))
            start, size = row, 0
        size += length
    return [*found, slice(start, rows)]


def sliced(column: Coded, part: slice) -> Coded:
    return Coded(column.texts, None if column.at is None else column.at[part])
