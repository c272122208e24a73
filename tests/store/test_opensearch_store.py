"""The store on OpenSearch keeps the contract of all stores, on a real node."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from opensearch import asked
from stores import connected, emptied, prepared, removed, shipped_fields

from siem.errors import ContentError
from siem.parsing.batch import Parsed
from siem.store.contract import Delivery, Store
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.commit.log import Log
from siem.store.opensearch.commit.rows import Row
from siem.store.opensearch.names import Names
from siem.testing.deliveries import NOW, TRAIL, delivery, ids, put, reject, trail
from siem.testing.retention_contract import LIMIT, TURN
from siem.testing.store_contract import StoreContract

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def names(opensearch: str) -> Iterator[Names]:
    """Of one store for all tests, which each test leaves empty: to prepare one takes seconds."""
    names = Names(f"contract{secrets.token_hex(4)}-")
    prepared(opensearch, names, shipped_fields())
    yield names
    removed(opensearch, names)


class TestOpenSearch(StoreContract):
    fields = shipped_fields()

    @pytest.fixture(autouse=True)
    def node(self, opensearch: str, names: Names) -> Iterator[None]:
        self.url, self.names = opensearch, names
        yield
        emptied(opensearch, names)

    def opened(self, place: Path) -> Store:
        return OpenSearchStore(connected(self.url), self.names, self.fields, lease=1.0)

    @pytest.mark.parametrize("dropped", [False, True])
    def test_events_that_somebody_removed_are_missed_and_those_that_retention_dropped_are_not(
        self, store: Store, dropped: bool
    ) -> None:
        both = delivery("both")
        put(store, (both, Parsed(TRAIL, trail(both, "a", "b", "c", start=TURN - timedelta(seconds=1)))))
        if dropped:
            store.retain({TRAIL: LIMIT})
            assert ids(store, objects=[both.source.id]) == ["b", "c"]
        gone = "2026.09" if dropped else "2026.08"
        asked(self.url, "DELETE", f"/{self.names.prefix}events-{TRAIL}-{gone}")
        with pytest.raises(ContentError, match=r"[12] of [23] events of both cannot be found"):
            ids(store, objects=[both.source.id])

    def test_periods_of_events_go_with_their_rows(self, store: Store) -> None:
        one, two = delivery("a"), delivery("b")
        put(store, (one, Parsed(TRAIL, trail(one, "x", "y", start=TURN - timedelta(seconds=1)), [reject(2)])))
        repeated = Parsed(TRAIL, trail(two, "x", "y", "z", start=TURN - timedelta(seconds=1)))
        put(store, (two, [repeated, Parsed(TRAIL, trail(two, "future", start=TURN + timedelta(days=900)))]))
        (rejected,) = store.rejects()
        store.replay([rejected], Parsed(TRAIL, trail(one, "w", start=TURN)), NOW)
        periods = {of.source.key: self.row(of).periods for of in (one, two)}
        assert periods == {"a": {"2026.08": 1, "2026.09": 2}, "b": {"2026.09": 1, "other": 1}}

    def row(self, of: Delivery) -> Row:
        (row,) = Log(connected(self.url), self.names).rows([of.source.id]).values()
        return row
