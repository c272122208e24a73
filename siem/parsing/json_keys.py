"""Which keys the records of a source have, how they are decoded, and the columns that many records make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, get_args, get_origin, get_type_hints, is_typeddict

import msgspec
import orjson
from msgspec.structs import astuple

from siem.parsing.documented import documented, present

if TYPE_CHECKING:
    Nested = bytes
else:
    Nested = msgspec.Raw
"""A part of a record as it is written: bytes where it repeats (identities), else what msgspec can decode."""

Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer that every reader accepts (64 bits)."""

Scalar = str | bool | Integer | None

Column: TypeAlias = Sequence[Any]
"""A value for each record; None where it has none."""
Columns: TypeAlias = dict[str, Column]
"""By the path of their key: `action`, `httpRequest.uri`."""

KNOWN_KEYS = 96
"""Keys of an object that count, those among them that a source added since: they are learned while reading, up to so
many; records with others stay slow (5 ×)."""

PLAIN = re.compile(r'[^"\\\x00-\x1f\x7f]{1,128}')
"""Keys that msgspec takes for names of fields, which must need no escapes; others stay slow too."""

ABSENT = "(absent)"
"""Stands for a key that a record does not have, and is known by its identity. A text, as among texts it is counted in a
quarter of the time; a record that holds the same text is read with care."""

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Level:
    """The keys of one object of a record. path: of the object, ended by a dot; empty for the record itself."""

    def __init__(self, own: Mapping[str, Any], others: Mapping[str, Any], path: str = "") -> None:
        self._own, self._path = own, path
        self.kinds = {**others, **own}
        self._inner = {
            name: Level(get_type_hints(kind, include_extras=True), {}, f"{path}{name}.")
            for name, kind in own.items()
            if is_typeddict(kind)
        }
        self.build()

    def build(self) -> None:
        """The type that decodes it: a Struct of its known keys, in the order in which they are written."""
        kinds = self.kinds | {name: level.struct for name, level in self._inner.items()}
        attributes = {f"key{number}": name for number, name in enumerate(kinds)}
        fields = [(attribute, kinds[name], ABSENT) for attribute, name in attributes.items()]
        self.struct: Any = msgspec.defstruct("Known", fields, rename=attributes, gc=False)
        self._empty = self.struct()
        self._plan = [(f"{self._path}{name}", self._inner.get(name), keys_of_items(kinds[name])) for name in kinds]

    def nested(self) -> list[str]:
        """Paths of values that stay as they are written."""
        mine = [f"{self._path}{name}" for name, kind in self.kinds.items() if kind is msgspec.Raw]
        return mine + [path for level in self._inner.values() for path in level.nested()]

    def learn(self, parts: Mapping[str, msgspec.Raw]) -> bool:
        """Add keys that were met, up to a limit; beyond it they are left to the slow way. True where there are new."""
        new = [name for name in parts if name not in self.kinds and PLAIN.fullmatch(name)]
        learned = bool(new) and len(self.kinds) + len(new) <= KNOWN_KEYS
        if learned:
            self.kinds |= dict.fromkeys(new, msgspec.Raw)
        for name, level in self._inner.items():
            if (part := parts.get(name)) is not None and bytes(part).startswith(b"{"):
                learned |= level.learn(_parts.decode(part))
        if learned:
            self.build()
        return learned

    def columns(self, rows: Iterable[Any], out: Columns) -> int:
        """The columns of many decoded records; gives how many keys those have.

        Keys of parts that stay as they are written are left out. As many as were written, unless one stands twice or
        is not known.
        """
        count = 0
        for (path, level, width), values in zip(self._plan, zip(*map(astuple, rows), strict=True), strict=True):
            column: Column = values
            if (absent := values.count(ABSENT)) == len(values):
                column = (None,) * absent
            elif absent:
                column = [None if value is ABSENT else value for value in values]
            count += len(values) - absent
            if level is not None:
                count += level.columns([level._empty if row is None else row for row in column], out)
            elif width:
                count += width * sum([len(items) for items in column if items is not None])
            out[path] = column
        return count

    def lenient(self, parts: Mapping[str, Any], out: Columns) -> None:
        """The columns of one record, where what is not of the type it should be is None."""
        for name, kind in self._own.items():
            part = parts.get(name)
            if name in self._inner:
                inner = _parts.decode(part) if part is not None and bytes(part).startswith(b"{") else {}
                self._inner[name].lenient(inner, out)
            else:
                out[f"{self._path}{name}"] = [None if part is None else as_kind(part, kind)]


class Keys:
    """Which keys records have. Records whose keys are all known are checked many at a time.

    kinds: of the keys that the parser reads; others: of the others that are known.
    single: paths of nested values, but for those that come again and again (identities, rule groups): `repeating`.
    learned: how often keys were added.
    """

    def __init__(self, kinds: Mapping[str, Any], others: Mapping[str, Any], repeating: Sequence[str]) -> None:
        self._top = Level(kinds, others)
        self.repeating = [name for name in repeating if name in kinds]
        self.learned = 0
        self._build()

    def _build(self) -> None:
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._top.struct).decode
        self.names = frozenset(self._top.kinds)
        self.single = [path for path in self._top.nested() if path not in self.repeating]

    def learn(self, parts: Mapping[str, msgspec.Raw]) -> None:
        """Add the keys of a sound record."""
        if self._top.learn(parts):
            self.learned += 1
            self._build()

    def decoded(self, texts: Iterable[bytes]) -> tuple[Columns, int]:
        """Many records, and how many keys they have; those of nested parts are left out.

        Raises:
            msgspec.DecodeError, RecursionError: one of them is of another type, or no good.
        """
        columns: Columns = {}
        return columns, self._top.columns(map(self._decode, texts), columns)

    def lenient(self, parts: Mapping[str, msgspec.Raw]) -> Columns:
        """One record, of which what is not as it should be is None."""
        columns: Columns = {}
        self._top.lenient(parts, columns)
        return columns


def keys_of_items(kind: Any) -> int:
    """How many keys each item of a list of Structs has, whose fields must all be there; 0 for other types."""
    kind = present(kind)
    return len(msgspec.structs.fields(get_args(kind)[0])) if get_origin(kind) is list else 0


def as_kind(value: msgspec.Raw, kind: Any) -> Any:
    """JSON as what a parser's record has there."""
    if kind is msgspec.Raw:
        return value
    return as_text(bytes(value)) if kind == str | None else documented(value, kind)


def as_text(value: bytes) -> str | None:
    """The text of a JSON string; None of anything else, which is no text and must not become an identity."""
    return orjson.loads(value) if value.startswith(b'"') else None
