"""Values of a line as they are compared, its modifiers done: what pipelines look at and change; and back to a document.

Pipelines know no modifiers: pySigma shows them `*x*` for `contains: x`. A changed value is therefore written without
the modifiers that its text now holds; `all`, `neq` and `cased` stay, and `expand` while placeholders are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from siem.problem import Problem
from siem.sigma import modifiers, parse
from siem.sigma.modifiers import Chars
from siem.sigma.pipeline.selections import Item
from siem.sigma.tree import Wild, spelled


@dataclass(frozen=True)
class Placeholder:
    name: str


class Other(Enum):
    """A value that is no text and no number: a regular expression, a network, several texts of `windash`."""

    VALUE = "other"


Piece: TypeAlias = str | Wild | Placeholder
Pieces: TypeAlias = tuple[Piece, ...]
Value: TypeAlias = Pieces | int | float | bool | Other | None
Change: TypeAlias = Callable[[Value], "list[Value] | None"]
"""What comes in a value's place; None: it stays."""

KEPT = frozenset(("all", "neq", "cased", "expand"))
SEVERAL = frozenset(("windash", "base64offset"))
"""Modifiers that make several texts of one; pySigma shows no transformation the texts."""
KNOWN = KEPT | (modifiers.TRANSFORMS.keys() - SEVERAL)
"""Modifiers that leave text text, and numbers numbers."""


def compared(item: Item) -> list[Value]:
    """The item's values with its modifiers done.

    Raises:
        Problem: a value cannot be encoded as its modifiers say.
    """
    return [_compared(value, item.modifiers) for value in item.values]


def _compared(value: str | float | bool | None, names: Sequence[str]) -> Value:
    if not KNOWN.issuperset(names):
        return Other.VALUE
    if not isinstance(value, str):
        return value
    pieces = read(value, "expand" in names)
    transforms = [name for name in names if name in modifiers.TRANSFORMS]
    if all(name in modifiers.EDGES for name in transforms):
        both = "contains" in names
        return edged(pieces, both or "endswith" in names, both or "startswith" in names)
    chars = Chars(tuple(piece for piece in pieces if not isinstance(piece, Placeholder)))
    if len(chars.parts) < len(pieces):
        return Other.VALUE
    for name in transforms:
        (chars,) = modifiers.TRANSFORMS[name](chars)
    return chars.parts


def references(item: Item) -> list[str]:
    """The fields that the values of a `fieldref` name."""
    if "fieldref" not in item.modifiers:
        return []
    named = [spelled(parse.pattern(value)) for value in item.values if isinstance(value, str)]
    return [name for name in named if name is not None]


def edged(pieces: Pieces, before: bool = True, after: bool = True) -> Pieces:
    """With `*` before and after it, where none is yet."""
    made = (Wild.ANY, *pieces) if before and pieces[:1] != (Wild.ANY,) else pieces
    return (*made, Wild.ANY) if after and made[-1:] != (Wild.ANY,) else made


def read(value: str, expand: bool) -> Pieces:
    """Text as written: literals, wildcards and, with `expand`, placeholders."""
    if not expand:
        return parse.pattern(value)
    made: list[Piece] = []
    for text, is_name in modifiers.pieces(value):
        made += [Placeholder(text)] if is_name else parse.pattern(text)
    return tuple(made)


def plain(pieces: Pieces) -> str:
    """Text as pySigma shows it to a regular expression: `*` and `?` that are no wildcards are escaped."""
    return "".join([_plain(piece) for piece in pieces])


def _plain(piece: Piece) -> str:
    if isinstance(piece, Placeholder):
        return f"%{piece.name}%"
    return piece.value if isinstance(piece, Wild) else piece.replace("*", r"\*").replace("?", r"\?")


def written(pieces: Pieces, expand: bool = False) -> str:
    """Text for a document, which is read as these pieces, with `expand` or without."""
    special = "\\*?%" if expand else "\\*?"
    made = ""
    for piece in pieces:
        if isinstance(piece, (Wild, Placeholder)):
            made += _plain(piece)
        else:
            made += "".join([f"\\{letter}" if letter in special else letter for letter in piece])
    return made


def has_placeholder(pieces: Pieces) -> bool:
    return any(isinstance(piece, Placeholder) for piece in pieces)


def literals(pieces: Pieces, change: Callable[[str], Sequence[Piece]]) -> Pieces:
    """The pieces with each literal changed, wildcards and placeholders as they are."""
    made: list[Piece] = []
    for piece in pieces:
        made += [piece] if isinstance(piece, (Wild, Placeholder)) else change(piece)
    return tuple(made)


def changed(item: Item, change: Change, cased: bool = True) -> bool:
    """Change the values of an item, in place. False: there was nothing to change. cased: `cased` stays."""
    before = compared(item)
    after = [change(value) for value in before]
    if all(new is None for new in after):
        return False
    put(
        item,
        [value for old, new in zip(before, after, strict=True) for value in ([old] if new is None else new)],
        cased,
    )
    return True


def put(item: Item, values: Sequence[Value], cased: bool) -> None:
    """Give an item values that are compared as they are.

    Raises:
        Problem: they cannot be written.
    """
    texts = [value for value in values if isinstance(value, tuple)]
    if Other.VALUE in values:
        raise Problem("these values and their modifiers cannot be changed in part", item.place)
    expand = any(map(has_placeholder, texts))
    keep = {
        "all",
        "neq",
        *(["cased"] if cased and texts else []),
        *(["expand"] if expand else []),
        *_edges(item, texts),
    }
    item.modifiers = tuple(name for name in item.modifiers if name in keep)
    item.values = [written(value, expand) if isinstance(value, tuple) else value for value in values]


def _edges(item: Item, texts: Sequence[Pieces]) -> set[str]:
    """Keywords are looked for inside of values unless a modifier says where they stand, so it has to stay."""
    names = {"startswith", "endswith"}.intersection(item.modifiers) if item.field is None else set()
    for name, end in (("startswith", slice(-1, None)), ("endswith", slice(None, 1))):
        if name in names and any(pieces[end] != (Wild.ANY,) for pieces in texts):
            raise Problem(f"keywords with `{name}` would lose it", item.place)
    return names
