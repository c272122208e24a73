"""What a record says to a rule: the values of a field, and the leaves for keywords.

A record is a list of leaves (path, scalar). A path is the keys joined by `.`, array positions dropped; a key that holds
dots equals nesting. null, `[]` and `{}` have no leaf. A field has the scalars at its path; where it is a prefix of
longer paths also the compact JSON of each object there. Every value is text: numbers as they were written, booleans
`true` and `false`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from siem.schema import Column, DatasetFields, Entry, Extension, Joined, Path, Source, Written, fold, scalar_text
from siem.schema.leaves import noted

KEYWORDS = "|keywords"
"""The column of `projected` that holds all leaves of a record. No field can have this name: `|` ends a field's name."""

Texts: TypeAlias = tuple[str, ...]
Document: TypeAlias = Mapping[str, Any]


def compact(value: Any) -> str:
    """JSON without spaces, keys in the record's order, texts as they are: a policy in the object that is a text reads
    as rules quote it (`"Allow"`)."""
    if isinstance(value, Mapping):
        return "{" + ",".join([f'"{key}":{compact(below)}' for key, below in value.items()]) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, str) and not isinstance(value, Written):
        return f'"{value}"'
    return "null" if value is None else scalar_text(value)


def leaves(value: Any) -> Iterator[str]:
    """Every scalar of a record, in no order."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            stack += item.values()
        elif isinstance(item, list):
            stack += item
        elif item is not None:
            yield scalar_text(item)


def has_leaf(value: Any) -> bool:
    return any(True for _ in leaves(value))


class Steps:
    """A path, prepared: at each of its segments the keys that may go on from there."""

    __slots__ = ("keys", "longer")

    def __init__(self, path: str) -> None:
        segments = path.split(".")
        count = len(segments)
        ends = [range(start + 1, count + 1) for start in range(count)]
        self.keys = [
            [(".".join(segments[start:end]), end if end < count else -1) for end in ends[start]]
            for start in range(count)
        ]
        self.longer = [".".join(segments[start:]) + "." for start in range(count)]

    def texts(self, tree: Any) -> list[str]:
        """The values at the path below `tree`."""
        found: list[str] = []
        self._walk(tree, 0, found)
        return found

    def _walk(self, node: Any, at: int, found: list[str]) -> None:
        if isinstance(node, list):
            for item in node:
                self._walk(item, at, found)
        elif isinstance(node, Mapping):
            for key, end in self.keys[at]:
                if (value := node.get(key)) is None:
                    continue
                if end < 0:
                    found += ends(value)
                else:
                    self._walk(value, end, found)
            prefix = self.longer[at]
            below = {key[len(prefix) :]: value for key, value in node.items() if key.startswith(prefix)}
            if below:
                found += ends(below)


def ends(value: Any) -> Iterator[str]:
    """The texts of what stands at the end of a path."""
    if isinstance(value, list):
        for item in value:
            yield from ends(item)
    elif isinstance(value, Mapping):
        if has_leaf(value):
            yield compact(value)
    elif value is not None:
        yield scalar_text(value)


steps = lru_cache(maxsize=65_536)(Steps)


def column_of(name: str) -> str:
    """The column of `projected` for a field.

    Engines compare column names without case and Sigma compares field names with it, so upper-case letters are marked.
    """
    upper = sum(1 << place for place, letter in enumerate(name) if letter != letter.lower())
    return f"{name}|{upper:x}" if upper else name


def projected(document: Any, columns: Iterable[str]) -> dict[str, list[str]]:
    """What a record of no dataset holds of the columns that a `Query` for `ANY_JSON` names: their values as text."""
    return {
        column: list(leaves(document)) if column == KEYWORDS else steps(column.partition("|")[0]).texts(document)
        for column in columns
    }


def projected_leaves(document: Any, columns: Iterable[str]) -> dict[str, list[str]]:
    """The same for an OpenSearch document, which then holds nothing else: `siem.leaves`, `siem.oversize`."""
    texts = projected(document, columns)
    return noted([(leaf_path(column), text) for column in sorted(texts) for text in texts[column]], ())


def leaf_path(column: str) -> str:
    """The path of a column's leaves. A `|` is in it, which no name has: so nothing else looks like its items."""
    return column if "|" in column else f"{column}|"


