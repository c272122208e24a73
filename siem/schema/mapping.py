"""The schema as OpenSearch mapping properties: every text a folded keyword, nothing analysed, no event refused.

https://docs.opensearch.org/latest/field-types/
"""

from __future__ import annotations

from typing import Any

from siem.schema.fields import FIELDS, Field, Kind

LONGEST = 8191
"""UTF-16 units of a value that an index keeps: three bytes each stay below Lucene's 32,766 bytes of a term."""

FOLDED = {"type": "keyword", "normalizer": "lc", "ignore_above": LONGEST}
"""Text as Sigma compares it, without case. The index must define the normalizer `lc` (lowercase)."""

EXACT = {"type": "keyword", "ignore_above": LONGEST}
"""Text as people see it: what is grouped by and displayed."""

TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: FOLDED,
    Kind.IP: {"type": "ip", "ignore_malformed": True},
    Kind.LONG: {"type": "long", "ignore_malformed": True},
    Kind.DOUBLE: {"type": "double", "ignore_malformed": True},
    Kind.DATE: {"type": "date"},
}


def properties() -> dict[str, Any]:
    """`mappings.properties` of every field in the table, nested by the dots of the names."""
    tree: dict[str, Any] = {}
    for field in FIELDS:
        *parents, leaf = field.name.split(".")
        below = tree
        for parent in parents:
            below = below.setdefault(parent, {"properties": {}})["properties"]
        below[leaf] = mapped(field)
    return tree


def mapped(field: Field) -> dict[str, Any]:
    """One field: addresses can be compared as text too (`.kw`), shown text keeps its case beside (`.raw`)."""
    subfields = {}
    if field.kind is Kind.IP:
        subfields["kw"] = dict(FOLDED)
    if field.shown and field.kind in (Kind.TEXT, Kind.IP):
        subfields["raw"] = dict(EXACT)
    return TYPES[field.kind] | ({"fields": subfields} if subfields else {})
