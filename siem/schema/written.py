"""JSON decoded so that nothing of it is lost: numbers keep the text in which they were written."""

from __future__ import annotations

from typing import Any

import msgspec


class Written(str):
    """A number with a fraction or an exponent, as it was written: `22.0` stays that."""

    __slots__ = ()


_decoder = msgspec.json.Decoder(float_hook=Written)


def decoded(text: bytes | str) -> Any:
    """JSON as rules and stores read it: numbers that are no integers keep their text, integers are exact however long.

    Raises:
        msgspec.DecodeError: not JSON, or text that is not Unicode (a lone surrogate).
        RecursionError: about a thousand levels.
    """
    return _decoder.decode(text)


def scalar_text(value: Any) -> str:
    """A scalar as rules read it: numbers as they were written, booleans `true` and `false`."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return value if isinstance(value, str) else repr(value)
