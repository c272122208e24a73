"""A batch of events in columns: every column as its distinct texts and which of them each row has.

What is done to a column is done to its distinct texts (cast, quoted, its constant neighbours folded in), and only then
spread over the rows: 6 ns a row and piece to spread, 9 to join, against 100 for a regular expression.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from siem.parsing.batch import Decoded, Documents, ends_of
from siem.parsing.casts import FEW, without
from siem.schema import BY_NAME, Kind, arrow_type

Positions = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Coded:
    """A text, or none, for each row.

    texts: texts, null for none. at: which of them each row has; None: there is one for each row, or one for all.
    """

    texts: pa.StringArray
    at: Positions | None

    @classmethod
    def constant(cls, text: str | None) -> Coded:
        return cls(pa.array([text], pa.string()), None)

    @classmethod
    def of(cls, texts: pa.StringArray | pa.DictionaryArray) -> Coded:
        """A column of text by its distinct texts."""
        coded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
        return cls(coded.dictionary, coded.indices.to_numpy() if len(coded.dictionary) > 1 else None)

    def cast(self, cast: Callable[[pa.StringArray], pa.StringArray]) -> Coded:
        return Coded(cast(self.texts), self.at)

    def recoded(self) -> Coded:
        """The same with each text once: a cast makes many texts one."""
        if self.at is None and len(self.texts) == 1:
            return self
        coded = self.texts.dictionary_encode(null_encoding="encode")
        at = coded.indices.to_numpy()
        return Coded(coded.dictionary, at if self.at is None else at[self.at])

    def at_each(self, rows: Positions | None) -> Coded:
        """The texts of these rows of mine; None: all of them as they are."""
        if rows is None or (self.at is None and len(self.texts) == 1):
            return self
        return Coded(self.texts, rows if self.at is None else self.at[rows])

    def filtered(self, keep: Mask) -> Coded:
        if self.at is not None:
            return Coded(self.texts, self.at[keep])
        return self if len(self.texts) != len(keep) else Coded(self.texts.filter(pa.array(keep)), None)

    def mask(self, holds: pa.BooleanArray, rows: int) -> Mask:
        """For each row what `holds` says of its text; null is False."""
        flags: Mask = holds.fill_null(False).to_numpy(zero_copy_only=False)
        if self.at is not None:
            return flags[self.at]
        return flags if len(flags) == rows else np.repeat(flags, rows)

    def missing(self, rows: int) -> Mask:
        """The rows without a text."""
        return self.mask(pc.is_null(self.texts), rows)

    def values(self, kind: pa.DataType, rows: int) -> pa.Array:
        """The value of each row; text that repeats as a dictionary (a fifth of the time, and of that to store it)."""
        if len(self.texts) == rows and self.at is None:
            return self.texts.cast(kind)
        at = pa.array(self.places(rows))
        if kind != pa.string():
            return self.texts.cast(kind).take(at)
        coded = self.texts.dictionary_encode()
        if len(coded.dictionary) == len(self.texts):
            return pa.DictionaryArray.from_arrays(at, self.texts, safe=False)  # places that Arrow itself gave
        return pa.DictionaryArray.from_arrays(coded.indices.take(at), coded.dictionary, safe=False)

    def place(self, row: int) -> int:
        """Which of the texts a row has."""
        return int(self.at[row]) if self.at is not None else row % len(self.texts)

    def places(self, rows: int) -> Positions:
        """Which of the texts each row has."""
        if self.at is not None:
            return self.at
        return np.arange(rows, dtype=np.int32) if len(self.texts) == rows else np.zeros(rows, np.int32)


def first_of(columns: Iterable[Coded], rows: int) -> Coded:
    """For each row the text of the first column that has one."""
    chosen, *others = columns
    for other in others:
        if not chosen.texts.null_count or not (missing := chosen.missing(rows)).any():
            break
        theirs = other.places(rows) + np.int32(len(chosen.texts))
        at = np.where(missing, theirs, chosen.places(rows))
        chosen = Coded(pa.concat_arrays([chosen.texts, other.texts]), at)
    return chosen


@dataclass(frozen=True, eq=False)
class Numbered:
    """A text for each row: `prefix` and the row's number."""

    prefix: str
    numbers: npt.NDArray[np.int64]

    @cached_property
    def digits(self) -> pa.StringArray:
        return pa.array(self.numbers).cast(pa.string())

    def values(self, kind: pa.DataType, rows: int) -> pa.Array:
        """The text of each row. Where all numbers are as long, they are laid behind each other by NumPy: 3 ns a row
        instead of 15."""
        if not rows or len(str(self.numbers.min())) != (width := len(str(self.numbers.max()))):
            return pc.binary_join_element_wise(self.prefix, self.digits, "")
        prefix = self.prefix.encode()
        texts = np.empty(rows, [("prefix", f"S{len(prefix)}"), ("digits", f"S{width}")])
        texts["prefix"], texts["digits"] = prefix, np.frombuffer(self.digits.buffers()[2], f"S{width}", rows)
        ends = np.arange(rows + 1, dtype=np.int32) * np.int32(texts.itemsize)
        return pa.StringArray.from_buffers(rows, pa.py_buffer(ends), pa.py_buffer(texts.view(np.uint8)))


