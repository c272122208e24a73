"""Tests of numbers, times and addresses, which OpenSearch indexes as such: never a clause that their type refuses."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network

from siem.schema import Column, Kind
from siem.schema.mapping import cased_name, folded_name
from siem.sigma.bounds import Bounds
from siem.sigma.opensearch import keyword
from siem.sigma.opensearch.dsl import NEVER, Condition, all_of, at_most, between, exact, exists, negated, term
from siem.sigma.opensearch.keyword import Place
from siem.sigma.tree import Cidr, Compare, Exists, Number, Regex, Test, Text, TimePart, Wild, spelled
from siem.sigma.wholes import DOUBLES, LONGS, whole_limit

MAPPED = ip_network("::ffff:0:0/96")
"""IPv4 addresses as OpenSearch keeps them; the predicate takes them for IPv6 where they are written so."""

MAPPED_TEXT = "0{0,4}:@"
"""How such a text begins, and others of IPv6 that are in no IPv4 network."""

LETTERS = {
    Kind.LONG: frozenset("0123456789-"),
    Kind.DATE: frozenset("0123456789-:.TZtz"),
    Kind.DOUBLE: frozenset("0123456789-+.Ee"),
}
"""What texts of numbers and times are made of."""


def holds(column: Column, test: Test) -> Bounds[Condition]:
    """The value of a schema field passes."""
    match column.kind, test:
        case Kind.TEXT, _:
            return keyword.holds(place(column), test)
        case Kind.IP, Cidr(network):
            return inside(column.name, network)
        case Kind.IP, _:
            return keyword.holds(place(column), test)
        case _, Exists() | Text(parts=(Wild.ANY,)):
            return exact(exists(column.name))
        case Kind.DATE, TimePart(part, value):
            return year(column.name, value) if part == "year" else at_most(exists(column.name))
        case Kind.LONG, Text(parts) if (text := spelled(parts)) is not None:
            return whole_text(column.name, text)
        case _, Text(parts):
            return at_most(exists(column.name)) if made_of(parts, LETTERS[column.kind]) else exact(NEVER)
        case _, Regex():
            return at_most(exists(column.name))
        case Kind.LONG, Number(value):
            return whole(column.name, "eq", value)
        case Kind.LONG, Compare(op, value):
            return whole(column.name, op, value)
        case Kind.DOUBLE, Number(value):
            return at_most(exists(column.name)) if abs(value) >= DOUBLES else exact(term(column.name, float(value)))
        case Kind.DOUBLE, Compare(op, value):
            return at_most(exists(column.name)) if abs(value) >= DOUBLES else exact(limited(column.name, op, value))
    return exact(NEVER)


def place(column: Column) -> Place:
    return Place(folded_name(column.name), cased_name(column.name))


def limited(name: str, op: str, value: float) -> Condition:
    return between(name, **{op: value})


def made_of(parts: tuple[str | Wild, ...], letters: frozenset[str]) -> bool:
    """The literals are made of such letters."""
    return all(isinstance(part, Wild) or letters.issuperset(part) for part in parts)


def whole_text(name: str, text: str) -> Bounds[Condition]:
    """A whole number has one text."""
    try:
        value = int(text)
    except ValueError:
        return exact(NEVER)
    return exact(term(name, value) if str(value) == text and value in LONGS else NEVER)


def whole(name: str, op: str, value: float) -> Bounds[Condition]:
    limit = whole_limit(op, value)
    if isinstance(limit, bool):
        return exact(exists(name) if limit else NEVER)
    if op == "eq":
        return exact(term(name, limit))
    return exact(limited(name, op, limit))


def year(name: str, value: int) -> Bounds[Condition]:
    """Dates hold milliseconds, finer digits cut off."""
    return exact(between(name, gte=f"{value:04}-01-01T00:00:00Z", lte=f"{value:04}-12-31T23:59:59.999Z"))


def inside(name: str, network: IPv4Network | IPv6Network) -> Bounds[Condition]:
    text = Place(folded_name(name))
    if network.version == 6 and (network.overlaps(MAPPED)):
        return at_most(keyword.whole(text, keyword.IPV6))
    within = term(name, f"{network.network_address.compressed.partition('%')[0]}/{network.prefixlen}")
    if network.version == 6:
        return exact(within)
    return exact(all_of([within, negated(keyword.whole(text, MAPPED_TEXT))]))
