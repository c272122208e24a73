"""Values of a record as far as they are as their source documents them: one that is not costs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

Count = Callable[[Any], int]
"""How many keys were written in a value that was decoded with its type."""


def documented(raw: bytes | msgspec.Raw | None, kind: Any) -> Any:
    """JSON as `kind`, which may be a Struct of defaults, a TypedDict, a list of them, a text or a number.

    What is of another type is left out; where nothing remains it is an empty Struct, TypedDict or list, else None.
    """
    if raw is None:
        return converted(None, kind)
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError:
        return converted(msgspec.json.decode(raw), kind)


def converted(value: Any, kind: Any) -> Any:
    """`documented` for a value that is decoded."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(value, kind, strict=False)
    kind = present(kind)
    if get_origin(kind) is list:
        items = [converted(item, get_args(kind)[0]) for item in value] if isinstance(value, list) else []
        return [item for item in items if item is not None]
    parts = value if isinstance(value, dict) else {}
    if is_typeddict(kind):
        hints = get_type_hints(kind, include_extras=True)
        return {name: converted(parts[name], hint) for name, hint in hints.items() if name in parts}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        found = {}
        for field in msgspec.structs.fields(kind):
            part = converted(parts.get(field.encode_name), field.type)
            if part is not None:
                found[field.name] = part
        return found_as(kind, found)
    return None


def found_as(kind: type[msgspec.Struct], found: dict[str, Any]) -> Any:
    """The Struct; None where a field that it must have is missing."""
    try:
        return kind(**found)
    except TypeError:
        return None


def counter(kind: Any) -> Count:
    """Counts the keys of values that were decoded as `kind`: TypedDicts, lists, Structs of texts that are all required.

    As many as were written, unless one stands twice or is not in the type: such a value has to be looked at.
    """
    kind = present(kind)
    if is_typeddict(kind):
        inner = [(name, counter(hint)) for name, hint in get_type_hints(kind).items() if holds_keys(hint)]
        return lambda value: len(value) + sum([count(value[name]) for name, count in inner if value.get(name)])
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        width = len(msgspec.structs.fields(item))
        return lambda value: len(value) * width
    raise TypeError(f"{kind}: keys of such a type cannot be counted")


def holds_keys(kind: Any) -> bool:
    """Values of this type are objects or lists."""
    kind = present(kind)
    return is_typeddict(kind) or get_origin(kind) is list


def present(kind: Any) -> Any:
    """The type without None."""
    if get_origin(kind) in (Union, UnionType):
        rest = [one for one in get_args(kind) if one is not type(None)]
        return rest[0] if len(rest) == 1 else kind
    return kind
