"""The store on OpenSearch keeps the contract of all stores, on a real node."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import connected, emptied, prepared, removed, shipped_fields

from siem.store.contract import Store
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
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
