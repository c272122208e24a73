"""The emitter for OpenSearch: conditions as bool DSL. docs/decisions/0012 says what an index is asked, and why."""

from siem.sigma.opensearch.emitter import MOST_CLAUSES, clause

__all__ = ["MOST_CLAUSES", "clause"]
