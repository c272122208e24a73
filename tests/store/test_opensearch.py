"""The store on OpenSearch keeps the contract of all stores, on a real node."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import connected, prepared, removed, shipped_fields

from siem.store.contract import Store
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
from siem.testing.store_contract import StoreContract

pytestmark = pytest.mark.slow


class TestOpenSearch(StoreContract):
    fields = shipped_fields()

    @pytest.fixture(autouse=True)
    def node(self, opensearch: str, place: Path) -> Iterator[None]:
        self.url = opensearch
        prepared(opensearch, self.names(place), self.fields)
        yield
        removed(opensearch, self.names(place))

    def names(self, place: Path) -> Names:
        return Names(f"t{hashlib.sha256(str(place).encode()).hexdigest()[:12]}-")

    def opened(self, place: Path) -> Store:
        return OpenSearchStore(connected(self.url), self.names(place), self.fields, lease=1.0)
