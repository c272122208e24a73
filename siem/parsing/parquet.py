"""Reads a Parquet file in bounded memory, as columns of text under the names that the text form has."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing.arrow_texts import sizes, texts_of
from siem.parsing.columns import Coded
from siem.parsing.headers import column_name
from siem.parsing.lines import fault, too_long

MAGIC = b"PAR1"
BATCH_ROWS = 16_384
BATCH_BYTES = 32 << 20
"""Text of one batch at most: repeated texts cost a file little."""
BUFFER = 1 << 20
MOST_ROWS = 1 << 40
"""Rows of one row group that are believed."""
FEW_REASONS = 3
ERRORS = (pa.ArrowException, OSError, OverflowError, RecursionError, UnicodeDecodeError)


class Rows:
    """A Parquet file. `names`: its columns, as a header line would name them.

    size: of the object as it was delivered. seconds: columns whose times are wanted as seconds since 1970.

    Raises:
        Damaged: the file has no readable footer.
    """

    def __init__(self, file: BinaryIO, size: int, limits: Limits, seconds: Container[str] = ()) -> None:
        self._most, self._beyond = limits.allowed(size)
        self._left = self._most
        try:
            plain = parquet.ParquetFile(file)
            self._metadata, self._schema = plain.metadata, plain.schema_arrow
            self._file = parquet.ParquetFile(
                file,
                read_dictionary=[leaf.path for leaf in leaves(plain.metadata) if is_text(leaf)],
                pre_buffer=False,
                buffer_size=BUFFER,
                metadata=plain.metadata,
            )
            self.names = tuple(column_name(name) for name in self._schema.names)
        except ERRORS as error:
            raise Damaged(f"not a whole Parquet file: {error}") from error
        self._seconds = [name in seconds for name in self.names]

    def batches(self, most_rows: int) -> Iterator[tuple[int, int, list[Coded]]]:
        """One batch after another: its first row's number in the file, its rows, its columns.

        Raises:
            Damaged: after all that can be read; the rows of a row group behind its first bad page cannot.
        """
        first, total, broken = 0, self._metadata.num_row_groups, list[str]()
        for number in range(total):
            rows = read = 0
            try:
                rows = self._metadata.row_group(number).num_rows
                for count, columns in self._group(number, most_rows):
                    yield first + read, count, columns
                    read += count
                if read != rows:
                    broken.append(f"row group {number + 1} of {total} has {read:,} of {rows:,} rows")
            except Damaged as beyond:
                broken.append(str(beyond))
                break
            except ERRORS as error:
                broken.append(f"row group {number + 1} of {total} breaks: {error}")
            first += max(read, min(rows, MOST_ROWS))
        if broken:
            raise Damaged("; ".join([*broken[:FEW_REASONS], *["and more"] * (len(broken) > FEW_REASONS)]))

    def _group(self, number: int, most_rows: int) -> Iterator[tuple[int, list[Coded]]]:
        """Rows and columns of the batches of one row group.

        Raises:
            Damaged: after the last row that the limits allow.
        """
        group = self._metadata.row_group(number)
        if group.total_byte_size > self._most:
            raise Damaged(self._beyond)
        rows = max(1, min(BATCH_ROWS, most_rows, BATCH_BYTES // self._spread(group)))
        for batch in self._file.iter_batches(rows, row_groups=[number], use_threads=False):
            nested = [sizes(column) for column in batch.columns if pa.types.is_nested(column.type)]
            for part in parts(sum(nested, np.zeros(batch.num_rows, np.int64))):
                if sum(int(size[part].sum()) for size in nested) > self._left:
                    raise Damaged(self._beyond)
                yield from self._allowed(batch.slice(part.start, part.stop - part.start))

    def _allowed(self, batch: pa.RecordBatch) -> Iterator[tuple[int, list[Coded]]]:
        """The batch's rows in parts, as far as the limits allow."""
        columns = [coded(column, wanted) for column, wanted in zip(batch.columns, self._seconds, strict=True)]
        lines = lengths(columns, batch.num_rows) + len(columns)
        allowed = int(np.searchsorted(np.cumsum(lines), self._left, side="right"))
        self._left -= int(lines[:allowed].sum())
        for part in parts(lines[:allowed]):
            yield part.stop - part.start, [sliced(column, part) for column in columns]
        if allowed < len(lines):
            raise Damaged(self._beyond)

    def _spread(self, group: parquet.RowGroupMetaData) -> int:
        """Bytes that one row's values have at most where they cannot be read as a dictionary; at least 1."""
        extended = {field.name for field in self._schema if isinstance(field.type, pa.BaseExtensionType)}
        found = 1
        for number, leaf in enumerate(leaves(self._metadata)):
            if leaf.physical_type == "FIXED_LEN_BYTE_ARRAY":
                found += leaf.length
            elif leaf.path in extended and is_text(leaf):
                found += group.column(number).total_uncompressed_size
        return found


def leaves(metadata: parquet.FileMetaData) -> list[parquet.ColumnSchema]:
    """The columns that are written, those within nested ones too."""
    return [metadata.schema.column(number) for number in range(metadata.num_columns)]


def is_text(leaf: parquet.ColumnSchema) -> bool:
    """Text or bytes, which can be read as a dictionary."""
    return bool(leaf.physical_type == "BYTE_ARRAY" and leaf.logical_type.type != "DECIMAL")


def coded(column: pa.Array, seconds: bool = False) -> Coded:
    """The column's distinct values as text; its bytes may still be no UTF-8. seconds: as in `texts_of`."""
    if isinstance(column.type, pa.BaseExtensionType) or pa.types.is_nested(column.type):
        column = texts_of(column, seconds)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    indices = column.indices.cast(pa.int32())
    distinct = column.dictionary
    if column.null_count:
        indices = indices.fill_null(len(distinct))
        distinct = pa.concat_arrays([distinct, pa.nulls(1, distinct.type)])
    return Coded(texts_of(distinct, seconds), indices.to_numpy())


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


def parts(lengths: npt.NDArray[np.int64]) -> list[slice]:
    """Runs of rows whose texts have `BATCH_BYTES` together; a longer row is a run of its own."""
    if not len(lengths):
        return []
    found, start, size = [], 0, 0
    if lengths.sum() <= BATCH_BYTES:
        return [slice(0, len(lengths))]
    for row, length in enumerate(lengths.tolist()):
        if row > start and size + length > BATCH_BYTES:
            found.append(slice(start, row))
            start, size = row, 0
        size += length
    return [*found, slice(start, len(lengths))]


def sliced(column: Coded, part: slice) -> Coded:
    return Coded(column.texts, None if column.at is None else column.at[part])
