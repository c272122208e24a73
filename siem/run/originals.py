"""Stored events back to logs as their source wrote them: the records and lines that they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from siem.errors import UsageError
from siem.parsing import Delimited, Headerless, Parser
from siem.parsing.forms import FORM
from siem.schema.written import Written


@dataclass(frozen=True)
class Original:
    """content: a record, or the text of a file. by_key: fields of it come from the key of its object."""

    content: Any
    by_key: bool = False


def log_of(document: Mapping[str, Any], parser: Parser) -> Original:
    """What an event was made from. document: as stores give it, whole.

    Raises:
        UsageError: the parser's logs cannot be written again.
    """
    if isinstance(parser, Delimited):
        there = [name for name in sorted(_columns(document, parser)) if parser.line(document, name) != parser.null]
        header = parser.separator.join(there)
        return Original(f"{header}\n{parser.line(document, header)}\n")
    if isinstance(parser, Headerless):
        form = next(one for one in parser.forms if one.name == document[f"{parser.dataset}.{FORM}"])
        count = len(form.columns) + len([name for name in document if name.startswith(f"{parser.dataset}.column_")])
        return Original(f"{parser.line(document, count)}\n", bool(parser.in_key))
    if parser.fields.nested and isinstance(record := document.get(parser.dataset), Mapping):
        return Original(plain(record))
    raise UsageError(f"{parser.dataset}: its parser does not say how its logs are written: write the case by hand")


def _columns(document: Mapping[str, Any], parser: Delimited) -> frozenset[str]:
    own = f"{parser.dataset}."
    return parser.known | {name.removeprefix(own) for name in document if name.startswith(own)}


def plain(value: Any) -> Any:
    """A decoded record as YAML and JSON can say it. A number that no double is stays the text that it was."""
    if isinstance(value, Mapping):
        return {key: plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [plain(below) for below in value]
    if isinstance(value, Written):
        return float(value) if isfinite(float(value)) else str(value)
    return value
