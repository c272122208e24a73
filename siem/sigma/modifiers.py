"""What the modifiers of a field make of its values (specification 2.1.0, "Modifiers")."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_network
from itertools import product
from math import isfinite
from typing import Any, TypeAlias

from siem.problem import Problem
from siem.sigma import parse, regex
from siem.sigma.tree import (
    And,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Leaf,
    Node,
    Not,
    Number,
    Or,
    Regex,
    Text,
    TimePart,
    Wild,
    spelled,
)

Parts: TypeAlias = tuple[str | Wild, ...]
Lists: TypeAlias = Mapping[str, Sequence[str | int]]
"""Values for `|expand`, by the placeholder's name."""

FLAGS = {
    "i": re.I, "ignorecase": re.I, "m": re.M, "multiline": re.M, "s": re.S, "dotall": re.S,
}  # fmt: skip
COMPARE = frozenset(("lt", "lte", "gt", "gte"))
TIME = frozenset(("minute", "hour", "day", "week", "month", "year"))
RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "week": (1, 53), "month": (1, 12), "year": (1, 9999)}
EDGES = frozenset(("contains", "startswith", "endswith"))
LINKING = frozenset(("all", "neq"))
DASHES = "-/\u2013\u2014\u2015"
DASH = re.compile(r"\B[-/\u2013\u2014\u2015]\b")
MOST_DASHES = 5
"""Dashes of one value that `windash` varies: 3,125 texts."""

TOKEN = re.compile(r"\\[\\%*?]|%([^%]+)%")
"""An escape or a placeholder."""


@dataclass(frozen=True)
class Chars:
    """Text on its way through modifiers: literals and wildcards; `octets` where an encoding gave bytes."""

    parts: Parts
    octets: bytes | None = None

    @property
    def bytes(self) -> bytes:
        """What is encoded next."""
        if self.octets is not None:
            return self.octets
        if (text := spelled(self.parts)) is None:
            raise Problem("text with wildcards cannot be encoded")
        return text.encode()

    @property
    def characters(self) -> Parts:
        """What a modifier of characters works on."""
        if self.octets is not None:
            raise Problem("behind UTF-16 only base64, contains, startswith and endswith can stand")
        return self.parts


def joined(parts: Iterable[str | Wild]) -> Parts:
    """Neighbouring literals as one, runs of `*` as one, no empty literals."""
    made: list[str | Wild] = []
    for part in parts:
        if isinstance(part, Wild):
            if not (part is Wild.ANY and made and made[-1] is Wild.ANY):
                made.append(part)
        elif made and not isinstance(made[-1], Wild):
            made[-1] += part
        elif part:
            made.append(part)
    return tuple(made)


def contains(value: Chars) -> list[Chars]:
    return [Chars(joined((Wild.ANY, *value.parts, Wild.ANY)))]


def startswith(value: Chars) -> list[Chars]:
    return [Chars(joined((*value.parts, Wild.ANY)))]


def endswith(value: Chars) -> list[Chars]:
    return [Chars(joined((Wild.ANY, *value.parts)))]


def base64(value: Chars) -> list[Chars]:
    if not value.bytes:
        raise Problem("an empty text cannot be searched in base64")
    return [Chars((b64encode(value.bytes).decode(),))]


def base64offset(value: Chars) -> list[Chars]:
    """The three forms that bytes can have inside longer base64, without characters that their neighbours decide."""
    octets, forms = value.bytes, []
    for offset, start in enumerate((0, 2, 3)):
        end = (None, -3, -2)[(len(octets) + offset) % 3]
        forms.append(b64encode(b" " * offset + octets)[start:end].decode())
    if not all(forms):
        raise Problem("text is too short for base64offset")
    return [Chars((form,)) for form in forms]


def wide(encoding: str, mark: str, value: Chars) -> list[Chars]:
    """Text in UTF-16. As text of its own, not for base64, only what is also UTF-8 can be looked for."""
    given = value.characters
    text = spelled((mark, *given))
    octets = None if text is None else text.encode(encoding)
    parts = [part if isinstance(part, Wild) else _as_text(part.encode(encoding)) for part in given]
    return [Chars(joined((mark, *parts)), octets)]


def _as_text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def windash(value: Chars) -> list[Chars]:
    """Every dash or slash that begins a word, as each of the dashes that Windows takes for it."""
    pieces: list[Sequence[str | Wild]] = []
    varied = 0
    for part in value.characters:
        if isinstance(part, Wild):
            pieces.append((part,))
            continue
        start = 0
        for found in DASH.finditer(part):
            pieces += [(part[start : found.start()],), tuple(DASHES)]
            start, varied = found.end(), varied + 1
        pieces.append((part[start:],))
    if varied > MOST_DASHES:
        raise Problem(f"windash with more than {MOST_DASHES} dashes in one value")
    return [Chars(joined(parts)) for parts in product(*pieces)]