Column = Coded | Numbered


class Coding:
    """Codes the columns of one block after another, by what they were in the last.

    Columns of which most texts were distinct are left as they are; of those that had one text it is asked first
    whether they have still (a third of the time).
    """

    def __init__(self) -> None:
        self._plain: set[str] = set()
        self._single: set[str] = set()

    def repeating(self, names: Iterable[str]) -> list[str]:
        """The columns that are coded, and that it pays to read so."""
        return [name for name in names if name not in self._plain and name not in self._single]

    def coded(self, read: pa.Table) -> dict[str, Coded]:
        return {
            name: self._coded(name, chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks())  # a copy
            for name, chunks in zip(read.column_names, read.columns, strict=True)
        }

    def _coded(self, name: str, texts: pa.StringArray | pa.DictionaryArray) -> Coded:
        if name in self._plain and len(texts) > FEW:
            return Coded(texts, None)
        if name in self._single and is_single(texts):
            return Coded(texts[:1], None)
        column = Coded.of(texts)
        if len(column.texts) == 1:
            self._single.add(name)
        if len(column.texts) * 2 > len(texts) > FEW:
            self._plain.add(name)
        return column


def is_single(texts: pa.StringArray) -> bool:
    """All of the texts are the same."""
    return len(texts) > 0 and bool(pc.all(pc.equal(texts, texts[0])).as_py())


def nulled(columns: Mapping[str, Coded], null: str) -> dict[str, Coded]:
    """The columns with null for the text that stands for it."""
    return {name: column.cast(partial(without, text=null)) for name, column in columns.items()}


@dataclass(frozen=True)
class ColumnBatch:
    """Events in columns, in the order of a document's fields. The first column has a text in every row."""

    dataset: str
    rows: int
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return self.rows

    def ndjson(self) -> bytes:
        return b"".join(joined(folded([*self.pieces(), "}\n"], self.rows), self.rows))

    def pieces(self) -> list[Piece]:
        """The documents without their end: `joined` makes lines of them, with what else they shall hold."""
        pieces: list[Piece] = []
        for name, column in self.columns.items():
            pieces += fragments("," if pieces else "{", name, column)
        return pieces

    def lines(self) -> Iterable[bytes]:
        return self.ndjson().splitlines()

    def ends(self) -> tuple[str, str]:
        times = self.columns["@timestamp"].values(pa.string(), self.rows)
        return ends_of(pc.unique(times).to_pylist())

    def documents(self) -> Documents:
        return Decoded(self.ndjson().splitlines())

    def arrow(self) -> pa.Table:
        columns = {}
        for name, column in self.columns.items():
            values = column.values(arrow_type(name), self.rows)
            if values.null_count < self.rows:
                columns[name] = values
        return pa.table(columns)


Piece: TypeAlias = str | Coded | pa.StringArray
"""Part of every document: the same in all, one of several, or of its own."""

JOINED = 2 << 20
"""Bytes, about, that are joined at a time: they stay in the cache, and in memory that the allocator keeps (`LARGE`).
Documents of 2 KB by the thousand: 0.65 of the time of 4,096 at a time."""

COMBINATIONS = 16
"""Two coded pieces become one where that makes at most one text for so many rows."""


def fragments(lead: str, name: str, column: Column) -> list[Piece]:
    """`<lead>"name":value` for each row; nothing where there is none. All of it is JSON."""
    field = BY_NAME.get(name)
    number = field is not None and field.kind in (Kind.LONG, Kind.DOUBLE)
    mark = "" if number else '"'
    return between(f'{lead}"{name}":{mark}', column, mark, plain=number)


