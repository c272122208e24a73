"""What templates and mappings in a cluster lack of what they have to be. Pure: values in, values out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from siem.store.opensearch.cluster.templates import Body

FIXED = ("type", "normalizer", "enabled")
"""What no index lets change once the field is there."""


def differing(wanted: Any, there: Any, path: str = "") -> Iterator[str]:
    """Dotted paths at which two bodies are not the same."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        for key in sorted({*wanted, *there}):
            yield from differing(wanted.get(key), there.get(key), f"{path}.{key}" if path else key)
    elif wanted != there:
        yield path


def holds(there: Any, wanted: Any) -> bool:
    """All that is wanted is there, whatever else is."""
    if isinstance(wanted, Mapping) and isinstance(there, Mapping):
        return all(key in there and holds(there[key], value) for key, value in wanted.items())
    return bool(there == wanted)


def lacking(wanted: Body, there: Body) -> dict[str, Any]:
    """`properties` that a mapping has to be given, nested as they are; what cannot be given is left out."""
    found = {}
    for name, field in wanted.items():
        if name not in there:
            found[name] = field
        elif is_parent(field):
            if inner := lacking(field["properties"], there[name].get("properties", {})):
                found[name] = {"properties": inner}
        elif same_kind(field, there[name]) and not holds(there[name], field):
            found[name] = field
    return found


def conflicts(wanted: Body, there: Body, above: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, wanted type and type of every field that a mapping has as something else, for good."""
    for name, field in wanted.items():
        if name not in there:
            continue
        if is_parent(field) and is_parent(there[name]):
            yield from conflicts(field["properties"], there[name]["properties"], f"{above}{name}.")
        elif is_parent(field) or not same_kind(field, there[name]):
            yield f"{above}{name}", kind(field), kind(there[name])


def overridden(wanted: Body, there: Body, above: str = "") -> Iterator[str]:
    """Names of the fields that are not, in all that we say of them, as they have to be."""
    for name, field in wanted.items():
        got = there.get(name, {})
        if is_parent(field):
            yield from overridden(field["properties"], got.get("properties", {}), f"{above}{name}.")
        elif not holds(got, field):
            yield f"{above}{name}"


def names(tree: Body, above: str = "") -> Iterator[str]:
    """Dotted names of the fields of `properties`."""
    for name, field in tree.items():
        if is_parent(field):
            yield from names(field["properties"], f"{above}{name}.")
        else:
            yield f"{above}{name}"


def is_parent(field: Body) -> bool:
    return "properties" in field


def same_kind(one: Body, other: Body) -> bool:
    return all(one.get(name) == other.get(name) for name in FIXED)


def kind(field: Body) -> str:
    """A field's type, for people."""
    if "normalizer" in field:
        return f"{field.get('type')} with normalizer {field['normalizer']}"
    return str(field.get("type", "object")) + (" that is not indexed" if field.get("enabled") is False else "")


def meets(pattern: str, other: str) -> bool:
    """Some index is of both patterns. pattern: one of ours, an exact name or a name's beginning and `*`."""
    beginning, _, _ = other.partition("*")
    if not pattern.endswith("*"):
        return re.fullmatch(".*".join(map(re.escape, other.split("*"))), pattern) is not None
    ours = pattern[:-1]
    return beginning.startswith(ours) or ("*" in other and ours.startswith(beginning))
