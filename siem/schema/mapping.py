"""The schema as OpenSearch mapping properties: every text a folded keyword, nothing analysed, no event refused.

https://docs.opensearch.org/latest/field-types/
"""

from __future__ import annotations

from typing import Any

from siem.schema.fields import BY_NAME, FIELDS, Field, Kind
from siem.schema.leaves import LEAVES, LONGEST, OVERSIZE, SEQ, TEXTS
from siem.schema.resolve import DatasetFields

FOLDED = {"type": "keyword", "normalizer": "lc", "ignore_above": LONGEST}
"""Text as Sigma compares it, without case. The index must define the normalizer `lc`, see `ANALYSIS`."""

EXACT = {"type": "keyword", "ignore_above": LONGEST}
"""Text as people see it: what is grouped by and displayed."""

ANALYSIS = {"normalizer": {"lc": {"type": "custom", "filter": ["lowercase"]}}}
"""`settings.analysis` of every index and component template that uses the mapping."""

TYPES: dict[Kind, dict[str, Any]] = {
    Kind.TEXT: FOLDED,
    Kind.IP: {"type": "ip", "ignore_malformed": True},
    Kind.LONG: {"type": "long", "ignore_malformed": True},
    Kind.DOUBLE: {"type": "double", "ignore_malformed": True},
    Kind.DATE: {"type": "date"},
}

READ = {"type": "long", "index": False, "doc_values": False}
"""A number that is read with its document and asked for by nobody."""

RECORD = {"type": "object", "enabled": False}
"""A record as AWS wrote it: kept, not looked into; `siem.leaves` has what it says."""


def index(fields: DatasetFields) -> dict[str, Any]:
    """Analysis and mapping of an index that holds events of a dataset: what the emitter counts on."""
    tree = properties() if fields.dataset else {}
    put(tree, LEAVES, dict(FOLDED))
    put(tree, OVERSIZE, dict(EXACT))
    put(tree, SEQ, dict(READ))
    if fields.dataset:
        put(tree, fields.dataset, dict(RECORD))
    mappings = {"dynamic": False, "date_detection": False, "properties": tree}
    return {"settings": {"analysis": ANALYSIS}, "mappings": mappings}


def properties() -> dict[str, Any]:
    """`mappings.properties` of every field in the table, nested by the dots of the names."""
    tree: dict[str, Any] = {}
    for field in FIELDS:
        put(tree, field.name, mapped(field))
    return tree


def put(tree: dict[str, Any], name: str, mapping: dict[str, Any]) -> None:
    *parents, leaf = name.split(".")
    below = tree
    for parent in parents:
        below = below.setdefault(parent, {"properties": {}})["properties"]
    below[leaf] = mapping


def mapped(field: Field) -> dict[str, Any]:
    """One field: addresses can be compared as text too (`.kw`), shown text keeps its case beside (`.raw`)."""
    subfields = {}
    if field.kind is Kind.IP:
        subfields["kw"] = dict(FOLDED)
    if field.shown and field.kind in TEXTS:
        subfields["raw"] = dict(EXACT)
    return TYPES[field.kind] | ({"fields": subfields} if subfields else {})


def folded_name(name: str) -> str:
    """Where a text or address is indexed without case."""
    return f"{name}.kw" if BY_NAME[name].kind is Kind.IP else name


def cased_name(name: str) -> str | None:
    """Where a text or address is indexed with its case."""
    field = BY_NAME[name]
    return f"{name}.raw" if field.shown and field.kind in TEXTS else None
