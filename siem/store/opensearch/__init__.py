"""Events, ledger, signals and alerts in OpenSearch. docs/decisions/0014 says how a commit is one document."""

from siem.store.opensearch.store import OpenSearchStore

__all__ = ["OpenSearchStore"]
