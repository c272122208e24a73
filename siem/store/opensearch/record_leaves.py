"""The leaves of JSON records as `schema.leaves` gives them, in a third of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, TypeAlias

from siem.parsing.batch import Documents
from siem.schema import DatasetFields
from siem.schema.leaves import item, leaves

Add: TypeAlias = Callable[[str], None]


class RecordLeaves:
    """Of the records of a dataset whose records are JSON below its name."""

    def __init__(self, fields: DatasetFields) -> None:
        self._fields = fields
        self._native = [native.rpartition(".")[::2] for native in fields.native]
        self._dotted = [native for native in fields.native if "." in native]
        self._deep = any("." in parent for parent, _ in self._native)  # what could be written in many ways

    def held(self, documents: Documents) -> Iterator[Sequence[Any]]:
        """For each document what the fields hold that hold native values, in the order of `fields.native`."""
        columns = [documents.column(field) for field in self._fields.native.values()]
        return zip(*columns, strict=True) if columns else repeat((), len(documents))

    def items(self, document: Mapping[str, Any], held: Sequence[Any]) -> list[str]:
        """`path=value` for every leaf that no schema field holds. The document's record may be changed."""
        record = document.get(self._fields.dataset)
        if self._deep or type(record) is not dict or any(map(record.__contains__, self._dotted)):
            return self._exactly(document)
        for (parent, key), text in zip(self._native, held, strict=True):
            if type(text) is str and not dropped(record.get(parent) if parent else record, key, text):
                return self._exactly(document)
        found: list[str] = []
        gather(record, "", found.append)
        return found

    def _exactly(self, document: Mapping[str, Any]) -> list[str]:
        return [item(path, text) for path, text in leaves(document, self._fields)]


def dropped(value: Any, key: str, held: str) -> bool:
    """Take the text that a field holds away from a key; False where it may stand in a list."""
    if type(value) is dict:
        inner = value.get(key)
        if inner == held:
            del value[key]
        return type(inner) is not list
    return type(value) is not list


def gather(value: dict[str, Any], before: str, add: Add) -> None:
    """The leaves of an object; `before` is its path, ended by a dot. The most frequent kinds are asked first."""
    for key, inner in value.items():
        kind = type(inner)
        if kind is str:
            add(f"{before}{key}={inner}")
        elif kind is dict:
            gather(inner, f"{before}{key}.", add)
        elif kind is list:
            gather_items(inner, f"{before}{key}", add)
        elif kind is bool:
            add(f"{before}{key}=true" if inner else f"{before}{key}=false")
        elif inner is not None:  # numbers: as they were written, or an integer
            add(f"{before}{key}={inner}")


def gather_items(values: list[Any], path: str, add: Add) -> None:
    """The leaves of a list at `path`."""
    before = f"{path}."
    for inner in values:
        kind = type(inner)
        if kind is dict:
            gather(inner, before, add)
        elif kind is list:
            gather_items(inner, path, add)
        elif kind is bool:
            add(f"{path}=true" if inner else f"{path}=false")
        elif inner is not None:
            add(f"{path}={inner}")