def between(opening: str, column: Column, closing: str, plain: bool = False) -> list[Piece]:
    """`<opening>text<closing>` for each row; nothing where there is none. plain: texts need no escapes in JSON."""
    if isinstance(column, Numbered):
        return [f"{opening}{column.prefix}", column.digits, closing]
    if len(column.texts) <= FEW:
        pieces: list[Piece] = [
            "" if text is None else f"{opening}{text if plain else escape(text)}{closing}"
            for text in column.texts.to_pylist()
        ]
        return pieces if len(pieces) == 1 else [Coded(pa.array(pieces, pa.string()), column.at)]
    texts = column.texts if plain else escaped(column.texts)
    if column.at is None and not texts.null_count:
        return [opening, texts, closing]
    texts = pc.binary_join_element_wise(opening, texts, closing, "")
    return [Coded(texts.fill_null(""), column.at)]


def escape(text: str) -> str:
    """Text as it stands in JSON strings; it holds no control characters."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def escaped(texts: pa.StringArray) -> pa.StringArray:
    """`escape` of each text."""
    data = texts.buffers()[2]
    raw = data.to_pybytes() if data else b""
    if b"\\" in raw:
        texts = pc.replace_substring(texts, "\\", "\\\\")
    return pc.replace_substring(texts, '"', '\\"') if b'"' in raw else texts


def folded(pieces: Iterable[Piece], rows: int) -> list[Piece]:
    """The same text in fewer pieces."""
    few: list[Piece] = []
    for piece in pieces:
        both = merged(few[-1], piece, rows) if few else None
        if both is None:
            few.append(piece)
        else:
            few[-1] = both
    return few


def merged(left: Piece, right: Piece, rows: int) -> Piece | None:
    """Two neighbours as one piece; None where that would not pay."""
    match left, right:
        case str(), str():
            return left + right
        case str(), Coded(at=at) if at is not None:
            return Coded(pc.binary_join_element_wise(left, right.texts, ""), right.at)
        case Coded(at=at), str() if at is not None:
            return Coded(pc.binary_join_element_wise(left.texts, right, ""), left.at)
        case Coded(at=at), Coded(at=other) if at is other is not None:
            return Coded(pc.binary_join_element_wise(left.texts, right.texts, ""), left.at)
        case Coded(at=at), Coded(at=other) if at is not None and other is not None:
            few = len(left.texts) * len(right.texts) * COMBINATIONS <= rows
            return product(left, right) if few else None
    return None


def product(left: Coded, right: Coded) -> Coded:
    """Every text of the one with every text of the other; neither is a constant."""
    assert left.at is not None  # noqa: S101  (constants are `str` by now)
    assert right.at is not None  # noqa: S101
    few, many = len(left.texts), len(right.texts)
    firsts = left.texts.take(pa.array(np.repeat(np.arange(few), many)))
    seconds = right.texts.take(pa.array(np.tile(np.arange(many), few)))
    return Coded(pc.binary_join_element_wise(firsts, seconds, ""), left.at * np.int32(many) + right.at)


def joined(pieces: Sequence[Piece], rows: int) -> Iterator[pa.Buffer]:
    """All rows, one behind the other, in buffers of about `JOINED` bytes, each of whole rows.

    The bytes of taken texts lie one behind the other, so that one `take` of every row's pieces in turn writes the
    documents, in half the time of `binary_join_element_wise`.
    """
    texts = [pa.array([piece], pa.string()) if isinstance(piece, str) else texts_of(piece) for piece in pieces]
    every = pa.concat_arrays(texts)
    firsts = np.cumsum([0, *map(len, texts[:-1])], dtype=np.int32)
    step = max(1, JOINED // max(1, sum(text.nbytes // len(text) for text in texts if len(text))))
    columns = [piece.at if isinstance(piece, Coded) else None for piece in pieces]

    def document_bytes(start: int, end: int) -> pa.Buffer:
        places = np.empty((end - start, len(pieces)), np.int32)
        for number, (first, at, own) in enumerate(zip(firsts, columns, texts, strict=True)):
            if at is not None:
                np.add(at[start:end], first, out=places[:, number])
            else:
                places[:, number] = first if len(own) < rows else np.arange(first + start, first + end)
        return every.take(pa.array(places.ravel())).buffers()[2]

    return (document_bytes(start, min(start + step, rows)) for start in range(0, rows, step))


def texts_of(piece: Coded | pa.StringArray) -> pa.StringArray:
    return piece.texts if isinstance(piece, Coded) else piece
