"""One object of delimited lines on its way: from blocks to columns to events, with the ordinal carried along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing.batch import Parsed, Reject
from siem.parsing.columns import Coded, Coding, nulled
from siem.parsing.execution import Block, Execution, Ordinals
from siem.parsing.headers import NAME, Plan, Unusable, names_in, plan_of
from siem.parsing.lines import (
    BOM,
    Cut,
    Frame,
    Oversized,
    fault,
    framed,
    gathered,
    is_clean,
    windows,
    with_newlines,
)
from siem.parsing.parquet import MAGIC, Rows, line_of, screened
from siem.parsing.parser import Content
from siem.schema import CODED, Origin

if TYPE_CHECKING:
    from siem.parsing.delimited import Delimited

MOST_HEADERS = 100
"""Headers of one object that are used; each costs a block of its own."""
MOST_REJECTS = 10_000
"""Rejects that are held at a time."""

WINDOW = 4 << 20
"""Bytes of lines that are read at a time (1 MiB: 1.3 × the time): the longer, the more often its texts repeat."""

NO_HEADER = "no header line"


@dataclass(frozen=True)
class Sound:
    """Lines of one header that can be read as a block."""

    plan: Plan
    lines: list[bytes]
    ordinals: list[int]


class Reading:
    """One object: its header, and how many records it had so far."""

    def __init__(self, parser: Delimited, origin: Origin, limits: Limits) -> None:
        self._parser, self._limits = parser, limits
        self._execution = Execution(parser, origin)
        self._ordinal = 0
        self._plan: Plan | None = None
        self._unusable: str | None = None
        self._headers = 0
        self._coding = Coding()

    def parsed(self, content: Content) -> Iterator[Parsed]:
        """The object's blocks; its first bytes say whether it is Parquet."""
        blocks = content.blocks()
        try:
            beginning = next(blocks, b"")
            if beginning.startswith(MAGIC):
                yield from self._parquet(content)
                return
            for frame in framed(gathered(chain([beginning], blocks), WINDOW), self._limits.record_bytes):
                yield from self._frame(frame)
        except Damaged as damage:
            yield self._parsed(damaged=str(damage))

    def _parquet(self, content: Content) -> Iterator[Parsed]:
        with content.file() as file:
            rows = Rows(file, content.size, self._limits, self._parser.times)
            self._use(rows.names)
            for first, count, columns in rows.batches(self._most_rows):
                yield self._batch(np.arange(first, first + count), columns, rows.names)

    def _parsed(self, rejects: Sequence[Reject] = (), damaged: str | None = None) -> Parsed:
        return Parsed(self._parser.dataset, None, rejects, damaged=damaged)

    def _numbers(self, count: int) -> Ordinals:
        """The next ordinals."""
        self._ordinal += count
        return np.arange(self._ordinal - count, self._ordinal)

    def _next(self) -> int:
        self._ordinal += 1
        return self._ordinal - 1

    def _frame(self, frame: Frame) -> Iterator[Parsed]:
        match frame:
            case bytes():
                for window in windows(self._opened(with_newlines(frame)), WINDOW):
                    yield from self._lines(window)
            case Oversized() | Cut():
                if isinstance(frame, Oversized) and self._plan is None:
                    self._unusable = self._unusable or NO_HEADER
                yield self._parsed([frame.reject(self._next(), self._limits.record_bytes)])

    def _lines(self, block: bytes) -> Iterator[Parsed]:
        read = self._read(block) if block else None
        if read is None:
            yield from self._careful(block)
        elif read.num_rows > self._most_rows:
            for half in windows(block, len(block) // 2):
                yield from self._lines(half)
        else:
            yield from self._table(block, read)

    def _read(self, block: bytes) -> pa.Table | None:
        """The columns of a block of lines; None: there is something unusual about one of them."""
        if self._plan is None or not is_clean(block, self._limits.record_bytes):
            return None
        try:
            return table(block, self._plan.names, self._separator, coded=self._coding.repeating(self._plan.names))
        except pa.ArrowInvalid:
            return None

    @property
    def _most_rows(self) -> int:
        return self._plan.most_rows if self._plan else MOST_REJECTS

    def _table(self, block: bytes, read: pa.Table) -> Iterator[Parsed]:
        columns = self._coding.coded(read)
        if self._plan is None or self._is_suspicious(self._plan, columns):
            yield from self._careful(block)
        else:
            yield self._execution.events(self._plan, self._block(columns, self._numbers(read.num_rows)))

    def _opened(self, block: bytes) -> bytes:
        """What follows the header line where it has still to come; else all of it."""
        if self._plan is not None or self._unusable is not None:
            return block
        block = block.removeprefix(BOM).lstrip(b" \n")
        head, _, rest = block.partition(b"\n")
        if not head:
            return b""
        names = names_in(head, self._separator)
        if names is None:
            self._unusable = NO_HEADER
            return block
        self._use(names)
        return rest

    def _use(self, names: tuple[str, ...]) -> None:
        self._headers += 1
        try:
            if self._headers > MOST_HEADERS:
                raise Unusable(f"the object has more than {MOST_HEADERS} headers")
            self._plan, self._unusable = plan_of(names, self._parser.columns, self._parser.known), None
        except Unusable as error:
            self._plan, self._unusable = None, str(error)

    def _is_suspicious(self, plan: Plan, columns: Mapping[str, Coded]) -> bool:
        """A line may be a header or blank: where a number or an address should be, there is a name, or nothing."""
        texts = min((columns[name].texts for name in plan.marks or plan.names), key=len).to_pylist()
        if plan.marks:
            return any(not text or NAME.fullmatch(text) for text in texts)
        return not self._parser.known.isdisjoint(texts) or "" in texts

    def _careful(self, block: bytes) -> Iterator[Parsed]:
        """Line by line: what is sound goes back into blocks, one for each header."""
        rejects: list[Reject] = []
        sound: dict[tuple[str, ...], Sound] = {}
        for line in block.split(b"\n"):
            if not line.strip(b" \r"):
                continue
            reason = fault(line, self._limits.record_bytes)
            names = self._header(line) if reason is None else None
            if names is not None:
                if self._plan is None or names != self._plan.names:
                    self._use(names)
                continue
            ordinal = self._next()
            reason = reason or self._unusable or self._miscounted(line)
            if reason is not None or self._plan is None:
                rejects.append(Reject.of(ordinal, reason or NO_HEADER, line))
                if len(rejects) == MOST_REJECTS:
                    yield self._parsed(rejects)
                    rejects = []
                continue
            group = sound.setdefault(self._plan.names, Sound(self._plan, [], []))
            group.lines.append(line)
            group.ordinals.append(ordinal)
        if rejects:
            yield self._parsed(rejects)
        for group in sound.values():
            for start in range(0, len(group.lines), group.plan.most_rows):
                part = slice(start, start + group.plan.most_rows)
                columns = self._coding.coded(
                    table(b"\n".join([*group.lines[part], b""]), group.plan.names, self._separator)
                )
                yield self._execution.events(group.plan, self._block(columns, np.array(group.ordinals[part])))

    def _header(self, line: bytes) -> tuple[str, ...] | None:
        """The columns that a line among others names, half of them known; None: it is no header."""
        names = names_in(line, self._separator)
        if names is None or len(set(names)) < len(names):
            return None
        return names if 2 * len(self._parser.known.intersection(names)) >= len(names) else None

    def _miscounted(self, line: bytes) -> str | None:
        assert self._plan is not None  # noqa: S101  (without a plan every line has a reason already)
        count, expected = line.count(self._separator.encode()) + 1, len(self._plan.names)
        return None if count == expected else f"{count:,} columns, the header has {expected:,}"

    def _block(self, columns: Mapping[str, Coded], ordinals: Ordinals) -> Block:
        written = list(columns.values())
        line = partial(line_of, written, separator=self._separator, null=self._parser.null)
        return Block(nulled(columns, self._parser.null), ordinals, line)

    def _batch(self, ordinals: Ordinals, written: list[Coded], names: tuple[str, ...]) -> Parsed:
        """Rows of a Parquet file."""
        line = partial(line_of, written, separator=self._separator, null=self._parser.null)
        if self._plan is None:
            reason = self._unusable or NO_HEADER
            return self._parsed([Reject.of(int(number), reason, line(row)) for row, number in enumerate(ordinals)])
        columns, faults = screened(written, len(ordinals), self._limits.record_bytes)
        block = Block(nulled(dict(zip(names, columns, strict=True)), self._parser.null), ordinals, line)
        if not faults:
            return self._execution.events(self._plan, block)
        rejects = [Reject.of(int(ordinals[row]), reason, line(row)) for row, reason in sorted(faults.items())]
        keep = np.ones(len(ordinals), np.bool_)
        keep[list(faults)] = False
        return self._execution.events(self._plan, block.filtered(keep), rejects)

    @property
    def _separator(self) -> str:
        return self._parser.separator


def table(
    block: bytes,
    names: Sequence[str],
    separator: str,
    quoted: bool = False,
    size: int | None = None,
    coded: Sequence[str] = (),
) -> pa.Table:
    """The columns of clean lines.

    quoted: columns may stand in quotation marks. size: bytes that are read at a time, more than any line has.
    coded: columns that come as dictionaries (0.9 of the time to read them as text and code them then).

    Raises:
        ArrowInvalid: a line has more or fewer columns, or bytes that are not UTF-8.
    """
    if block.startswith(BOM):
        block = b"\n" + block  # or else it would be taken for the file's own
    types = dict.fromkeys(names, pa.string()) | dict.fromkeys(coded, CODED)
    return csv.read_csv(
        pa.py_buffer(block),
        csv.ReadOptions(use_threads=False, block_size=size or len(block) + 1, column_names=names),
        csv.ParseOptions(
            delimiter=separator, quote_char='"' if quoted else False, double_quote=False, escape_char=False
        ),
        csv.ConvertOptions(column_types=types, check_utf8=not block.isascii()),
    )
