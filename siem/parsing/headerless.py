"""The shape of parsers whose source writes delimited lines without a header, in several forms.

What `Delimited` is to lines under a header. Columns may stand in quotation marks; lines may lack the columns that their
form got later, and may have columns that nobody has documented yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from siem.config import Limits
from siem.parsing.batch import EVERY, Parsed
from siem.parsing.delimited import is_text
from siem.parsing.execution import Skip
from siem.parsing.form_reading import FormReading
from siem.parsing.forms import FORM, Form, form_by_key, form_by_line
from siem.parsing.parser import Content, Example
from siem.schema import Alias, DatasetFields, LogSource, Origin


@dataclass(frozen=True)
class Headerless:
    """A log type of lines without a header. See `Parser` for the attributes that all parsers share.

    forms: the key tells which one an object has, or else its first line that begins like one.
    constants: fields that are the same in every event. in_key: fields that the object's key holds, as a first group.
    null: what stands for no value. aliases: as in `DatasetFields`.
    """

    dataset: str
    key: re.Pattern[str]
    logsources: tuple[LogSource, ...]
    forms: tuple[Form, ...]
    constants: Mapping[str, str] = field(default_factory=dict)
    in_key: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    null: str = "-"
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    skip: Skip | None = None
    time_in_key: re.Pattern[str] | None = None
    unique_ids: bool = False
    version: str = "1"
    example: Example | None = None

    @cached_property
    def fields(self) -> DatasetFields:
        filled = EVERY.union(self.constants, self.in_key, *(form.table for form in self.forms))
        native = {column: name for form in reversed(self.forms) for column, name in form.native.items()}
        return DatasetFields(self.dataset, filled, native, self.aliases, nested=False)

    def constants_in(self, key: str) -> dict[str, str]:
        """Fields of all events of the object with this key."""
        found = {name: pattern.search(key) for name, pattern in self.in_key.items()}
        return {name: match[1] for name, match in found.items() if match}

    def claims(self, key: str) -> bool:
        return self.key.search(key) is not None

    def recognises(self, head: bytes) -> bool:
        """A line begins like one of a form, or the first is text that does not begin a document of another kind."""
        return is_text(head) or any(form_by_line(self.forms, line) for line in head.split(b"\n"))

    def parse(self, content: Content, origin: Origin, limits: Limits) -> Iterator[Parsed]:
        return FormReading(self, origin, limits).parsed(content)

    def replay(self, raw: bytes, ordinal: int, origin: Origin, limits: Limits) -> Parsed | None:
        """A line means the same alone; None where neither it nor its object's key tells the form."""
        if form_by_key(self.forms, origin.key) is None and form_by_line(self.forms, raw) is None:
            return None
        return next(FormReading(self, origin, limits, ordinal).lines(raw), None)

    def line(self, document: Mapping[str, Any], count: int) -> str:
        """The line of so many columns that an event was made from; quotation marks stand where its form has them."""
        form = next(form for form in self.forms if form.name == document[f"{self.dataset}.{FORM}"])
        return " ".join(self._written(document, form, name) for name in form.names(count))

    def _written(self, document: Mapping[str, Any], form: Form, name: str) -> str:
        kept = document.get(f"{self.dataset}.{name}")
        held = document.get(form.native[name]) if kept is None and name in form.native else kept
        text = self.null if held is None else str(held)
        if '"' in text or not form.quoted:
            return text  # such a text did not stand in marks
        return f'"{text}"' if name in form.quoted or " " in text else text
