"""Regular expressions of rules: one parse tree, written for Python and, where it surely means the same, for RE2.

The meaning is the same everywhere: `\\d \\w \\s \\b` are ASCII, `$` is the very end, `i` folds Unicode. The tree is
that of Python's own parser; both dialects are written out from it with nothing left to flags but case.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

parser: Any = importlib.import_module("re._parser")  # the parser of `re`; it has no public name

ALLOWED = re.I | re.M | re.S
WORD, DIGIT, SPACE = "0-9A-Za-z_", "0-9", r"\t\n\x0b\x0c\r "
CATEGORIES = {"DIGIT": DIGIT, "WORD": WORD, "SPACE": SPACE}
OUTSIDE = {
    WORD: r"\x{0}-/:-@\[-\^`\{-\x{10ffff}",
    DIGIT: r"\x{0}-/:-\x{10ffff}",
    SPACE: r"\x{0}-\x{8}\x{e}-\x{1f}!-\x{10ffff}",
}
"""The other characters, for RE2, which has no class inside of a class."""
EDGE = f"(?-i:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))"
NO_EDGE = f"(?-i:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"
REPEATS = {"MAX_REPEAT": "", "MIN_REPEAT": "?", "POSSESSIVE_REPEAT": "+"}

FOLDED = {"i": "iIİı", "k": "kK\u212a", "s": "sSſ"}
"""ASCII letters that more than two characters are the same as without case, as Python has it."""

RE2_SIZE = 4_000
"""Characters of a pattern for RE2, its repeats written out: far from the memory at which it gives up."""


RE2_REPEATS = 1_000
"""How often RE2 lets something come, in repeats inside of each other too; it refuses `(a{1000}){2}`."""


class Unsupported(ValueError):
    """The expression cannot be run with the meaning that it would have in a rule; the text says why."""


class _Inexact(Exception):
    """RE2 has nothing that surely means the same."""


@lru_cache(maxsize=4096)
def compiled(pattern: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> re.Pattern[str]:
    """The expression for `search`.

    Raises:
        Unsupported: it is not an expression, or asks for another meaning of its classes.
    """
    tree, folding = parsed(pattern, flags)
    text = Python().sequence(tree, folding)
    return re.compile(f"(?i:{text})" if folding & re.I else text)


@lru_cache(maxsize=4096)
def re2(pattern: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> str | None:
    """The same expression for RE2; None where it has none that surely finds the same."""
    return _written(_Re2(), pattern, flags)


def wider(pattern: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> str | None:
    """An expression for RE2 that finds all that this one does, and more; None where it has none."""
    return _written(_Wider(), pattern, flags)


def _written(dialect: Dialect, pattern: str, flags: re.RegexFlag) -> str | None:
    tree, folding = parsed(pattern, flags)
    try:
        if size(tree) > RE2_SIZE or repeats(tree) > RE2_REPEATS:
            return None
        return dialect.sequence(tree, folding)
    except _Inexact:
        return None


STEPS = 10_000_000
"""Steps that Python's engine may take for one text, about a second at worst. It tries every way that repeats can share
the text: the length to the power of their number, and one more for where it begins. RE2 takes one way."""


def searching(pattern: str, flags: re.RegexFlag = re.RegexFlag.NOFLAG) -> Callable[[str], bool]:
    """Whether a text holds the expression. Logs are written by attackers: what Python could take long for, RE2 judges;
    what RE2 has not, Python looks for only where RE2 finds the rest.

    Raises:
        Unsupported: see `compiled`.
    """
    search, exact = compiled(pattern, flags).search, re2(pattern, flags)
    ways = growth(parsed(pattern, flags)[0])
    linear = exact or wider(pattern, flags)
    if linear is None or not ways:
        return lambda text: search(text) is not None
    longest = int(STEPS ** (1 / (ways + 1)))

    def holds(text: str) -> bool:
        if len(text) <= longest:
            return search(text) is not None
        found = bool(pc.match_substring_regex(pa.scalar(text), pattern=linear).as_py())
        return found and (exact is not None or search(text) is not None)

    return holds


MANY = 32
"""A repeat that may come so often counts as one without end."""


def growth(tree: Any) -> int:
    """How many repeats without end can share a text; those inside another count four times."""
    found = 0
    for kind, value in tree:
        name = str(kind)
        if name in REPEATS:
            _, most, below = value
            found += 4 * growth(below) + 1 if most is parser.MAXREPEAT or most >= MANY else growth(below)
        elif name in ("ASSERT", "ASSERT_NOT"):
            found += growth(value[1])
        else:
            found += max(map(growth, branches(name, value)), default=0)
    return found


def parsed(pattern: str, flags: re.RegexFlag) -> tuple[Any, int]:
    """The tree of an expression, and the flags that hold for all of it (`Unsupported` as in `compiled`)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `[[:alpha:]]`: Python only warns that it reads something else
            tree = parser.parse(pattern, int(flags & ALLOWED))
            re.compile(pattern, flags & ALLOWED)
    except re.error as error:
        raise Unsupported(f"regular expression {pattern!r} cannot be read: {error}") from error
    except (FutureWarning, DeprecationWarning) as warning:
        raise Unsupported(f"regular expression {pattern!r} is ambiguous: {warning}") from warning
    except (RecursionError, OverflowError) as error:
        raise Unsupported(f"regular expression {pattern[:80]!r} is too deep or repeats too often") from error
    if tree.state.flags & (re.A | re.L):
        raise Unsupported(f"regular expression {pattern!r}: only the flags i, m, s and x are known")
    return tree, tree.state.flags


