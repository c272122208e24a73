"""The common schema: fields, their types, and where a rule's field is found."""

from siem.schema.arrow import CODED, arrow_type, suits
from siem.schema.fields import BY_NAME, FIELDS, ORDER, Field, Kind
from siem.schema.folding import fold
from siem.schema.leaves import CLAIM, LEAVES, OVERSIZE, SEQ, additions, stripped
from siem.schema.logsource import LogSource
from siem.schema.objects import Origin, SourceObject
from siem.schema.query import Clause, Dialect, Gate, Query, Question
from siem.schema.resolve import (
    ANY_JSON,
    Alias,
    Column,
    DatasetFields,
    Derived,
    Entry,
    Extension,
    Joined,
    Path,
    Source,
)
from siem.schema.written import Written, decoded, scalar_text

__all__ = [
    "ANY_JSON",
    "BY_NAME",
    "CLAIM",
    "CODED",
    "FIELDS",
    "LEAVES",
    "ORDER",
    "OVERSIZE",
    "SEQ",
    "Alias",
    "Clause",
    "Column",
    "DatasetFields",
    "Derived",
    "Dialect",
    "Entry",
    "Extension",
    "Field",
    "Gate",
    "Joined",
    "Kind",
    "LogSource",
    "Origin",
    "Path",
    "Query",
    "Question",
    "Source",
    "SourceObject",
    "Written",
    "additions",
    "arrow_type",
    "decoded",
    "fold",
    "scalar_text",
    "stripped",
    "suits",
]