TRANSFORMS: dict[str, Callable[[Chars], list[Chars]]] = {
    "contains": contains,
    "startswith": startswith,
    "endswith": endswith,
    "base64": base64,
    "base64offset": base64offset,
    "wide": partial(wide, "utf-16-le", ""),
    "utf16le": partial(wide, "utf-16-le", ""),
    "utf16be": partial(wide, "utf-16-be", ""),
    "utf16": partial(wide, "utf-16-le", "\ufeff"),
    "windash": windash,
}
ALONGSIDE: dict[str, frozenset[str]] = {
    "re": frozenset((*FLAGS, "contains", "expand")),
    "cidr": frozenset(("expand",)),
    "exists": frozenset(),
    "fieldref": EDGES | {"cased"},
    **dict.fromkeys(COMPARE | TIME, frozenset()),
    "": frozenset((*TRANSFORMS, "cased", "expand")),
}
"""What kind of test a modifier makes, and which others may stand beside it."""


def item(key: str, value: Any, lists: Lists) -> Node:
    """One line of a selection: `field|modifiers: value or values`.

    Raises:
        Problem: it cannot be run with the meaning that the specification gives it.
    """
    name, *modifiers = key.split("|")
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise Problem(f"field {name!r} has control characters")
    field = name or None
    kind = kind_of(modifiers)
    values = value if isinstance(value, list) else [value]
    if not values:
        if field is None:
            raise Problem("there are no keywords in the list")
        values = [None]  # as pySigma has it: a list of nothing is nothing
    rest = [modifier for modifier in modifiers if modifier not in LINKING and modifier != kind]
    nodes = [one(field, kind, rest, given, lists) for given in values]
    linked = nodes[0] if len(nodes) == 1 else And(tuple(nodes)) if "all" in modifiers else Or(tuple(nodes))
    return Not(linked) if "neq" in modifiers else linked


def kind_of(modifiers: Sequence[str]) -> str:
    """The modifier that decides what is tested; "" for text, numbers and null."""
    known = {*ALONGSIDE, *FLAGS, *TRANSFORMS, *LINKING, "cased", "expand"}
    for modifier in modifiers:
        if modifier not in known or not modifier:
            raise Problem(f"modifier `{modifier}` is not known")
    kinds = [modifier for modifier in modifiers if modifier in ALONGSIDE]
    if len(kinds) > 1:
        raise Problem(f"modifiers `{kinds[0]}` and `{kinds[1]}` cannot stand together")
    kind = kinds[0] if kinds else ""
    for modifier in modifiers:
        if modifier not in LINKING and modifier != kind and modifier not in ALONGSIDE[kind]:
            beside = f"beside `{kind}`" if kind else "without `re`"
            raise Problem(f"modifier `{modifier}` cannot stand {beside}")
    return kind


def one(field: str | None, kind: str, rest: Sequence[str], value: Any, lists: Lists) -> Node:
    """The test of one value."""
    if isinstance(value, (dict, list)) or not isinstance(value, (str, int, float, type(None))):
        raise Problem(f"a value must be text, a number, true, false or null, not {type(value).__name__}")
    if isinstance(value, float) and not isfinite(value):
        raise Problem("infinity and NaN are no values")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Problem("a value holds half a character (a lone surrogate)")
    match kind:
        case "re":
            return any_of(field, regexes(wanted(value, str, "re"), rest, lists))
        case "cidr":
            return any_of(field, networks(wanted(value, str, "cidr"), rest, lists))
        case "exists":
            return existence(field, value)
        case "fieldref":
            if field is None:
                raise Problem("modifier `fieldref` needs a field")
            return any_of(field, (reference(wanted(value, str, "fieldref"), rest),))
        case _ if kind in COMPARE:
            return any_of(field, (Compare(kind, plain_number(value, kind)),))
        case _ if kind in TIME:
            return any_of(field, (time_part(kind, value),))
    return plain(field, rest, value, lists)


def any_of(field: str | None, tests: Iterable[Any]) -> Node:
    leaves = tuple([Leaf(field, test) for test in tests])
    return leaves[0] if len(leaves) == 1 else Or(leaves)


def wanted(value: Any, kind: type, modifier: str) -> Any:
    if not isinstance(value, kind):
        raise Problem(f"modifier `{modifier}` needs text: put the value into quotes")
    return value


