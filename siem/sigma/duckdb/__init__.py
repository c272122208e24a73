"""The emitter for DuckDB: conditions as SQL over the columns of the embedded store."""

from siem.sigma.duckdb.emitter import query

__all__ = ["query"]
