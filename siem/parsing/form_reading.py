"""One object of lines without a header on its way: from blocks to columns to events, with the ordinal carried along."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing.batch import Parsed, Reject
from siem.parsing.columns import Coded, Coding, Mask, nulled
from siem.parsing.execution import Block, Execution
from siem.parsing.forms import FORM, Form, form_by_key, form_by_line
from siem.parsing.headers import Plan
from siem.parsing.lines import BOM, Places, fault, framed, gathered, is_clean, newlines_in, windows, with_newlines
from siem.parsing.parser import Content
from siem.parsing.quoting import SPACE, UNSOUND, columns_of_each, spaces_of_each, supposed_columns
from siem.parsing.reading import WINDOW, table
from siem.schema import Origin

if TYPE_CHECKING:
    from siem.parsing.headerless import Headerless

MOST_REJECTS = 10_000
READ = 1 << 19
"""Bytes that Arrow reads at a time: they stay in the cache (4 MiB: 1.5 × the time)."""
NO_FORM = "not the beginning of a line of this log"


@dataclass(frozen=True)
class Lines:
    """Lines of a block that are not blank.

    newlines: where those of the block stand. starts, ends: where each line does. ordinals: which records they are.
    """

    block: bytes
    newlines: Places
    starts: Places
    ends: Places
    ordinals: Places

    @classmethod
    def of(cls, block: bytes, ordinal: int) -> Lines:
        octets = np.frombuffer(block, np.uint8)
        ends = newlines = newlines_in(block)
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(block))
        starts = np.concatenate(([0], ends[:-1] + 1))
        blank = starts == ends
        for row in np.flatnonzero(~blank)[octets[starts[~blank]] <= SPACE].tolist():
            blank[row] = not block[starts[row] : ends[row]].strip(b" \r")
        starts, ends = starts[~blank], ends[~blank]
        return cls(block, newlines, starts, ends, np.arange(ordinal, ordinal + len(starts)))

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, row: int) -> bytes:
        return self.block[self.starts[row] : self.ends[row]]

    def among(self, rows: Mask | slice) -> Lines:
        """Some of the lines."""
        return replace(self, starts=self.starts[rows], ends=self.ends[rows], ordinals=self.ordinals[rows])

    def padded(self, counts: Places, width: int, null: str) -> bytes:
        """The lines with as many columns more as they lack."""
        more = [f" {null}".encode() * (width - count) for count in range(width + 1)]
        if not np.array_equal(self.ends, self.newlines):  # the block has other lines as well
            places = zip(self.starts.tolist(), self.ends.tolist(), counts.tolist(), strict=True)
            return b"".join([self.block[start:end] + more[count] + b"\n" for start, end, count in places])
        short = counts < width
        pieces, place = [], 0
        for end, count in zip(self.ends[short].tolist(), counts[short].tolist(), strict=True):
            pieces += [self.block[place:end], more[count]]
            place = end
        return b"".join([*pieces, self.block[place:]]) if pieces else self.block


class FormReading:
    """One object: the form of its lines, and how many records it had so far."""

    def __init__(self, parser: Headerless, origin: Origin, limits: Limits, ordinal: int = 0) -> None:
        self._parser, self._limits, self._ordinal = parser, limits, ordinal
        self._execution = Execution(parser, origin, parser.constants_in(origin.key))
        self._form = form_by_key(parser.forms, origin.key)
        self._plans: dict[int, Plan] = {}
        self._coding = Coding()

    def parsed(self, content: Content) -> Iterator[Parsed]:
        """The object's blocks."""
        try:
            blocks = content.blocks()
            beginning = next(blocks, b"").removeprefix(BOM)
            for frame in framed(gathered(chain([beginning], blocks), WINDOW), self._limits.record_bytes):
                if not isinstance(frame, bytes):
                    self._ordinal += 1
                    yield self._parsed([frame.reject(self._ordinal - 1, self._limits.record_bytes)])
                    continue
                for window in windows(with_newlines(frame), 2 * WINDOW):
                    yield from self.lines(window)
        except Damaged as damage:
            yield Parsed(self._parser.dataset, None, damaged=str(damage))

    def lines(self, block: bytes) -> Iterator[Parsed]:
        """The events of whole lines."""
        lines = Lines.of(block, self._ordinal)
        self._ordinal += len(lines)
        form = self._form_of(lines)
        most = self._plan(form, len(form.columns)).most_rows if form else MOST_REJECTS
        for start in range(0, len(lines), most):
            part = lines.among(slice(start, start + most))
            sound, rejects = self._sound(part)
            if form is None:
                sound, more = without(sound, dict.fromkeys(range(len(sound)), NO_FORM))
                rejects += more
            yield self._events(form, sound, rejects) if form and len(sound) else self._parsed(rejects)

    def _parsed(self, rejects: list[Reject]) -> Parsed:
        return Parsed(self._parser.dataset, None, rejects)

    def _form_of(self, lines: Lines) -> Form | None:
        """The object's form, told by its key or by the first line that begins like one."""
        for row in range(len(lines)):
            if self._form is not None:
                break
            self._form = form_by_line(self._parser.forms, lines.line(row))
        return self._form

    def _plan(self, form: Form, count: int) -> Plan:
        if count not in self._plans:
            self._plans[count] = form.plan(count)
        return self._plans[count]

    def _sound(self, lines: Lines) -> tuple[Lines, list[Reject]]:
        """The lines that can be read, whatever their columns, and the others."""
        if is_sound(lines, self._limits.record_bytes):
            return lines, []
        reasons = [fault(lines.line(row), self._limits.record_bytes) for row in range(len(lines))]
        return without(lines, dict(enumerate(reasons)))

    def _events(self, form: Form, lines: Lines, rejects: list[Reject]) -> Parsed:
        """The events of sound lines."""
        where = lines.block, lines.starts, lines.ends
        if not form.quoted:
            return self._counted(form, lines, spaces_of_each(*where) + 1, rejects)
        try:
            return self._counted(form, lines, _less_supposed(form, lines, supposed_columns(*where)), rejects)
        except pa.ArrowInvalid:
            return self._counted(form, lines, columns_of_each(*where), rejects)

    def _counted(self, form: Form, lines: Lines, counts: Places, rejects: list[Reject]) -> Parsed:
        """The events of lines of so many columns each.

        Raises:
            ArrowInvalid: they have not so many.
        """
        faults = {count: form.fault(count) for count in np.unique(counts).tolist()}
        bad = [count for count, reason in faults.items() if reason]
        if bad:
            rows = np.flatnonzero(np.isin(counts, bad)).tolist()
            good = ~np.isin(counts, bad)
            lines, more = without(lines, {row: faults[int(counts[row])] for row in rows})
            counts, rejects = counts[good], [*rejects, *more]
        if not len(lines):
            return self._parsed(rejects)
        width = max(len(form.columns), int(counts.max()))
        plan = self._plan(form, width)
        longest = int((lines.ends - lines.starts).max()) + 2 * width
        padded = lines.padded(counts, width, self._parser.null)
        read = table(padded, form.names(width), " ", quoted=bool(form.quoted), size=max(READ, longest + 2))
        columns = nulled(self._coding.coded(read), self._parser.null)
        columns[FORM] = Coded.constant(form.name)
        for name, parts in form.parts.items():
            columns |= parts.of(name, columns[name])
        return self._execution.events(plan, Block(columns, lines.ordinals, lines.line), rejects)


def _less_supposed(form: Form, lines: Lines, counts: Places) -> Places:
    """Supposed numbers of columns, exact where a line would be a reject for its number: nobody would read it again."""
    wrong = [count for count in np.unique(counts).tolist() if count != UNSOUND and form.fault(count)]
    if wrong:
        rows = np.isin(counts, wrong)
        counts[rows] = columns_of_each(lines.block, lines.starts[rows], lines.ends[rows])
    return counts


def is_sound(lines: Lines, longest: int) -> bool:
    """No line has a fault."""
    block = lines.block
    try:
        return is_clean(block, longest) and (block.isascii() or bool(block.decode()))
    except UnicodeDecodeError:
        return False


def without(lines: Lines, faults: dict[int, str | None]) -> tuple[Lines, list[Reject]]:
    """The lines that have no fault, and the others."""
    keep = np.ones(len(lines), np.bool_)
    keep[[row for row, reason in faults.items() if reason]] = False
    return lines.among(keep), [
        Reject.of(int(lines.ordinals[row]), reason, lines.line(row)) for row, reason in faults.items() if reason
    ]