def size(tree: Any) -> int:
    """About how many characters the expression has with its repeats written out."""
    total = 0
    for kind, value in tree:
        name = str(kind)
        if name in REPEATS:
            least, most, below = value
            total += size(below) * max(1, least if most is parser.MAXREPEAT else most)
        elif inner := branches(name, value):
            total += sum(map(size, inner))
        else:
            total += 12 if name in ("IN", "ANY", "NOT_LITERAL") else 2
    return total


def repeats(tree: Any) -> int:
    """How often something comes at most in repeats inside of each other; in those without end at least."""
    found = 1
    for kind, value in tree:
        name = str(kind)
        if name in REPEATS:
            least, most, below = value
            found = max(found, repeats(below) * max(1, least if most is parser.MAXREPEAT else most))
        else:
            found = max([found, *map(repeats, branches(name, value))])
    return found


def branches(name: str, value: Any) -> list[Any]:
    """The trees inside an item that does not repeat; look-around holds none that is a part of what is found."""
    match name:
        case "SUBPATTERN":
            return [value[3]]
        case "BRANCH":
            return list(value[1])
        case "ATOMIC_GROUP":
            return [value]
        case "GROUPREF_EXISTS":
            return [value[1], value[2] or []]
    return []


@dataclass(frozen=True)
class Dialect:
    """Writes a tree. `flags` are those in force where it stands."""

    def sequence(self, tree: Any, flags: int) -> str:
        return "".join([self.item(str(kind), value, flags) for kind, value in tree])

    def item(self, kind: str, value: Any, flags: int) -> str:
        match kind:
            case "LITERAL":
                return self.literal(value, flags)
            case "NOT_LITERAL":
                return self.one_of([("LITERAL", value)], True, flags)
            case "ANY":
                return self.any(flags)
            case "IN":
                items = [(str(name), given) for name, given in value]
                negated = items[0][0] == "NEGATE"
                return self.one_of(items[negated:], negated, flags)
            case "BRANCH":
                return f"(?:{'|'.join([self.sequence(branch, flags) for branch in value[1]])})"
            case "SUBPATTERN":
                number, added, removed, below = value
                return self.group(number, added, removed, below, flags)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, below = value
                return self.repeat(kind, least, most, below, flags)
            case "AT":
                return self.place(str(value), flags)
            case _:
                return self.special(kind, value, flags)

    def repeat(self, kind: str, least: int, most: Any, below: Any, flags: int) -> str:
        often = f"{{{least},}}" if most is parser.MAXREPEAT else f"{{{least},{most}}}"
        return f"(?:{self.sequence(below, flags)}){often}{REPEATS[kind]}"

    def literal(self, code: int, flags: int) -> str:
        raise NotImplementedError

    def one_of(self, items: list[tuple[str, Any]], negated: bool, flags: int) -> str:
        raise NotImplementedError

    def any(self, flags: int) -> str:
        raise NotImplementedError

    def group(self, number: int | None, added: int, removed: int, below: Any, flags: int) -> str:
        raise NotImplementedError

    def place(self, name: str, flags: int) -> str:
        raise NotImplementedError

    def special(self, kind: str, value: Any, flags: int) -> str:
        raise NotImplementedError


def category(name: str) -> tuple[str, bool]:
    """`CATEGORY_NOT_DIGIT` -> the digits, True."""
    plain = name.removeprefix("CATEGORY_")
    return CATEGORIES[plain.removeprefix("NOT_")], plain.startswith("NOT_")