def plain_number(value: Any, modifier: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Problem(f"modifier `{modifier}` needs a number")
    return value


def time_part(part: str, value: Any) -> TimePart:
    number = plain_number(value, part)
    low, high = RANGES[part]
    if not isinstance(number, int) or not low <= number <= high:
        raise Problem(f"modifier `{part}` needs a whole number from {low} to {high}")
    return TimePart(part, number)


def existence(field: str | None, value: Any) -> Node:
    if not isinstance(value, bool) or field is None:
        raise Problem("modifier `exists` needs a field, and true or false")
    return Leaf(field, Exists()) if value else Not(Leaf(field, Exists()))


def reference(text: str, rest: Sequence[str]) -> FieldRef:
    name = spelled(parse.pattern(text))
    if not name:
        raise Problem("modifier `fieldref` needs the name of one field")
    edges = EDGES.intersection(rest)
    mode = "equals" if not edges else next(iter(edges)) if len(edges) == 1 else "contains"
    return FieldRef(name, mode, "cased" in rest)


def plain(field: str | None, rest: Sequence[str], value: Any, lists: Lists) -> Node:
    """Text with its modifiers, or a number, true, false, null as they are."""
    if value is None:
        if field is None or rest:
            raise Problem("null stands for a field that is not there: it needs a field, and takes no modifiers")
        return Not(Leaf(field, Exists()))
    if isinstance(value, str):
        return any_of(field, texts(field, rest, value, lists))
    if set(rest) - {"expand"}:
        raise Problem(f"modifier `{rest[0]}` needs text: put the value into quotes")
    return Leaf(field, Text((str(value).lower(),)) if isinstance(value, bool) else Number(value))


def texts(field: str | None, rest: Sequence[str], value: str, lists: Lists) -> Iterator[Text | Number]:
    """The texts that a value stands for. A keyword is looked for inside of a leaf, as in a log line."""
    cased = "cased" in rest
    transforms = [TRANSFORMS[name] for name in rest if name in TRANSFORMS]
    keyword = field is None and not EDGES.intersection(rest)
    for start in expanded(value, lists) if "expand" in rest else [parse.pattern(value)]:
        if isinstance(start, int) and not transforms and not cased:
            yield Number(start)
            continue
        forms = [Chars((str(start),) if isinstance(start, int) else joined(start))]
        for transform in [*transforms, contains] if keyword else transforms:
            forms = [made for form in forms for made in transform(form)]
        for form in forms:
            yield Text(searchable(form.parts), cased)


def searchable(parts: Parts) -> Parts:
    """Refuses text that no record can hold: UTF-16 of letters beyond ASCII, not followed by base64."""
    try:
        "".join(map(str, parts)).encode()
    except UnicodeEncodeError as error:
        raise Problem("UTF-16 of letters beyond ASCII can only be looked for in base64") from error
    return parts


def pieces(value: str) -> list[tuple[str, bool]]:
    """A value split at its placeholders: (text or name, is a name). `\\%` is a percent sign."""
    found: list[tuple[str, bool]] = []
    start, text = 0, ""
    for token in TOKEN.finditer(value):
        text += value[start : token.start()]
        start = token.end()
        if token[1] is not None:
            found += [(text, False), (token[1], True)]
            text = ""
        else:
            text += "%" if token[0] == r"\%" else token[0]
    return [*found, (text + value[start:], False)]


def listed(name: str, lists: Lists) -> Sequence[str | int]:
    if name not in lists:
        raise Problem(f"placeholder %{name}% is not resolved: there is no list of that name")
    return lists[name]


def expanded(value: str, lists: Lists) -> Iterator[Parts | int]:
    """The value with each placeholder replaced by each value of its list; of an empty list nothing comes."""
    split = pieces(value)
    choices = [listed(text, lists) if is_name else (text,) for text, is_name in split]
    alone = len([text for text, is_name in split if is_name or text]) == 1
    for chosen in product(*choices):
        number = next((given for given in chosen if isinstance(given, int)), None)
        if alone and number is not None:
            yield number
        else:
            yield joined([part for given in chosen for part in parse.pattern(str(given))])


def regexes(value: str, rest: Sequence[str], lists: Lists) -> Iterator[Regex]:
    """Expressions; what a placeholder stands for is looked for as it is written."""
    flags = re.RegexFlag.NOFLAG
    for name in rest:
        flags |= FLAGS.get(name, re.RegexFlag.NOFLAG)
    split = regex_pieces(value) if "expand" in rest else [(value, False)]
    choices = [
        [re.escape(str(given)) for given in listed(text, lists)] if is_name else [text] for text, is_name in split
    ]
    for chosen in product(*choices):
        try:
            regex.compiled("".join(chosen), flags)
        except regex.Unsupported as error:
            raise Problem(str(error)) from error
        yield Regex("".join(chosen), flags)


def as_written(part: str | Wild) -> str:
    return part.value if isinstance(part, Wild) else part


def regex_pieces(value: str) -> list[tuple[str, bool]]:
    """An expression split at its placeholders; its own escapes are left as they are."""
    split = re.split(r"(?<!\\)%([^%]+)%", value)
    return [(text.replace(r"\%", "%"), False) if place % 2 == 0 else (text, True) for place, text in enumerate(split)]


def networks(value: str, rest: Sequence[str], lists: Lists) -> Iterator[Cidr]:
    for text in expanded(value, lists) if "expand" in rest else [(value,)]:
        written = str(text) if isinstance(text, int) else "".join(map(as_written, text))
        try:
            yield Cidr(ip_network(written))
        except ValueError as error:
            raise Problem(f"{written!r} is no network: {error}") from error
