"""Regular expressions of rules for Lucene, from the predicate's parse tree: what they find, or a little more.

Lucene looks at whole values; it has no assertions, no references, no groups that keep what they matched, and reads
`^ $ (?: (?i) \\1` as something else. On an index without case it folds the expression too, which turns `\\S` into
`\\s`: nothing is written here but literals, explicit classes, groups and repeats.
https://docs.opensearch.org/latest/query-dsl/regex-syntax/
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from string import punctuation
from typing import Any

from siem.sigma import regex
from siem.sigma.opensearch.automaton import EMPTY, Automaton, Piece, TooComplex, quoted
from siem.sigma.opensearch.characters import EVERYTHING, Ranges, outside, taken, trimmed, without_case
from siem.sigma.tree import Wild

LONGEST = 1000
"""Characters of an expression that a node accepts (`index.max_regex_length`)."""

LONGEST_CLASS = 200
"""A class that takes more to write is taken for any character."""

BEGINNING, END = frozenset(("AT_BEGINNING", "AT_BEGINNING_STRING")), frozenset(("AT_END", "AT_END_STRING"))
LINES = frozenset(("AT_BEGINNING", "AT_END"))

REPEATS = {(0, regex.parser.MAXREPEAT): "*", (1, regex.parser.MAXREPEAT): "+", (0, 1): "?"}


@dataclass(frozen=True)
class Expression:
    """For a `regexp` query. exact: False: it finds more than the rule asks for."""

    text: str
    exact: bool


@lru_cache(maxsize=4096)
def expression(
    pattern: str, flags: re.RegexFlag, before: tuple[str | Wild, ...] = (), folded: bool = True
) -> Expression | None:
    """The expression for values with `before` in front of them; None where a node might not take it.

    folded: the values are indexed without case.
    """
    tree, given = regex.parsed(pattern, flags)
    automaton = Automaton()
    writer = _Writer(automaton, folded)
    try:
        piece = automaton.chain([automaton.parts(before), writer.search(tree, given)])
        if len(piece.text) > LONGEST:
            return None
        automaton.check(piece)
    except TooComplex:
        return None
    return Expression(piece.text, writer.exact)


class _Writer:
    def __init__(self, automaton: Automaton, folded: bool) -> None:
        self._automaton, self._folded = automaton, folded
        self.exact = True

    def search(self, tree: Any, flags: int) -> Piece:
        """Found anywhere in the value, unless it is bound to its ends."""
        ways: dict[tuple[bool, bool], list[Piece]] = {}
        for items, given in alternatives(tree, flags):
            begins = bool(items) and bound(items[0], BEGINNING, given)
            rest = items[begins:]
            ends = bool(rest) and bound(rest[-1], END, given)
            body = self.sequence(rest[: len(rest) - ends], given)
            ways.setdefault((begins, ends), []).append(body)
        return self._automaton.either([self._open(*way, bodies) for way, bodies in ways.items()])

    def _open(self, begins: bool, ends: bool, bodies: list[Piece]) -> Piece:
        automaton = self._automaton
        before = EMPTY if begins else automaton.anything()
        return automaton.chain([before, automaton.either(bodies), EMPTY if ends else automaton.anything()])

    def sequence(self, tree: Any, flags: int) -> Piece:
        return self._automaton.chain([self.item(str(kind), value, flags) for kind, value in tree])

    def item(self, kind: str, value: Any, flags: int) -> Piece:
        match kind:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                return self.letter(kind, value, flags)
            case "BRANCH":
                return self._automaton.either([self.sequence(branch, flags) for branch in value[1]])
            case "SUBPATTERN":
                _, added, removed, below = value
                return self.sequence(below, (flags | added) & ~removed)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                self.exact &= kind != "POSSESSIVE_REPEAT"
                least, most, below = value
                return self.repeat(least, most, lambda: self.sequence(below, flags))
        self.exact = False
        if kind in ("AT", "ASSERT", "ASSERT_NOT"):
            return EMPTY
        return self.sequence(value, flags) if kind == "ATOMIC_GROUP" else self._automaton.anything()

    def repeat(self, least: int, most: Any, copy: Callable[[], Piece]) -> Piece:
        automaton, endless = self._automaton, most is regex.parser.MAXREPEAT
        body = copy()
        if body == EMPTY or most == 0:
            return EMPTY
        copies = [body, *[copy() for _ in range((least + 1 if endless else most) - 1)]]
        optional = [automaton.many(copies[-1], "")] if endless else map(automaton.optional, copies[least:])
        chained = automaton.chain([*copies[:least], *optional])
        often = REPEATS.get((least, most)) or (f"{{{least},}}" if endless else f"{{{least},{most}}}")
        return Piece(f"({body.text}){often}", chained.nullable, chained.first, chained.last)

    def letter(self, kind: str, value: Any, flags: int) -> Piece:
        ranges = characters(kind, value, flags)
        if self._folded:
            ranges, closed = without_case(ranges)
            self.exact &= closed
        text = written(ranges, self._folded)
        if text is None:
            self.exact, text, ranges = False, ".", EVERYTHING
        return self._automaton.one(text, ranges)


def alternatives(tree: Any, flags: int) -> list[tuple[list[Any], int]]:
    """The branches of an expression, looked for through the groups around it, with the flags in force there."""
    items = list(tree)
    if len(items) == 1 and str(items[0][0]) == "BRANCH":
        return [way for branch in items[0][1][1] for way in alternatives(branch, flags)]
    if len(items) == 1 and str(items[0][0]) == "SUBPATTERN":
        _, added, removed, below = items[0][1]
        return alternatives(below, (flags | added) & ~removed)
    return [(items, flags)]


def bound(item: Any, places: frozenset[str], flags: int) -> bool:
    """The item holds the expression at an end of the value, not only of a line."""
    kind, value = item
    return str(kind) == "AT" and str(value) in places and not (flags & re.M and str(value) in LINES)


def characters(kind: str, value: Any, flags: int) -> Ranges:
    """What the predicate takes there."""
    if kind == "LITERAL" and not flags & re.I:
        return ((value, value),)
    text = regex.Python().item(kind, value, flags)
    return taken(f"(?i:{text})" if flags & re.I else text)


def written(ranges: Ranges, folded: bool) -> str | None:
    """A class that takes these characters; None if it is too long."""
    inside, others = ranges, outside(ranges)
    if folded:
        inside, others = trimmed(inside), trimmed(others)
    if not inside or not others:
        return "." if inside else "#"
    if len(inside) == 1 and inside[0][0] == inside[0][1]:
        return quoted(chr(inside[0][0]))
    shortest = min(f"[{runs(inside)}]", f"[^{runs(others)}]", key=len)
    return shortest if len(shortest) <= LONGEST_CLASS else None


def runs(ranges: Ranges) -> str:
    return "".join([run(low, high) for low, high in ranges])


def run(low: int, high: int) -> str:
    """The inside of a class.

    Half characters, of which no text is made, cannot be written; and no range begins or ends in an escaped character:
    Lucene takes `[\\@-Z]` for three characters.
    """
    codes = [0xE000 if 0xD800 <= low < 0xE000 else low, 0xD7FF if 0xD800 <= high < 0xE000 else high]
    single: list[list[str]] = [[], []]
    for end, step in ((0, 1), (1, -1)):
        while codes[0] <= codes[1] and chr(codes[end]) in punctuation:
            single[end].append(chr(codes[end]))
            codes[end] += step
    first, last = codes
    plain = "" if first > last else chr(first) if first == last else f"{chr(first)}-{chr(last)}"
    return quoted("".join(single[0])) + plain + quoted("".join(reversed(single[1])))