def reading(source: Source) -> Callable[[Document], Iterable[str]]:
    """How the values of a source are read from a document."""
    match source:
        case Column(name):
            return lambda document: () if (value := document.get(name)) is None else (scalar_text(value),)
        case Path(root, path):
            way = steps(path)
            return lambda document: way.texts(document.get(root) if root else document)
        case Joined(parts):
            return lambda document: joined_text(parts, document)
        case Extension(column):
            return lambda document: extension(document.get(column))
        case Entry(place, key, value, name):
            return lambda document: [
                text for entry in entries(place, document) for text in named(entry, key, value, name)
            ]


def joined_text(parts: Iterable[tuple[str, str]], document: Document) -> Texts:
    values = [(before, document.get(column)) for before, column in parts]
    if values[0][1] is None:
        return ()
    return ("".join([f"{before}{scalar_text(value)}" for before, value in values if value is not None]),)


def extension(path: str | None) -> Texts:
    _, dot, last = (path or "").rpartition("/")[2].rpartition(".")
    return (last,) if dot and last else ()


def entries(place: Path, document: Document) -> list[Any]:
    """The items of a list in the record."""
    node: Any = document.get(place.root) if place.root else document
    for key in place.path.split("."):
        node = node.get(key) if isinstance(node, Mapping) else None
    return node if isinstance(node, list) else []


def named(entry: Any, key: str, value: str, name: str) -> Iterator[str]:
    """The value of an item that has the name."""
    if isinstance(entry, Mapping) and isinstance(entry.get(key), str) and entry[key].lower() == name:
        yield from ends(entry.get(value))


class Reader:
    """Reads the values of rule fields from the documents of one dataset."""

    def __init__(self, fields: DatasetFields) -> None:
        self.fields = fields
        self._ways: dict[str | None, Callable[[Document], Texts]] = {None: self._keywords}

    def texts(self, name: str | None, document: Document) -> Texts:
        """The values of a field; of None every leaf that came from the record."""
        way = self._ways.get(name)
        if way is None:
            way = self._ways[name] = self._way(name or "")
        return way(document)

    def _way(self, name: str) -> Callable[[Document], Texts]:
        readings = [reading(source) for source in self.fields.sources(name)]
        if len(readings) == 1:
            (only,) = readings
            return lambda document: tuple(only(document))
        return lambda document: tuple([text for read in readings for text in read(document)])

    def _keywords(self, document: Document) -> Texts:
        dataset = self.fields.dataset
        if not dataset or self.fields.nested:
            return tuple(leaves(document.get(dataset) if dataset else document))
        native, own = set(self.fields.native.values()), f"{dataset}."
        return tuple(leaves([value for name, value in document.items() if name in native or name.startswith(own)]))


class View:
    """One document as rules look at it; what was read and folded once is kept."""

    __slots__ = ("_document", "_folded", "_reader", "_texts")

    def __init__(self, reader: Reader, document: Document) -> None:
        self._reader, self._document = reader, document
        self._texts: dict[str | None, Texts] = {}
        self._folded: dict[str | None, Texts] = {}

    def texts(self, name: str | None) -> Texts:
        """The values of a field as they were written."""
        found = self._texts.get(name)
        if found is None:
            found = self._texts[name] = self._reader.texts(name, self._document)
        return found

    def folded(self, name: str | None) -> Texts:
        """The values of a field without case."""
        found = self._folded.get(name)
        if found is None:
            found = self._folded[name] = tuple(map(fold, self.texts(name)))
        return found
