"""How the parts of the contract suite get a store: the test module of a store says how it is opened."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from siem.store.contract import Store


class Opening:
    """Fixtures: `place`, where a store is to be, and `store`, an empty one there."""

    def opened(self, place: Path) -> Store:
        raise NotImplementedError

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        return tmp_path / "store"

    @pytest.fixture
    def store(self, place: Path) -> Iterator[Store]:
        store = self.opened(place)
        yield store
        store.close()
