"""The third engine: a condition as a Python function of one document. It judges what the others find too much of."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any, TypeAlias

from siem.schema import DatasetFields, fold
from siem.sigma import regex
from siem.sigma.record import Document, Reader, View
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
    Test,
    Text,
    TimePart,
    Wild,
    spelled,
)

Condition: TypeAlias = Callable[[View], bool]
Check: TypeAlias = Callable[[str], Any]

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as JSON writes it; other text is none."""

LONGEST_INTEGER = 4000
"""Digits that Python reads as an integer without complaint; beyond them no double is that large."""

TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII)
"""RFC 3339, also without a zone (then it is UTC) or with the day alone."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}
PARTS: dict[str, Callable[[datetime], int]] = {
    "minute": lambda time: time.minute,
    "hour": lambda time: time.hour,
    "day": lambda time: time.day,
    "week": lambda time: time.isocalendar().week,
    "month": lambda time: time.month,
    "year": lambda time: time.year,
}
RELATIONS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
}


def compiled(tree: Node, fields: DatasetFields) -> Callable[[Document], bool]:
    """The condition for documents of one dataset: dictionaries as `Batch.ndjson()` has them, see `record.decoded`."""
    holds, reader = condition(tree), Reader(fields)
    return lambda document: holds(View(reader, document))


def condition(node: Node) -> Condition:
    """The condition for views, which rules that judge the same document share."""
    match node:
        case Leaf(field, test):
            return leaf(field, test)
        case Not(item):
            inner = condition(item)
            return lambda view: not inner(view)
        case And(items):
            return every([condition(item) for item in items])
        case Or(items):
            plain, others = plain_values(items)
            listed = [among(field, frozenset(texts)) for field, texts in plain.items()]
            return some([*listed, *map(condition, others)])


def every(items: list[Condition]) -> Condition:
    if len(items) == 1:
        return items[0]

    def holds(view: View) -> bool:
        for item in items:  # noqa: SIM110  (`all` of a generator takes twice as long)
            if not item(view):
                return False
        return True

    return holds


def some(items: list[Condition]) -> Condition:
    if len(items) == 1:
        return items[0]

    def holds(view: View) -> bool:
        for item in items:  # noqa: SIM110
            if item(view):
                return True
        return False

    return holds


def plain_values(items: Iterable[Node]) -> tuple[dict[str | None, list[str]], list[Node]]:
    """Of alternatives the plain texts of each field, folded: a list of values is one test. And the others."""
    plain: dict[str | None, list[str]] = {}
    others: list[Node] = []
    for item in items:
        if isinstance(item, Leaf) and (text := literal(item.test)) is not None:
            plain.setdefault(item.field, []).append(text)
        else:
            others.append(item)
    return plain, others


def literal(test: Test) -> str | None:
    """The folded text that a value must equal, where the test is that plain."""
    if not isinstance(test, Text) or test.cased:
        return None
    text = spelled(test.parts)
    return None if text is None else fold(text)


def leaf(field: str | None, test: Test) -> Condition:
    match test:
        case Exists():
            return lambda view: bool(view.texts(field))
        case FieldRef(other, mode, cased):
            return shared(field, other, cased) if mode == "equals" else related(field, other, RELATIONS[mode], cased)
        case Text(parts, cased):
            if (plain := literal(test)) is not None:
                return among(field, frozenset((plain,)))
            return passing(field, pattern(parts, cased), folded=not cased)
        case Regex(expression, flags):
            return passing(field, regex.searching(expression, flags))
        case Number(value):
            return passing(field, lambda text: number(text) == value)
        case Compare(op, value):
            return passing(field, comparison(COMPARISONS[op], value))
        case Cidr(network):
            return passing(field, lambda text: (address := address_of(text)) is not None and address in network)
        case TimePart(part, value):
            taken = PARTS[part]
            return passing(field, lambda text: (time := time_of(text)) is not None and taken(time) == value)


def among(field: str | None, literals: frozenset[str]) -> Condition:
    def holds(view: View) -> bool:
        return not literals.isdisjoint(view.folded(field))

    return holds


def passing(field: str | None, check: Check, folded: bool = False) -> Condition:
    """One value of the field passes the check."""

    def holds(view: View) -> bool:
        for text in view.folded(field) if folded else view.texts(field):  # noqa: SIM110
            if check(text):
                return True
        return False

    return holds


def shared(field: str | None, other: str, cased: bool) -> Condition:
    """The fields have a value in common. Not pair by pair: a record of 100 kB can hold a hundred million of them."""

    def holds(view: View) -> bool:
        read = view.texts if cased else view.folded
        return not set(read(other)).isdisjoint(read(field))

    return holds


def related(field: str | None, other: str, relation: Callable[[str, str], bool], cased: bool) -> Condition:
    def holds(view: View) -> bool:
        read = view.texts if cased else view.folded
        theirs = read(other)
        return any(relation(mine, its) for mine in read(field) for its in theirs)

    return holds


def pattern(parts: tuple[str | Wild, ...], cased: bool) -> Check:
    """A check of a whole text against literals and wildcards."""
    texts = [part if isinstance(part, Wild) or cased else fold(part) for part in parts]
    match texts:
        case []:
            return lambda text: not text
        case [Wild.ANY]:
            return lambda text: True
        case [str(only)]:
            return only.__eq__
        case [Wild.ANY, str(inner), Wild.ANY]:
            return lambda text: inner in text
        case [str(head), Wild.ANY]:
            return lambda text: text.startswith(head)
        case [Wild.ANY, str(tail)]:
            return lambda text: text.endswith(tail)
    return re.compile(glob(texts)).fullmatch


def glob(texts: list[str | Wild]) -> str:
    """Wildcards as a regular expression that takes time in proportion to the text.

    What stands between two `*` is taken where it comes first and never tried again: that misses nothing.
    """
    runs: list[str] = [""]
    for text in texts:
        if text is Wild.ANY:
            runs.append("")
        else:
            runs[-1] += "." if text is Wild.ONE else re.escape(text)
    first, *middle, last = runs if len(runs) > 1 else [*runs, ""]
    if len(runs) == 1:
        return f"(?s:{first})"
    return f"(?s:{first}{''.join([f'(?>.*?{run})' for run in middle])}.*{last})"


def number(text: str) -> int | float | None:
    """The number that a text is: integers exactly, others as doubles."""
    if NUMBER.fullmatch(text) is None:
        return None
    if len(text) <= LONGEST_INTEGER and not (set(text) & set(".eE")):
        return int(text)
    return float(text)


def comparison(compare: Callable[[Any, Any], bool], limit: float) -> Check:
    return lambda text: (value := number(text)) is not None and compare(value, limit)


def address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address that a text is; None for anything else, such as the name of a service."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except AddressValueError:
        return None


def time_of(text: str) -> datetime | None:
    """The time that a text is, in UTC."""
    if TIME.fullmatch(text) is None:
        return None
    try:
        time = datetime.fromisoformat(text.upper())
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
