"""DuckDB over Parquet files and Arrow tables. It loads no extension, and reaches no network and no other file."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siem.errors import ConfigError, ContentError, Unavailable
from siem.schema import Gate, Query, arrow_type
from siem.store.embedded.files import ASIDE, EVENTS
from siem.store.embedded.parts import Extent

TYPES = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMPTZ",
}
FILES = "read_parquet($store_files, union_by_name = true, hive_partitioning = false"

OTHERS = '"siem.object" NOT IN (SELECT unnest($without::VARCHAR[]))'

WORDS = re.compile(r""""(?:[^"]|"")*"|'(?:[^']|'')*'|\$(\w+)""")
"""Names and texts in quotes, in which nothing is a parameter; and parameters."""

OR = " OR "

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

    def holds(self, table: pa.Table, conditions: Sequence[Gate]) -> list[np.ndarray]:
        """In which rows each of the conditions holds. The table has all their columns.

        Raises:
            ContentError: one of them is none that the engine can run.
        """
        chosen: list[str] = []
        parameters: dict[str, object] = {}
        for number, condition in enumerate(conditions):
            own = f"c{number}_"
            chosen.append(f'({_prefixed(condition.where, own)}) AS "|{number}"')
            parameters |= {own + name: value for name, value in condition.parameters.items()}
        sql = f'SELECT "{ROW}", {", ".join(chosen)} FROM store_rows ORDER BY "{ROW}"'
        with self._asked() as cursor:
            cursor.register("store_rows", table.append_column(ROW, pa.array(range(len(table)), pa.int64())))
            found = cursor.sql(sql, params=parameters).to_arrow_table()
        return [found[f"|{number}"].to_numpy() for number in range(len(conditions))]

    def found(self, queries: Sequence[Query], extents: Sequence[Extent]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of each query the rows of files that it finds: numbers of extents, and positions in their files.

        Raises:
            ContentError: one of the queries is none that the engine can run.
        """
        there = frozenset[str]().union(*[pq.read_schema(extent.path).names for extent in extents])
        wheres = [f"({_prefixed(query.where, f'c{number}_')})" for number, query in enumerate(queries)]
        parameters: dict[str, object] = {"store_files": [str(extent.path) for extent in extents]}
        for number, query in enumerate(queries):
            parameters |= {f"c{number}_{name}": value for name, value in query.parameters.items()}
        columns = frozenset[str]().union(*[query.columns for query in queries])
        within = [f"({_within(extent, len(extents))})" for extent in extents if not extent.whole]
        files = f"{FILES}, filename = true, file_row_number = true)"
        sql = (
            f"SELECT filename, file_row_number, {', '.join(wheres)} FROM (SELECT {_chosen(queries[0], there, columns)}"
            f" filename, file_row_number FROM {files}) WHERE {' AND '.join([*within, f'({OR.join(wheres)})'])}"
        )
        with self._asked() as cursor:
            found = cursor.sql(sql, params=parameters).to_arrow_table()
        numbers = {str(extent.path): number for number, extent in enumerate(extents)}
        files_of = np.array([numbers[name] for name in found[0].to_pylist()], np.int64)
        rows = found[1].to_numpy()
        return [(files_of[holds], rows[holds]) for holds in (column.to_numpy() for column in found.columns[2:])]

    @contextmanager
    def sorting(self, schema: pa.Schema) -> Iterator[Sorting]:
        """A place for rows of these columns, on disk where memory does not suffice."""
        with self._asked() as cursor:
            cursor.register("store_shape", schema.empty_table())
            cursor.execute("CREATE TEMP TABLE store_sorting AS FROM store_shape")
            yield Sorting(cursor)

    def repeated(self, keys: pa.Table, paths: Sequence[Path], by_time: bool, without: Sequence[str] = ()) -> np.ndarray:
        """Positions in `keys` (columns `event.id @timestamp`) of events that the files hold already, but for those that
        they hold of the objects `without`."""
        if not paths:
            return np.empty(0, np.int64)
        within = f"WHERE {OTHERS}"
        if by_time:
            within += ' AND "@timestamp" BETWEEN $first AND $last'
        same = 'AND known."@timestamp" = mine."@timestamp"' if by_time else ""
        known = f'SELECT "event.id", "@timestamp" FROM {FILES}) {within}'
        sql = (
            f'SELECT "row" FROM store_keys mine SEMI JOIN ({known}) known ON known."event.id" = mine."event.id" {same}'
        )
        bounds: dict[str, object] = {"store_files": [str(path) for path in paths], "without": list(without)}
        if by_time:
            bounds["first"], bounds["last"] = _ends(keys["@timestamp"])
        with self._asked() as cursor:
            cursor.register("store_keys", keys.append_column("row", pa.array(range(len(keys)), pa.int64())))
            found: np.ndarray = cursor.sql(sql, params=bounds).to_arrow_table()["row"].to_numpy()
            return found

    def held(self, keys: pa.Table, paths: Sequence[Path]) -> np.ndarray:
        """Positions in `keys` (columns `event.id siem.object`) of events that their object has in the files, at any
        time."""
        if not paths:
            return np.empty(0, np.int64)
        same = '"event.id", "siem.object"'
        sql = f'SELECT "row" FROM store_keys SEMI JOIN (SELECT {same} FROM {FILES})) USING ({same})'
        with self._asked() as cursor:
            cursor.register("store_keys", keys.append_column("row", pa.array(range(len(keys)), pa.int64())))
            params = {"store_files": [str(path) for path in paths]}
            found: np.ndarray = cursor.sql(sql, params=params).to_arrow_table()["row"].to_numpy()
            return found

    def meet(self, mine: Sequence[Path], theirs: Sequence[Path], without: Sequence[str] = ()) -> bool:
        """An event of the one files, by id and time, is in the others too, and there not of the objects `without`."""
        if not mine or not theirs:
            return False
        columns = '"event.id", "@timestamp"'
        sql = (
            f"SELECT 1 FROM (SELECT {columns} FROM read_parquet($mine, hive_partitioning = false)) SEMI JOIN"
            f" (SELECT {columns} FROM read_parquet($theirs, hive_partitioning = false) WHERE {OTHERS})"
            f" USING ({columns}) LIMIT 1"
        )
        with self._asked() as cursor:
            params = {"mine": list(map(str, mine)), "theirs": list(map(str, theirs)), "without": list(without)}
            return len(cursor.sql(sql, params=params).to_arrow_table()) > 0

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


class Sorting:
    """Rows that are to come in another order. See `Engine.sorting`."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor

    def add(self, table: pa.Table) -> None:
        self._cursor.register("store_more", table)
        self._cursor.execute("INSERT INTO store_sorting FROM store_more")
        self._cursor.unregister("store_more")

    def ordered(self, by: str, most: int) -> Iterator[pa.RecordBatch]:
        """All rows, by these columns, in batches of at most so many."""
        yield from self._cursor.sql(f"FROM store_sorting ORDER BY {by}").arrow(most)


def _within(extent: Extent, of: int) -> str:
    """Rows of one of so many files. Alone, the condition lets DuckDB pass over row groups."""
    rows = f"file_row_number BETWEEN {extent.first} AND {extent.end - 1}"
    return rows if of == 1 else f"filename <> {_literal(extent.path)} OR {rows}"


def _prefixed(where: str, prefix: str) -> str:
    """The condition with other names of its parameters, so that several can stand in one statement."""
    return WORDS.sub(lambda found: f"${prefix}{found[1]}" if found[1] else found[0], where)


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
