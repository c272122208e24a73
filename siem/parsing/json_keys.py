"""Which top-level keys the records of a source have, and how they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, get_type_hints

import msgspec
import orjson

from siem.parsing.documented import counter, documented, holds_keys

if TYPE_CHECKING:
    Nested = bytes
else:
    Nested = msgspec.Raw
"""A part of a record as it is written: bytes where it repeats (identities), else what msgspec can decode."""

Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""An integer that every reader accepts (64 bits)."""

Scalar = str | bool | Integer | None

KNOWN_KEYS = 96
"""Top-level keys that a source added since are learned while reading, up to so many; the rest stay slow (3 ×)."""


class Keys:
    """Which top-level keys records have. A record whose keys are all known is checked 3 × as fast.

    decode: record -> dictionary of its known keys; nested values are Raw. repeating: keys of nested values that come
    again and again (identities), texts: of texts that do; single: of the other nested ones; typed: of those whose type
    names all that they hold, with what counts their keys.
    """

    def __init__(
        self, record: type[Any], written: Sequence[str], nested: Sequence[str], repeating: Sequence[str]
    ) -> None:
        self._own = get_type_hints(record, include_extras=True)
        other = {name: msgspec.Raw if name in nested else Scalar for name in written}
        kinds: dict[str, Any] = {**other, **self._own}  # in the order in which they are written: a tenth faster
        self._types = kinds
        self.repeating = [name for name in repeating if self._own[name] is msgspec.Raw]
        self.texts = [name for name in repeating if name not in self.repeating]
        self.typed = [(name, counter(kind)) for name, kind in self._own.items() if holds_keys(kind)]
        self._build()

    def _build(self) -> None:
        made: Any = TypedDict  # at run time, which mypy does not follow
        known = made("Known", self._types, total=False)
        self.decode: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(known).decode
        nested = [name for name, kind in self._types.items() if kind is msgspec.Raw]
        self.single = [name for name in nested if name not in self.repeating]

    def learn(self, names: Iterable[str]) -> None:
        """Add keys that were met, up to a limit; beyond it they are left to the slow way."""
        new = [name for name in names if name not in self._types]
        if new and len(self._types) + len(new) <= KNOWN_KEYS:
            self._types |= dict.fromkeys(new, msgspec.Raw)
            self._build()

    def lenient(self, parts: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
        """The parser's record where a value is not of the type it should be: what is no text is None."""
        return {name: as_kind(parts[name], kind) for name, kind in self._own.items() if name in parts}


def as_kind(value: msgspec.Raw, kind: Any) -> Any:
    """JSON as what a parser's record has there."""
    if kind is msgspec.Raw:
        return value
    return as_text(bytes(value)) if kind == str | None else documented(value, kind)


def as_text(value: bytes) -> str | None:
    """The text of a JSON string; None of anything else, which is no text and must not become an identity."""
    return orjson.loads(value) if value.startswith(b'"') else None
