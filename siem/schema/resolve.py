"""Where the values of a rule's field are: one resolver for every engine and store.

Order, per dataset: schema field; native name; the parser's taxonomy alias. A native name is answered from a schema
field only where the field holds the very same text; otherwise from the record itself. Names of a taxonomy may mean what
no log has as one text (path and query, an extension): such values are made of columns when a rule asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from siem.schema.fields import BY_NAME, Kind


@dataclass(frozen=True, slots=True)
class Column:
    """A column of its own: a schema field, or a native column of a delimited log (then of kind TEXT)."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Path:
    """A place inside a JSON record.

    root: the document's key that holds the record (`aws.cloudtrail`); "" where the document is the record.
    path: keys below it joined by `.`; array positions have no part in it.
    column: the stored JSON text that holds it: the record without its open payloads, or one payload.
    within: `path` seen from that column; "" is the whole column.
    """

    root: str
    path: str
    column: str
    within: str


@dataclass(frozen=True, slots=True)
class Joined:
    """One text of several columns: each with what stands before it (`?` before a query), null ones left out.

    No value where the first column has none.
    """

    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Extension:
    """What follows the last dot of the last segment of the path in a column: `php`."""

    column: str


@dataclass(frozen=True, slots=True)
class Entry:
    """The values that a list of names and values in a JSON record has for one name: a header.

    list: where the list is. key, value: what its items call the two. name: whose values are meant, in lower case.
    """

    list: Path
    key: str
    value: str
    name: str


Derived = Joined | Extension | Entry
Source = Column | Path | Derived
Alias = str | Derived | tuple[str | Derived, ...]
"""What a taxonomy's name stands for: a schema field, a native name, or what is derived of them; of several, all."""


class Way(StrEnum):
    """As what a rule's field is found, for people."""

    SCHEMA = "schema field"
    IDENTICAL = "native name, held by a schema field"
    NATIVE = "native name"
    PAYLOAD = "in an open payload"
    DERIVED = "name of a taxonomy"
    ANY_JSON = "under its own name"


@dataclass(frozen=True)
class DatasetFields:
    """What a dataset's documents hold, as far as rules need to know. Parsers declare it, the resolver reads it.

    filled: schema fields that the parser fills.
    native: native name -> schema field whose text is identical (for delimited logs: where it is not null).
    aliases: taxonomy name (`c-uri`) -> what it stands for.
    payloads: top-level keys of the record whose content is open; each is stored as one JSON text of its own.
    nested: the record is JSON below the dataset's name; False: native columns stand beside the schema's.
    known: every native name (of nested records: first key) that the source is known to write; None: it may be any.
    stretches: keys with which stretches of a nested record begin, in its order, and whether these repeat from record to
    record: where time can be saved (a seventh of that of bulk lines). It changes no answer.
    """

    dataset: str
    filled: frozenset[str] = frozenset()
    native: Mapping[str, str] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    payloads: frozenset[str] = frozenset()
    nested: bool = True
    known: frozenset[str] | None = None
    stretches: Mapping[str, bool] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Every name that a rule may use, as far as they are known."""
        return frozenset().union(self.filled, self.native, self.aliases, self.known or ())

    def may_have(self, name: str) -> bool:
        """Events can have such a field."""
        own = name.removeprefix(f"{self.dataset}.")
        if self.known is None or name in self.names or own in self.names:
            return True
        return self.nested and own.partition(".")[0] in self.known

    def sources(self, name: str) -> tuple[Source, ...]:
        """Where the values of the rule field `name` are; the field has the values of all of them together.

        Never empty: a name that nothing is known of is looked for in the record.
        """
        if not self.dataset:  # any JSON: fields under their own names
            return (Path("", name, "", name),)
        if name in BY_NAME and name in self.filled:
            return (Column(name, BY_NAME[name].kind),)
        if (alias := self.alias(name)) is not None:
            return self._meant(alias)
        own = name.removeprefix(f"{self.dataset}.")
        identical = self.native.get(own)
        if self.nested:
            return (Column(identical, BY_NAME[identical].kind),) if identical else (self._path(own),)
        column = Column(f"{self.dataset}.{own}", Kind.TEXT)
        return (Column(identical, BY_NAME[identical].kind), column) if identical else (column,)

    def _meant(self, alias: Alias) -> tuple[Source, ...]:
        meant = alias if isinstance(alias, tuple) else (alias,)
        return tuple([source for one in meant for source in (self.sources(one) if isinstance(one, str) else (one,))])

    def alias(self, name: str) -> Alias | None:
        """What a taxonomy's name stands for; None where it is no alias, or has a meaning of its own."""
        own = name.removeprefix(f"{self.dataset}.")
        if not self.dataset or (name in BY_NAME and name in self.filled) or own in self.native:
            return None
        return self.aliases.get(own)

    def way(self, name: str) -> Way:
        """As what `sources` finds a field."""
        if not self.dataset:
            return Way.ANY_JSON
        if name in BY_NAME and name in self.filled:
            return Way.SCHEMA
        if (alias := self.alias(name)) is not None:
            return self.way(alias) if isinstance(alias, str) else Way.DERIVED
        own = name.removeprefix(f"{self.dataset}.")
        if own in self.native:
            return Way.IDENTICAL
        return Way.PAYLOAD if self.nested and own.partition(".")[0] in self.payloads else Way.NATIVE

    def _path(self, own: str) -> Path:
        first, _, rest = own.partition(".")
        if first in self.payloads:
            return Path(self.dataset, own, f"{self.dataset}.{first}", rest)
        return Path(self.dataset, own, self.dataset, own)


ANY_JSON = DatasetFields("")
"""Records of no known dataset (`siem hunt --dataset json`): every field is looked for under its own name."""
