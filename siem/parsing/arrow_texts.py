"""Values of any Arrow type as text that people can read, always the same for the same value."""

from __future__ import annotations

import json
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Sizes: TypeAlias = npt.NDArray[np.int64]

DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
"""Of a fraction, by the unit of the time."""


def texts_of(values: pa.Array, seconds: bool = False) -> pa.Array:
    """The values as text; bytes as they are, which may be no UTF-8. seconds: times as seconds since 1970."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return _uuids(values.storage) if kind.extension_name == "arrow.uuid" else texts_of(values.storage, seconds)
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return values
    if is_bytes(kind):
        return values.cast(pa.binary())
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else json.dumps(value) for value in plain(values)], pa.string())
    if pa.types.is_timestamp(kind):
        return _seconds(values) if seconds else _times(values)
    return values.cast(pa.string())


def is_bytes(kind: pa.DataType) -> bool:
    """Text or bytes, however they are held."""
    of = pa.types
    return bool(
        of.is_string(kind) or of.is_large_string(kind) or of.is_string_view(kind)
        or of.is_binary(kind) or of.is_large_binary(kind) or of.is_binary_view(kind) or of.is_fixed_size_binary(kind)
    )  # fmt: skip


def _uuids(values: pa.Array) -> pa.Array:
    return pa.array([None if value is None else str(UUID(bytes=value)) for value in values.to_pylist()], pa.string())


def _seconds(times: pa.Array) -> pa.Array:
    """Seconds since 1970 as AWS writes them, with a fraction where it is not zero."""
    digits = DIGITS[times.type.unit]
    numbers = times.cast(pa.int64()).to_pylist()
    return pa.array([None if number is None else _decimal(number, digits) for number in numbers], pa.string())


def _decimal(number: int, digits: int) -> str:
    whole, fraction = divmod(abs(number), 10**digits)
    text = f"{whole}.{fraction:0{digits}d}".rstrip("0") if fraction else str(whole)
    return f"-{text}" if number < 0 else text


def _times(times: pa.Array) -> pa.Array:
    """RFC 3339, with `Z` where it is known that the time is UTC, a fraction only where it is not zero."""
    kind = times.type
    in_utc = times.cast(pa.int64()).cast(pa.timestamp(kind.unit, kind.tz and "UTC"))
    texts = pc.replace_substring_regex(in_utc.cast(pa.string()), r"^(\S{10}) ", r"\1T")
    return pc.replace_substring_regex(texts, r"\.0+(Z?)$", r"\1")


def plain(values: pa.Array) -> list[Any]:
    """The values as JSON has them: numbers and flags as such, everything else as text."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        texts = plain(values.dictionary)
        return [None if place is None else texts[place] for place in values.indices.to_pylist()]
    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        fields = zip(*(plain(values.field(number)) for number in range(len(names))), strict=True)
        rows: list[Any] = [dict(zip(names, row, strict=True)) for row in fields]
    elif pa.types.is_nested(kind):
        child, ends = _children(values)
        each = plain(child)
        rows = [each[start:end] for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return list(values.to_pylist())
    else:
        octets = texts_of(values).cast(pa.binary()).to_pylist()
        return [None if value is None else value.decode(errors="backslashreplace") for value in octets]
    return [row if valid else None for row, valid in zip(rows, values.is_valid().to_pylist(), strict=True)]


def _children(values: pa.Array) -> tuple[pa.Array, Sizes]:
    """The elements of lists one behind the other, and where each list begins, and the last ends."""
    if pa.types.is_fixed_size_list(values.type):
        size = values.type.list_size
        return values.values.slice(values.offset * size, len(values) * size), np.arange(len(values) + 1) * size
    ends = values.offsets.to_numpy().astype(np.int64)
    return values.values.slice(ends[0], ends[-1] - ends[0]), ends - ends[0]


def sizes(values: pa.Array) -> Sizes:
    """Bytes that each value's text has at least, found without making it."""
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return sizes(values.storage)
    if pa.types.is_dictionary(kind):
        of: Sizes = np.append(sizes(values.dictionary), 0)
        places: Sizes = values.indices.fill_null(len(values.dictionary)).to_numpy()
        return of[places]
    if pa.types.is_struct(kind):
        return sum((sizes(values.field(number)) for number in range(kind.num_fields)), np.zeros(len(values), np.int64))
    if pa.types.is_nested(kind):
        child, ends = _children(values)
        return np.diff(np.append(0, np.cumsum(sizes(child)))[ends])
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        lengths: Sizes = pc.binary_length(values).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        return lengths
    return np.ones(len(values), np.int64)
