"""Expressions piece by piece: Lucene's text, and the automaton behind it, to know what it costs before a node does.

Lucene makes a deterministic automaton of an expression or pattern and refuses the whole search where that takes more
than 100,000 steps (`max_determinized_states` times ten). The automaton here is Glushkov's: a state per character.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from string import punctuation

from siem.sigma.opensearch.characters import EVERYTHING, Ranges, holds
from siem.sigma.tree import Wild

MOST_WORK = 20_000
"""A fifth of the steps that Lucene allows; its automaton has a few states more than ours."""

MOST_POSITIONS = 9_000


class TooComplex(Exception):
    """A node might refuse the expression, and with it the whole search."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an expression. first, last: bits of the positions at which it can begin and end."""

    text: str
    nullable: bool
    first: int
    last: int


EMPTY = Piece("()", True, 0, 0)


def quoted(text: str) -> str:
    """Literal text in an expression."""
    return "".join([f"\\{letter}" if letter in punctuation else letter for letter in text])


def written(parts: Iterable[str | Wild]) -> str:
    """Literals and wildcards in an expression."""
    wild = {Wild.ANY: "@", Wild.ONE: "."}
    return "".join([wild[part] if isinstance(part, Wild) else quoted(part) for part in parts])


class Automaton:
    """Makes an expression, and can tell what it costs."""

    def __init__(self) -> None:
        self._accepts: list[Ranges] = []
        self._follow: list[int] = []

    def one(self, text: str, ranges: Ranges) -> Piece:
        """One character."""
        place = len(self._accepts)
        if place >= MOST_POSITIONS:
            raise TooComplex
        self._accepts.append(ranges)
        self._follow.append(0)
        return Piece(text, False, 1 << place, 1 << place)

    def anything(self) -> Piece:
        """Any run of characters."""
        return self.many(self.one(".", EVERYTHING), "@")

    def parts(self, parts: Iterable[str | Wild]) -> Piece:
        """Literals and wildcards."""
        pieces: list[Piece] = []
        for part in parts:
            if isinstance(part, Wild):
                pieces.append(self.anything() if part is Wild.ANY else self.one(".", EVERYTHING))
            else:
                pieces += [self.one(quoted(letter), ((ord(letter), ord(letter)),)) for letter in part]
        return self.chain(pieces)

    def chain(self, pieces: Iterable[Piece]) -> Piece:
        """One after the other."""
        return reduce(self._after, pieces, EMPTY)

    def _after(self, left: Piece, right: Piece) -> Piece:
        if EMPTY in (left, right):
            return right if left == EMPTY else left
        for place in bits(left.last):
            self._follow[place] |= right.first
        first = left.first | right.first if left.nullable else left.first
        last = left.last | right.last if right.nullable else right.last
        return Piece(left.text + right.text, left.nullable and right.nullable, first, last)

    def either(self, pieces: Iterable[Piece]) -> Piece:
        given = list(pieces)
        if len(given) == 1:
            return given[0]
        first = reduce(int.__or__, [piece.first for piece in given], 0)
        last = reduce(int.__or__, [piece.last for piece in given], 0)
        return Piece(f"({'|'.join([piece.text for piece in given])})", any(p.nullable for p in given), first, last)

    def optional(self, piece: Piece) -> Piece:
        return Piece(piece.text, True, piece.first, piece.last)

    def many(self, piece: Piece, text: str) -> Piece:
        """Any number of times."""
        for place in bits(piece.last):
            self._follow[place] |= piece.first
        return Piece(text, True, piece.first, piece.last)

    def check(self, piece: Piece) -> None:
        """Goes through the states of the deterministic automaton.

        Raises:
            TooComplex: there are too many.
        """
        alphabet, spent = self._alphabet(), 0
        seen, queue = {piece.first}, [piece.first]
        while queue:
            state = queue.pop()
            spent += state.bit_count() + 1
            if spent > MOST_WORK:
                raise TooComplex
            for letter in alphabet:
                after = reduce(int.__or__, [self._follow[place] for place in bits(state & letter)], 0)
                if after not in seen:
                    seen.add(after)
                    queue.append(after)

    def _alphabet(self) -> set[int]:
        """For each character that makes a difference the positions that take it."""
        where: dict[Ranges, int] = {}
        for place, ranges in enumerate(self._accepts):
            where[ranges] = where.get(ranges, 0) | 1 << place
        edges = {edge for ranges in where for low, high in ranges for edge in (low, high + 1)}
        return {sum([places for ranges, places in where.items() if holds(ranges, edge)]) for edge in edges}


def bits(number: int) -> Iterator[int]:
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low
