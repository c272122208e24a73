"""Which top-level keys the records of a source have, and how they are decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, get_type_hints

import msgspec
import orjson

if TYPE_CHECKING:
    Nested = bytes
else:
    Nested = msgspec.Raw
"""A nested part of a record: bytes where it repeats (identities), else what msgspec can decode."""

KNOWN_KEYS = 96
"""Top-level keys that a source added since are learned while reading, up to so many; the rest stay slow (3 ×)."""


class Keys:
    """Which top-level keys records have. A record whose keys are all known is checked 3 × as fast.

    decode: record -> dictionary of its known keys; nested values are Raw. repeating: keys of nested values that come
    again and again (identities); single: of the others.
    """

    def __init__(
        self, record: type[Any], written: Sequence[str], nested: Sequence[str], payloads: Sequence[str]
    ) -> None:
        self._own = get_type_hints(record)
        other = {name: msgspec.Raw if name in nested else str | bool | None for name in written}
        kinds: dict[str, Any] = {**other, **self._own}  # in the order in which they are written: a tenth faster
        self._types = kinds
        self.repeating = [name for name, kind in self._own.items() if kind is msgspec.Raw and name not in payloads]
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
        return {
            name: parts[name] if kind is msgspec.Raw else as_text(bytes(parts[name]))
            for name, kind in self._own.items()
            if name in parts
        }


def as_text(value: bytes) -> str | None:
    """The text of a JSON string; None of anything else, which is no text and must not become an identity."""
    return orjson.loads(value) if value.startswith(b'"') else None
