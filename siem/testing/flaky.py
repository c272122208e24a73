"""A store that fails on purpose: what it is asked for happens, or does not, or happens and nobody hears of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, LedgerRow, State, Store, Writing

Fault = Callable[[str, str], None]
"""Is told what comes next (`ledger writing add finish commit`) or has happened (`committed`), and the key of the object
that it is about, or "". It may raise `Unavailable` or anything else, wait, or end the process."""


class FlakyStore:
    """A store, with a fault before whatever is written or asked of the ledger. Everything else is the store's."""

    def __init__(self, store: Store, fault: Fault) -> None:
        self._store, self._fault = store, fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def ledger(self, objects: Iterable[str] | None = None) -> dict[str, LedgerRow]:
        self._fault("ledger", "")
        return self._store.ledger(objects)

    @contextmanager
    def writing(self, now: datetime) -> Iterator[Writing]:
        self._fault("writing", "")
        with self._store.writing(now) as writing:
            yield FlakyWriting(writing, self._fault)


class FlakyWriting:
    """A commit in the making, likewise."""

    def __init__(self, writing: Writing, fault: Fault) -> None:
        self._writing, self._fault = writing, fault

    def add(self, delivery: Delivery, parsed: Parsed, parser_version: str, unique_ids: bool) -> None:
        self._fault("add", delivery.source.key)
        self._writing.add(delivery, parsed, parser_version, unique_ids)

    def finish(self, delivery: Delivery, state: State, reason: str | None = None, dataset: str | None = None) -> None:
        self._fault("finish", delivery.source.key)
        self._writing.finish(delivery, state, reason, dataset)

    def commit(self) -> list[LedgerRow]:
        self._fault("commit", "")
        rows = self._writing.commit()
        self._fault("committed", "")
        return rows
