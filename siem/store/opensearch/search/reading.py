"""Documents of hits, a few at a time: as many as some megabytes hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from siem.store.opensearch.search.pages import Found
from siem.store.opensearch.search.view import View

BYTES = 8 << 20
"""Of documents in hand, about. Records have up to 1 MiB, and leaves as much."""

FIRST, MOST = 8, 500
"""Hits that are read together: while nobody knows how long their documents are, and whatever the last ones came to."""

SAMPLED = 4
"""One document of so many is measured."""

Document = Mapping[str, Any]
Source = bool | Sequence[str]
"""What is read of a document: all, these keys, or (False) nothing."""


def read(
    view: View, found: Iterable[Found], needs: Callable[[Found], Source]
) -> Iterator[tuple[Found, Document | None]]:
    """Each hit with what it needs of its document, or more."""
    left, together = iter(found), FIRST
    while some := list(islice(left, together)):
        needed = {(one.index, one.name): source for one in some if (source := needs(one)) is not False}
        read_of: dict[tuple[str, str], Document] = {}
        if needed:
            read_of = documents(view, list(needed), max(needed.values(), key=lambda source: source is True))
            together = max(1, min(MOST, BYTES // measured(list(read_of.values()))))
        for one in some:
            yield one, read_of.get((one.index, one.name))


def documents(view: View, places: Sequence[tuple[str, str]], source: Source) -> dict[tuple[str, str], Document]:
    """By index and name."""
    names: dict[str, list[str]] = {}
    for index, name in places:
        names.setdefault(index, []).append(name)
    each = [
        {"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": some}}]}} for index, some in names.items()
    ]
    query = {"bool": {"filter": [{"bool": {"should": each, "minimum_should_match": 1}}]}}
    body = {"size": len(places), "track_total_hits": False, "sort": ["_doc"], "_source": source, "query": query}
    return {(hit["_index"], hit["_id"]): hit["_source"] for hit in view.search(body)["hits"]["hits"]}


def measured(some: Sequence[Document]) -> int:
    """Bytes of one of these, about; sampled, as to look at all takes half as long as to decode them."""
    sample = some[::SAMPLED]
    return 1 + len(repr(sample)) // len(sample)
