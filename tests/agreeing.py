"""An embedded store and one on a node, which are given the same work and have to tell the same."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from stores import connected, prepared, removed, shipped_fields

from siem.store.contract import DatasetStats, Store
from siem.store.embedded import EmbeddedStore
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
from siem.testing.deliveries import every

T = TypeVar("T")


@dataclass(frozen=True)
class Both:
    """The stores, and how the command is told of each."""

    folder: EmbeddedStore
    cluster: OpenSearchStore
    url: str
    prefix: str

    def __iter__(self) -> Iterator[Store]:
        return iter((self.folder, self.cluster))

    def tell(self, question: Callable[[Store], T]) -> T:
        """The answer of both, which has to be the same."""
        ours, theirs = [question(store) for store in self]
        assert ours == theirs, difference(ours, theirs)
        return ours

    def agree(self, datasets: Sequence[str], objects: Sequence[str] | None = None) -> None:
        """All that a reader can see of these objects (None: of all) is the same."""
        self.tell(lambda store: store.ledger(objects))
        for dataset in datasets:
            self.tell(lambda store, dataset=dataset: events(store, dataset, objects))  # type: ignore[misc]
        if objects is None:
            self.tell(lambda store: list(store.rejects()))
            self.tell(stats)
            self.tell(lambda store: work(store, datasets))
            self.tell(lambda store: store.alerts(merged=True))
            self.tell(lambda store: store.actions())
            self.tell(signals)

    def options(self) -> Iterator[tuple[list[str], dict[str, str]]]:
        """Options and environment of a command that is to work on each."""
        yield ["--store", str(self.folder.folder)], {}
        yield ["--store", self.url], {"SIEM_OPENSEARCH__PREFIX": self.prefix}


@contextmanager
def both(url: str, folder: Path) -> Iterator[Both]:
    """Two empty stores; the one on the node is removed in the end."""
    names = Names(f"agree{secrets.token_hex(4)}-")
    prepared(url, names, shipped_fields())
    cluster = OpenSearchStore(connected(url), names, shipped_fields())
    stores = Both(EmbeddedStore(folder), cluster, url, names.prefix)
    try:
        yield stores
    finally:
        for store in stores:
            store.close()
        removed(url, names)


def difference(ours: Any, theirs: Any, path: str = "it") -> str:
    """Where two values begin to differ: the embedded store's, then the node's."""
    if is_dataclass(ours) and is_dataclass(theirs):
        ours, theirs = vars(ours), vars(theirs)
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        ours, theirs = sorted(ours.items(), key=repr), sorted(theirs.items(), key=repr)
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        for place, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            if one != other:
                return difference(one, other, f"{path}[{place}]")
        return f"{path}: {len(ours)} and {len(theirs)}: {[*ours, *theirs][-1]!r:.500}"
    return f"{path}: {ours!r:.500} and {theirs!r:.500}"


def events(store: Store, dataset: str, objects: Sequence[str] | None = None) -> list[Any]:
    """Every event of the objects, in order. Within records the order of keys counts: rules look at their text."""
    hits = store.search([every(store, dataset)], objects, documents=True)
    return [(replace(hit, document=None, unsure=()), sorted(exactly(hit.document), key=itemgetter(0))) for hit in hits]


def exactly(value: Any) -> Any:
    """A value that is only equal to the same of the same kind: `1.50` is no text, and `true` is not 1."""
    match value:
        case dict():
            return [(key, exactly(inner)) for key, inner in value.items()]
        case list():
            return [exactly(inner) for inner in value]
        case _:
            return type(value).__name__ if value is None else (type(value).__name__, value)


def stats(store: Store) -> list[DatasetStats]:
    return [replace(sums, bytes=0) for sums in store.stats()]


def work(store: Store, datasets: Sequence[str]) -> Any:
    """What is to be judged: objects in order, and after every mark how many are left. Turns are each store's own."""
    state = store.progress()
    objects = {dataset: [of.object for of in store.pending(dataset)] for dataset in datasets}
    left = {
        (dataset, rule): len(store.pending(dataset, turn))
        for dataset, marks in state.marks.items()
        for rule, turn in marks.items()
    }
    return objects, left, state.last.keys(), state.owing, {dataset: store.owed(dataset) for dataset in datasets}


def signals(store: Store) -> list[Any]:
    """Of every rule and group that has an alert."""
    groups = sorted({(alert.rule_id, tuple(sorted(alert.group.items()))) for alert in store.alerts(merged=True)})
    return [(rule, group, store.signals(rule, dict(group))) for rule, group in groups]
