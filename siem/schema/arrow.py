"""The schema as Arrow types: what a column of a `Batch` and of a Parquet file holds."""

from __future__ import annotations

import pyarrow as pa

from siem.schema.fields import BY_NAME, Kind

TYPES: dict[Kind, pa.DataType] = {
    Kind.TEXT: pa.string(),
    Kind.IP: pa.string(),
    Kind.LONG: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.DATE: pa.timestamp("us", tz="UTC"),
}


def arrow_type(name: str) -> pa.DataType:
    """The type of the column `name`; a native column (`aws.vpcflow.log-status`) is always text."""
    field = BY_NAME.get(name)
    return TYPES[field.kind] if field else pa.string()


CODED = pa.dictionary(pa.int32(), pa.string())
"""Text whose values repeat, as batches may hold it."""


def suits(name: str, kind: pa.DataType) -> bool:
    """A column of this type may be called `name`."""
    wanted = arrow_type(name)
    return bool(kind == wanted or (kind == CODED and wanted == pa.string()))
