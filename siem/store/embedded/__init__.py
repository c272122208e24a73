"""The embedded store: everything in one folder of one machine, no server."""

from siem.store.embedded.documents import documents
from siem.store.embedded.engine import Engine
from siem.store.embedded.store import EmbeddedStore

__all__ = ["EmbeddedStore", "Engine", "documents"]
