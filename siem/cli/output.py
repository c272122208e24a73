"""How results are written: tables for people, JSON for programs. Log data is text, never markup or control codes."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from siem.errors import UsageError
from siem.parsing.batch import text_of

errors = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
"""Where everything goes that is not a result: by `tell`, and by progress bars."""

FORMULA = ("=", "+", "-", "@")
"""What a formula begins with; tabulators and line ends, which would do too, are escapes by then."""

PADDING = 2
PIPE_WIDTH = 160
"""Columns of a table that goes into a pipe."""


def progress() -> Progress:
    """What a command is at, while it is: a line on stderr, on terminals only. Its description is text."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(SpinnerColumn(), description, console=errors, transient=True, disable=not errors.is_terminal)


def results() -> Console:
    """Where tables and texts for people go."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(highlight=False, markup=False, emoji=False, width=width, soft_wrap=False)


def tell(message: object) -> None:
    """A line on stderr. Whatever log data or a file's name brings into it is text."""
    errors.print(plain(str(message)))


class Format(StrEnum):
    """`table` is the default on a terminal, `ndjson` in a pipe; `csv` is for spreadsheets."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


def chosen(form: Format | None) -> Format:
    """The form that is written, as nobody may have said one."""
    return form or (Format.TABLE if sys.stdout.isatty() else Format.NDJSON)


def plain(value: object) -> str:
    """Text for a terminal: control, bidirectional and invisible format characters are written as escapes."""
    text = value if isinstance(value, str) else _shown(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return text_of(value)
        case Mapping():
            return " ".join(f"{key}={item}" for key, item in value.items())
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def encoded(row: object) -> bytes:
    """One JSON document; times as RFC 3339 with `Z`."""
    return orjson.dumps(_record(row), default=_default)


def _record(row: object) -> object:
    if is_dataclass(row) and not isinstance(row, type):
        row = asdict(row)
    return _native(row)


def _native(value: Any) -> Any:
    match value:
        case datetime():
            return text_of(value)
        case Mapping():
            return {key: _native(item) for key, item in value.items()}
        case list() | tuple():
            return [_native(item) for item in value]
        case str():
            return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case _:
            return value


def _default(value: object) -> object:
    return str(value)


def write(
    rows: Iterable[Mapping[str, Any]],
    columns: Sequence[str],
    form: Format | None,
    whole: Callable[[list[Any]], Any] = list,
) -> None:
    """Rows to stdout. columns: of table and CSV; the JSON forms have every key.

    whole: what `json` prints, of all rows (a list unless told otherwise).
    """
    form = chosen(form)
    if form is Format.NDJSON:
        for row in rows:
            sys.stdout.buffer.write(encoded(row) + b"\n")
        return
    if form is Format.JSON:
        sys.stdout.buffer.write(encoded(whole(list(rows))) + b"\n")
        return
    if form is Format.CSV:
        sheet = csv.writer(sys.stdout)
        sheet.writerow(columns)
        sheet.writerows([cell(row.get(column)) for column in columns] for row in rows)
        return
    results().print(table(rows, columns))


def write_texts(
    things: list[Any],
    text: Callable[[Any], Iterable[str]],
    form: Format | None,
    whole: Callable[[list[Any]], Any] = list,
) -> None:
    """Things that are no rows of a list: `table` is their text, line by line. whole: as of `write`.

    Raises:
        UsageError: as CSV.
    """
    form = chosen(form)
    if form is Format.CSV:
        raise UsageError("this is no list: it has no form csv")
    if form is not Format.TABLE:
        write(things, (), form, whole)
        return
    for line in [line for thing in things for line in text(thing)]:
        results().print(Text(plain(line)), soft_wrap=True)


def cell(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    text = plain(value)
    return f"'{text}" if text.startswith(FORMULA) and not isinstance(value, int | float) else text


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, PADDING, 0, 0))
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*[Text(plain(row.get(column))) for column in columns])
    return drawn
