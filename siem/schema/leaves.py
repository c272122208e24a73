"""What an OpenSearch document holds beside the event: the leaves of its record, and what the index leaves out.

`siem.leaves` has an item `path=value` for every scalar of the record that no schema field holds: keys joined by `.`,
array positions dropped, null and what is empty left out (`requestParameters.bucketName=x`). Rules find open payloads
there: as mapped objects every key would become a field, and an event with another type at a key would be refused.

`siem.oversize` names the fields and leaves that are too long for the index; `siem.leaves` where leaves are too many,
and none is there. A document that has it must be judged by the predicate, whatever a query says of it.

`siem.seq` tells a document that was written before from one that another object wrote. `siem.claim` is in events that
were parsed again alone: the claim under which that was done; no index looks into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from siem.schema.fields import FIELDS, Kind
from siem.schema.resolve import DatasetFields
from siem.schema.written import scalar_text

LEAVES, OVERSIZE = "siem.leaves", "siem.oversize"

SEQ = "siem.seq"
"""The event's place among those of its object, which is in `siem.object`."""

CLAIM = "siem.claim"
"""Under which claim the event was written in the place of an older one."""

ADDED = frozenset((LEAVES, OVERSIZE, SEQ, CLAIM))
"""What documents of the store have beside the event."""

LONGEST = 8191
"""UTF-16 units of a value that an index keeps: three bytes each stay below Lucene's 32,766 bytes of a term."""

NAME = 256
"""Characters that are kept of a name in `siem.oversize`: a path may itself be too long."""

MOST = 4 << 20
"""Characters of all leaves of a document. Each names its whole path: 25,000 numbers below a key of 5,000 letters are
60 KB of JSON, and would be 125 MB, which no node takes in."""

TEXTS = frozenset((Kind.TEXT, Kind.IP))

TEXT_FIELDS = frozenset(field.name for field in FIELDS if field.kind in TEXTS)


def additions(document: Mapping[str, Any], fields: DatasetFields) -> dict[str, list[str]]:
    """What the store adds to a document of a dataset, as `schema.decoded` reads it."""
    return noted(leaves(document, fields), [(name, document[name]) for name in TEXT_FIELDS & document.keys()])


def stripped(document: Mapping[str, Any]) -> dict[str, Any]:
    """A document of the store without what the store added: as it was parsed."""
    return {name: value for name, value in document.items() if name not in ADDED}


def noted(found: Iterable[tuple[str, str]], texts: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Leaves as items, and the names of those, and of indexed texts, that are too long."""
    all_ = list(found)
    too_many = sum([len(path) + len(text) + 1 for path, text in all_]) > MOST
    named = [] if too_many else [(path, item(path, text)) for path, text in all_]
    long = [name[:NAME] for name, text in chain(named, texts) if len(text) > LONGEST // 2 and units(text) > LONGEST]
    long += [LEAVES] if too_many else []
    added = {LEAVES: [text for _, text in named], OVERSIZE: sorted(set(long))}
    return {name: values for name, values in added.items() if values}


def item(path: str, text: str) -> str:
    return f"{path}={text}"


def leaves(document: Mapping[str, Any], fields: DatasetFields) -> list[tuple[str, str]]:
    """Path and text of every leaf of the record but those that a schema field holds in the very same text."""
    found: list[tuple[str, str]] = []
    if not fields.nested:
        own = f"{fields.dataset}."
        for name, value in document.items():
            if name.startswith(own):
                gather(value, name[len(own) :], found)
        return found
    gather(document.get(fields.dataset), None, found)
    native = fields.native
    return [leaf for leaf in found if leaf[0] not in native or document.get(native[leaf[0]]) != leaf[1]]


def gather(value: Any, path: str | None, found: list[tuple[str, str]]) -> None:
    """The leaves of a value that stands at `path`; None: of the record."""
    if isinstance(value, str):
        found.append((path or "", value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            if inner is not None:
                gather(inner, key if path is None else f"{path}.{key}", found)
    elif isinstance(value, list):
        for inner in value:
            gather(inner, path, found)
    elif value is not None:
        found.append((path or "", scalar_text(value)))


def units(text: str) -> int:
    """UTF-16 units, in which Lucene's keepers count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
