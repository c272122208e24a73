"""DuckDB over Parquet files and Arrow tables. It loads no extension, and reaches no network and no other file."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siem.errors import ConfigError, ContentError, Unavailable
from siem.schema import Query, arrow_type
from siem.store.embedded.files import ASIDE, EVENTS

TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}
FILES = "read_parquet($store_files, union_by_name = true, hive_partitioning = false"

ROW = "|row"
"""The number of a row among columns; no field of a rule is called so."""


class Engine:
    """Runs queries. folder: the store's; None: for tables in memory alone.

    memory: as DuckDB writes it, `128MB`; queries that need more use the folder's disk.
    """

    def __init__(self, folder: Path | None = None, memory: str = "128MB", threads: int = 2) -> None:
        self._folder = folder
        self._duckdb = duckdb.connect(":memory:")
        settings: list[tuple[str, object]] = [
            ("memory_limit", memory),
            ("threads", threads),
            ("TimeZone", "UTC"),
            ("autoinstall_known_extensions", False),
            ("autoload_known_extensions", False),
            ("python_enable_replacements", False),
            ("parquet_metadata_cache", True),
            ("allowed_directories", [str(folder / EVENTS), str(folder / ASIDE)] if folder else []),
            ("temp_directory", str(folder / ASIDE / f"spill-{uuid.uuid4().hex}") if folder else ""),
            ("enable_external_access", False),
            ("lock_configuration", True),
        ]
        try:
            for name, value in settings:
                self._duckdb.execute(f"SET GLOBAL {name} = {_literal(value)}")
        except duckdb.Error as error:
            raise ConfigError(f"the query engine cannot be set up: {error}") from error

    def close(self) -> None:
        self._duckdb.close()

    def matches(self, table: pa.Table, query: Query) -> list[int]:
        """Positions of the rows that the query finds, in order.

        Raises:
            ContentError: the query is none that the engine can run.
        """
        chosen = _chosen(query, frozenset(table.column_names), query.columns)
        sql = f'SELECT "{ROW}" FROM (SELECT {chosen}"{ROW}" FROM store_rows) WHERE ({query.where}) ORDER BY "{ROW}"'
        numbered = table.append_column(ROW, pa.array(range(len(table)), pa.int64()))
        with self._asked() as cursor:
            cursor.register("store_rows", numbered)
            found: list[int] = cursor.sql(sql, params=dict(query.parameters)).to_arrow_table()[ROW].to_pylist()
            return found

    def hits(
        self,
        query: Query,
        files: Sequence[str],
        columns: frozenset[str],
        objects: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        places: bool = False,
        most: int = 8192,
    ) -> Iterator[pa.RecordBatch]:
        """What the query finds in the files, in order of time and id: `time id object`, with places also `file row`.

        columns: those that any of the files has. most: hits of one batch.

        Raises:
            ContentError: the query is none that the engine can run.
            Unavailable: a file cannot be read, or memory and disk do not suffice.
        """
        bounds: dict[str, object] = {"store_files": [str(self._root / name) for name in files]}
        where = ["true"]
        if since is not None:
            where, bounds["store_since"] = [*where, '"@timestamp" >= $store_since'], since
        if until is not None:
            where, bounds["store_until"] = [*where, '"@timestamp" < $store_until'], until
        if objects is not None:
            where.append('"siem.object" IN (SELECT unnest($store_objects))')
            bounds["store_objects"] = list(objects)
        chosen = _chosen(query, columns, query.columns | {"@timestamp", "event.id", "siem.object"})
        place = ', filename AS "file", file_row_number AS "row"' if places else ""
        inner = f"SELECT {chosen}1{place} FROM {FILES}{', filename = true, file_row_number = true' if places else ''})"
        sql = (
            f'SELECT "@timestamp" AS "time", "event.id" AS "id", "siem.object" AS "object"'
            f"{', file, row' if places else ''} FROM ({inner} WHERE {' AND '.join(where)})"
            f' WHERE ({query.where}) ORDER BY "time", "id"'
        )
        with self._asked() as cursor:
            yield from cursor.sql(sql, params={**query.parameters, **bounds}).arrow(most)

    def repeated(self, keys: pa.Table, paths: Sequence[Path], by_time: bool) -> np.ndarray:
        """Positions in `keys` (columns `event.id @timestamp`) of events that the files hold already."""
        if not paths:
            return np.empty(0, np.int64)
        within = 'WHERE "@timestamp" BETWEEN $first AND $last' if by_time else ""
        same = 'AND known."@timestamp" = mine."@timestamp"' if by_time else ""
        known = f'SELECT "event.id", "@timestamp" FROM {FILES}) {within}'
        sql = (
            f'SELECT "row" FROM store_keys mine SEMI JOIN ({known}) known ON known."event.id" = mine."event.id" {same}'
        )
        bounds: dict[str, object] = {"store_files": [str(path) for path in paths]}
        if by_time:
            bounds["first"], bounds["last"] = _ends(keys["@timestamp"])
        with self._asked() as cursor:
            cursor.register("store_keys", keys.append_column("row", pa.array(range(len(keys)), pa.int64())))
            found: np.ndarray = cursor.sql(sql, params=bounds).to_arrow_table()["row"].to_numpy()
            return found

    def meet(self, mine: Sequence[Path], theirs: Sequence[Path]) -> bool:
        """An event of the one files, by id and time, is in the others too."""
        if not mine or not theirs:
            return False
        columns = '"event.id", "@timestamp"'
        sql = (
            f"SELECT 1 FROM (SELECT {columns} FROM read_parquet($mine, hive_partitioning = false)) SEMI JOIN"
            f" (SELECT {columns} FROM read_parquet($theirs, hive_partitioning = false)) USING ({columns}) LIMIT 1"
        )
        with self._asked() as cursor:
            paths = {"mine": list(map(str, mine)), "theirs": list(map(str, theirs))}
            return len(cursor.sql(sql, params=paths).to_arrow_table()) > 0

    @property
    def _root(self) -> Path:
        assert self._folder is not None, "an engine without a folder has no files"  # noqa: S101
        return self._folder

    @contextmanager
    def _asked(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own for one question: threads do not wait for each other."""
        cursor = self._duckdb.cursor()
        try:
            yield cursor
        except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.InterruptException) as error:
            raise Unavailable(f"store {self._folder}: {error}; look at the disk and the memory setting") from error
        except duckdb.Error as error:
            if self._folder is not None and str(self._folder / EVENTS) in str(error):
                raise Unavailable(f"store {self._folder}: {error}; restore the file from a backup") from error
            raise ContentError(f"the embedded store cannot run this query: {error}") from error
        finally:
            cursor.close()


def _chosen(query: Query, there: frozenset[str], wanted: Iterable[str]) -> str:
    """The wanted columns, null where there is none of that name; each followed by a comma."""
    return "".join(
        f"{_quoted(name)}, " if name in there else f"CAST(NULL AS {_type(query, name)}) AS {_quoted(name)}, "
        for name in sorted(wanted)
    )


def _type(query: Query, name: str) -> str:
    """Records of no dataset come as lists of texts."""
    return TYPES[arrow_type(name)] if query.dataset else "VARCHAR[]"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return "'" + str(value).replace("'", "''") + "'"


def _ends(times: pa.ChunkedArray) -> tuple[Any, Any]:
    ends: Mapping[str, Any] = pc.min_max(times).as_py()
    return ends["min"], ends["max"]
