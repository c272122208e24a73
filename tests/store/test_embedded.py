"""The embedded store keeps the contract of all stores."""

from __future__ import annotations

from pathlib import Path

from siem.store import open_folder
from siem.store.contract import Store
from siem.testing.store_contract import StoreContract


class TestEmbedded(StoreContract):
    def opened(self, place: Path) -> Store:
        return open_folder(place)
