"""What a parser of JSON records declares: what each schema field is, of which keys; done column by column."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Generic, TypeVar

from siem.parsing.event import attribute
from siem.parsing.json_keys import Column, Columns

V = TypeVar("V")

REMEMBERED_BYTES, REMEMBERED_VALUES = 2048, 8192
"""Longer arguments are not remembered, and no more than so many: 16 MiB at most, for each function."""

ARGUMENT = 8
"""Bytes that an argument counts besides its own: empty ones are bounded too."""

Sources = str | tuple[str, ...]
Function = Callable[..., Any]


@dataclass(frozen=True)
class Always:
    """The same value in every event."""

    value: Any


Table = Mapping[str, str | tuple[Sources, Function] | Always]
"""schema field -> the key (or part) whose value it holds, or a function of one's value or of several ones'.

A function of one is asked where there is a value, a function of several (`("uri", "args")`) always, None included.
`columnwise` functions are asked once for many records.
"""


@dataclass(frozen=True)
class Parts:
    """Values that are taken apart: `"acl": Parts("webaclId", WebAcl, web_acl)` makes `acl.region` a source.

    kind: the NamedTuple that the function gives.
    """

    sources: Sources
    kind: Any
    function: Function

    @property
    def names(self) -> tuple[str, ...]:
        names: tuple[str, ...] = self.kind._fields
        return names


class Remembered(dict[Any, V], Generic[V]):
    """A pure function whose arguments repeat: what it gave is kept, for a quarter of the time of asking again.

    By its argument; by all of them where the table gives it several. These are texts, bytes, numbers or None.
    """

    def __init__(self, function: Callable[..., V]) -> None:
        self._function = function
        self.nothing: Any = None  # what is given for None alone

    def __missing__(self, argument: Any) -> V:
        if argument is None:
            return self.nothing  # type: ignore[no-any-return]
        if isinstance(argument, tuple):
            value, size = self._function(*argument), sum(map(size_of, argument))
        else:
            value, size = self._function(argument), size_of(argument)
        if size <= REMEMBERED_BYTES:
            if len(self) >= REMEMBERED_VALUES:
                self.clear()
            self[argument] = value
        return value

    def __call__(self, argument: Any) -> V:
        return self[argument]


remembered = Remembered


@dataclass(frozen=True)
class Columnwise:
    """A function of a key's values in many records, None included, that gives something for each: where a loop of its
    own takes less time than a call for each value."""

    function: Callable[[Column], Iterable[Any]]

    def __call__(self, column: Column) -> Iterable[Any]:
        return self.function(column)


columnwise = Columnwise


def size_of(argument: str | bytes | int | None) -> int:
    """What an argument counts."""
    return ARGUMENT if argument is None or isinstance(argument, int) else ARGUMENT + len(argument)


class Execution:
    """A table, ready to be done. attributes: those of events that it gives."""

    def __init__(self, table: Table, parts: Mapping[str, Parts]) -> None:
        self._table, self._parts = table, parts
        self.attributes = [attribute(name) for name in table]
        named = dict(zip(self.attributes, table.values(), strict=True))
        self._kept = [(name, entry) for name, entry in named.items() if isinstance(entry, str)]
        self._done = [(name, *entry) for name, entry in named.items() if isinstance(entry, tuple)]
        self._constant = {name: repeat(entry.value) for name, entry in named.items() if isinstance(entry, Always)}
        self._taken = [
            (part, (None,) * len(part.names), [f"{name}.{field}" for field in part.names])
            for name, part in parts.items()
        ]
        for part in parts.values():
            if isinstance(part.function, Remembered):
                part.function.nothing = (None,) * len(part.names)

    def fields(self, columns: Columns) -> dict[str, Iterable[Any]]:
        """The attributes of many events, each a value for every one; `columns` gets the parts."""
        for part, nothing, names in self._taken:
            rows = done(part.sources, part.function, columns, nothing)
            columns.update(zip(names, zip(*rows, strict=True), strict=True))
        made: dict[str, Iterable[Any]] = {name: columns[key] for name, key in self._kept}
        made |= self._constant
        made |= {name: done(sources, function, columns) for name, sources, function in self._done}
        return made

    def divided(self, keys: Collection[str]) -> tuple[Execution, Execution]:
        """What can be told of these keys alone, and the rest."""
        known = set(keys)
        early: dict[str, Parts] = {}
        for name, part in self._parts.items():
            if known.issuperset(map(root, sources_of((part.sources, part.function)))):
                known.add(name)
                early[name] = part
        table = {name: entry for name, entry in self._table.items() if known.issuperset(map(root, sources_of(entry)))}
        return Execution(table, early), Execution(
            {name: entry for name, entry in self._table.items() if name not in table},
            {name: part for name, part in self._parts.items() if name not in early},
        )

    def sources(self) -> list[str]:
        """Keys, and parts that are not made here, that are read."""
        entries = [*self._table.values(), *((part.sources, part.function) for part in self._parts.values())]
        every = dict.fromkeys(source for entry in entries for source in sources_of(entry))
        return [source for source in every if root(source) not in self._parts]


def done(sources: Sources, function: Function, columns: Columns, nothing: Any = None) -> Iterable[Any]:
    """The function of each value (see `Table`)."""
    if isinstance(sources, tuple):
        several = [columns[source] for source in sources]
        if isinstance(function, Remembered):
            return map(function.__getitem__, zip(*several, strict=True))
        return map(function, *several)
    if isinstance(function, Remembered):
        return map(function.__getitem__, columns[sources])
    if isinstance(function, Columnwise):
        return function(columns[sources])
    return [nothing if value is None else function(value) for value in columns[sources]]


def sources_of(entry: str | tuple[Sources, Function] | Always) -> Iterator[str]:
    """The keys and parts that an entry reads."""
    match entry:
        case str():
            yield entry
        case Always():
            return
        case sources, _:
            yield from (sources,) if isinstance(sources, str) else sources


def root(source: str) -> str:
    """The key at the top, or the name of the parts: `httpRequest` of `httpRequest.uri`."""
    return source.partition(".")[0]
