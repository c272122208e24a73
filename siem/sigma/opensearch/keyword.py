"""Tests of texts that OpenSearch indexes as they are: in a keyword field, perhaps behind the path of a leaf."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Network

from siem.schema import fold
from siem.schema.leaves import LONGEST, units
from siem.sigma.bounds import Bounds
from siem.sigma.modifiers import joined
from siem.sigma.opensearch import lucene
from siem.sigma.opensearch.automaton import Automaton, TooComplex, quoted, written
from siem.sigma.opensearch.dsl import NEVER, Condition, Match, Parts, at_most, exact, exists, regexp
from siem.sigma.tree import Cidr, Compare, Exists, FieldRef, Number, Regex, Test, Text, TimePart, Wild

NUMBER = r"\-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+\-]?[0-9]+)?"
FRACTION = r"\-?[0-9]+[.e][0-9e.+\-]+"
"""A number with a fraction or an exponent, and some that are none: may equal any number, 21.99999999999999999 is 22."""

ZERO = r"\-?0"

LARGEST = 10**300
"""Integers below this have a text that the predicate reads as an integer."""

OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
IPV6 = "[0-9a-f]{0,4}:@"
TIME = r"[0-9]{4}\-[0-9]{2}\-@"

LONGEST_PIECE = 50
"""Characters that are left of a literal where a pattern is too complex for a node."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text is indexed: without case; perhaps also with it; `before` stands in front of it (folded)."""

    folded: str
    cased: str | None = None
    before: Parts = ()


def holds(place: Place, test: Test) -> Bounds[Condition]:
    """One of the texts there passes."""
    match test:
        case Exists():
            return exact(present(place))
        case Text(parts, cased):
            return text(place, parts, cased)
        case Regex():
            return expression(place, test)
        case Number(value):
            return number(place, value)
        case Compare():
            return at_most(whole(place, NUMBER))
        case Cidr(network):
            return inside(place, network) if isinstance(network, IPv4Network) else at_most(whole(place, IPV6))
        case TimePart():
            return at_most(whole(place, TIME))
        case FieldRef():
            raise AssertionError("a reference has two places")


def present(place: Place) -> Condition:
    return Match(place.folded, (*place.before, Wild.ANY)) if place.before else exists(place.folded)


def whole(place: Place, pattern: str) -> Condition:
    """The text reads like an expression, which must hold no upper case."""
    given = written(place.before) + pattern
    return regexp(place.folded, given) if len(given) <= lucene.LONGEST else present(place)


def text(place: Place, parts: Parts, cased: bool) -> Bounds[Condition]:
    if cased and place.cased:
        return reading(place.cased, joined((*place.before, *parts)))
    folded = joined((*place.before, *[part if isinstance(part, Wild) else fold(part) for part in parts]))
    bounds = reading(place.folded, folded)
    return at_most(bounds.most) if cased or not all(map(is_settled, folded)) else bounds


def is_settled(part: str | Wild) -> bool:
    """Every letter is known here: those that came into Unicode later, a node may fold."""
    return isinstance(part, Wild) or part.isascii() or not any(unicodedata.category(letter) == "Cn" for letter in part)


def reading(field: str, parts: Parts) -> Bounds[Condition]:
    """The value reads like this. What is longer than the index keeps is never found there."""
    if sum([units(part) if isinstance(part, str) else part is Wild.ONE for part in parts]) > LONGEST:
        return exact(NEVER)
    automaton = Automaton()
    try:
        if any(isinstance(part, Wild) for part in parts[:-1]):
            automaton.check(automaton.parts(parts))
    except TooComplex:
        return at_most(Match(field, simpler(parts)))
    return exact(Match(field, parts))


def simpler(parts: Parts) -> Parts:
    """Finds more, and costs little."""
    first = parts[0]
    if not isinstance(first, Wild):
        return (first, Wild.ANY)
    literals = [part for part in parts if not isinstance(part, Wild)]
    return (Wild.ANY, max(literals, key=len)[:LONGEST_PIECE], Wild.ANY) if literals else (Wild.ANY,)


def expression(place: Place, test: Regex) -> Bounds[Condition]:
    field = place.cased or place.folded
    given = lucene.expression(test.pattern, test.flags, place.before, folded=not place.cased)
    if given is None:
        return at_most(present(place))
    return exact(regexp(field, given.text)) if given.exact else at_most(regexp(field, given.text))


def number(place: Place, value: float) -> Bounds[Condition]:
    """Surely the whole number as it is mostly written."""
    if abs(value) >= LARGEST:
        return at_most(whole(place, NUMBER))
    if value != int(value):
        return at_most(whole(place, FRACTION))
    plain = str(int(value))
    least = Match(place.folded, joined((*place.before, plain)))
    return Bounds(least, whole(place, f"({quoted(plain) if value else ZERO}|{FRACTION})"))


def inside(place: Place, network: IPv4Network) -> Bounds[Condition]:
    """An IPv4 address: octets that the network fixes, then one of which it fixes some bits, then any."""
    fixed, some = divmod(network.prefixlen, 8)
    octets = [str(octet) for octet in network.network_address.packed[:fixed]]
    if some:
        low = network.network_address.packed[fixed]
        octets.append(f"({'|'.join([str(octet) for octet in range(low, low + 2 ** (8 - some))])})")
    octets += [OCTET] * (4 - len(octets))
    condition = whole(place, r"\.".join(octets))
    return at_most(condition) if condition == present(place) else exact(condition)