class Python(Dialect):
    """What the predicate searches with."""

    def literal(self, code: int, flags: int) -> str:
        return chr(code) if chr(code).isalnum() else f"\\U{code:08x}"

    def any(self, flags: int) -> str:
        return r"[\s\S]" if flags & re.S else r"[^\n]"

    def one_of(self, items: list[tuple[str, Any]], negated: bool, flags: int) -> str:
        """Named classes are never folded: with `i`, `\\w` would else take in `ſ`."""
        plain, choices = "", []
        for kind, value in items:
            if kind == "CATEGORY":
                letters, outside = category(str(value))
                choices.append(f"(?-i:[{'^' if outside else ''}{letters}])")
            else:
                low, high = value if kind == "RANGE" else (value, value)
                plain += f"\\U{low:08x}-\\U{high:08x}"
        if negated and not choices:
            return f"[^{plain}]"
        choices += [f"[{plain}]"] if plain else []
        either = "|".join(choices)
        return rf"(?:(?!{either})[\s\S])" if negated else f"(?:{either})"

    def group(self, number: int | None, added: int, removed: int, below: Any, flags: int) -> str:
        if added & (re.A | re.L):
            raise Unsupported("a regular expression asks for classes by locale or ASCII folding")
        text = self.sequence(below, (flags | added) & ~removed)
        folded = f"(?i:{text})" if added & re.I else f"(?-i:{text})" if removed & re.I else text
        return f"(?:{folded})" if number is None else f"({folded})"

    def place(self, name: str, flags: int) -> str:
        several = flags & re.M
        return {
            "AT_BEGINNING": r"(?m:^)" if several else r"\A",
            "AT_BEGINNING_STRING": r"\A",
            "AT_END": r"(?=\n|\Z)" if several else r"\Z",
            "AT_END_STRING": r"\Z",
            "AT_BOUNDARY": EDGE,
            "AT_NON_BOUNDARY": NO_EDGE,
        }[name]

    def special(self, kind: str, value: Any, flags: int) -> str:
        match kind:
            case "ASSERT" | "ASSERT_NOT":
                direction, below = value
                mark = "?<" if direction < 0 else "?"
                return f"({mark}{'=' if kind == 'ASSERT' else '!'}{self.sequence(below, flags)})"
            case "ATOMIC_GROUP":
                return f"(?>{self.sequence(value, flags)})"
            case "GROUPREF":
                return f"(?:\\{value})"
            case "GROUPREF_EXISTS":
                number, there, missing = value
                absent = self.sequence(missing, flags) if missing else ""
                return f"(?({number}){self.sequence(there, flags)}|{absent})"
        raise Unsupported(f"a regular expression uses {kind.lower()}, which is not known here")


class _Re2(Dialect):
    def literal(self, code: int, flags: int) -> str:
        if flags & re.I and chr(code).upper() != chr(code).lower():
            return self.one_of([("LITERAL", code)], False, flags)
        return f"\\x{{{code:x}}}"

    def any(self, flags: int) -> str:
        return "(?s:.)" if flags & re.S else r"[^\n]"

    def one_of(self, items: list[tuple[str, Any]], negated: bool, flags: int) -> str:
        inside = ""
        for kind, value in items:
            if kind == "CATEGORY":
                letters, outside = category(str(value))
                inside += OUTSIDE[letters] if outside else letters
            else:
                low, high = value if kind == "RANGE" else (value, value)
                inside += folded(low, high) if flags & re.I else f"\\x{{{low:x}}}-\\x{{{high:x}}}"
        return f"[{'^' if negated else ''}{inside}]"

    def group(self, number: int | None, added: int, removed: int, below: Any, flags: int) -> str:
        return f"(?:{self.sequence(below, (flags | added) & ~removed)})"

    def repeat(self, kind: str, least: int, most: Any, below: Any, flags: int) -> str:
        if kind == "POSSESSIVE_REPEAT":
            raise _Inexact
        return super().repeat(kind, least, most, below, flags)

    def place(self, name: str, flags: int) -> str:
        several = flags & re.M
        return {
            "AT_BEGINNING": r"(?m:^)" if several else r"\A",
            "AT_BEGINNING_STRING": r"\A",
            "AT_END": r"(?m:$)" if several else r"\z",
            "AT_END_STRING": r"\z",
            "AT_BOUNDARY": r"\b",
            "AT_NON_BOUNDARY": r"\B",
        }[name]

    def special(self, kind: str, value: Any, flags: int) -> str:
        raise _Inexact


class _Wider(_Re2):
    """Look-around is left out, a reference is any text, and what was matched may be given back."""

    def one_of(self, items: list[tuple[str, Any]], negated: bool, flags: int) -> str:
        try:
            return super().one_of(items, negated, flags)
        except _Inexact:
            return "(?s:.)"

    def repeat(self, kind: str, least: int, most: Any, below: Any, flags: int) -> str:
        return super().repeat(kind.replace("POSSESSIVE", "MAX"), least, most, below, flags)

    def special(self, kind: str, value: Any, flags: int) -> str:
        match kind:
            case "ASSERT" | "ASSERT_NOT":
                return ""
            case "ATOMIC_GROUP":
                return self.sequence(value, flags)
            case "GROUPREF":
                return "(?s:.*)"
            case "GROUPREF_EXISTS":
                _, there, missing = value
                return f"(?:{self.sequence(there, flags)}|{self.sequence(missing or [], flags)})"
        raise _Inexact


def folded(low: int, high: int) -> str:
    """The inside of a class that holds a range in either case; only of ASCII is it known what Python folds."""
    if high > 0x7F:
        raise _Inexact
    letters = {other for code in range(low, high + 1) for other in either_case(chr(code))}
    return "".join([f"\\x{{{ord(letter):x}}}" for letter in sorted(letters)])


def either_case(letter: str) -> str:
    return FOLDED.get(letter.lower()) or letter.lower() + letter.upper()
