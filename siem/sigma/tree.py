"""Our condition tree: what a Sigma rule asks of one event. Small on purpose; every emitter covers all of it.

The meaning of each test is in `siem.sigma.record`: any value that passes is a match; `Not` negates the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Network, IPv6Network


class Wild(Enum):
    """A wildcard inside a pattern. No text: a literal `*` must not equal it."""

    ANY = "*"  # any run of characters, also none
    ONE = "?"  # exactly one character


def spelled(parts: Iterable[str | Wild]) -> str | None:
    """The text that parts without a wildcard are; None where there is one."""
    given = tuple(parts)
    texts = [part for part in given if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(given) else None


@dataclass(frozen=True, slots=True)
class Text:
    """The whole value reads like this. `parts`: literal text and wildcards in turn, literals not empty."""

    parts: tuple[str | Wild, ...]
    cased: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern is found somewhere in the value. Compiled by `siem.sigma.regex`: ASCII classes, `$` is the end."""

    pattern: str
    flags: re.RegexFlag = re.RegexFlag.NOFLAG  # I, M, S only


@dataclass(frozen=True, slots=True)
class Number:
    """The value is this number, however written: 22, 22.0 and "22"."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Compare:
    """The value is a number, and `value <op> number` holds."""

    op: str  # lt lte gt gte
    number: int | float


@dataclass(frozen=True, slots=True)
class Cidr:
    """The value is an address inside the network."""

    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has at least one value. (`field: null` and `exists: no` are `Not` of this.)"""


@dataclass(frozen=True, slots=True)
class TimePart:
    """The value is a time whose `part` (minute hour day week month year; UTC, ISO week) is `value`."""

    part: str
    value: int


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The value equals, or starts with, ends with, contains a value of another field. `cased`: case counts."""

    field: str
    mode: str = "equals"  # equals startswith endswith contains
    cased: bool = False


Test = Text | Regex | Number | Compare | Cidr | Exists | TimePart | FieldRef


@dataclass(frozen=True, slots=True)
class Leaf:
    """A test of one field; `field` None is a keyword: any leaf of the record itself."""

    field: str | None
    test: Test


@dataclass(frozen=True, slots=True)
class Not:
    item: Node


@dataclass(frozen=True, slots=True)
class And:
    """All hold; of nothing it is true."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One holds; of nothing it is false."""

    items: tuple[Node, ...]


Node = Leaf | Not | And | Or


def fields(node: Node) -> frozenset[str]:
    """Every field that the tree names, also through `FieldRef`."""
    match node:
        case Leaf(field, test):
            named = {field} if field is not None else set()
            return frozenset(named | ({test.field} if isinstance(test, FieldRef) else set()))
        case Not(item):
            return fields(item)
        case And(items) | Or(items):
            return frozenset().union(*map(fields, items))


def depth(node: Node) -> int:
    """How many nodes stand below each other."""
    match node:
        case Leaf():
            return 1
        case Not(item):
            return 1 + depth(item)
        case And(items) | Or(items):
            return 1 + max(map(depth, items), default=0)
