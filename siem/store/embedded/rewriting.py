"""Files made of others: the rows of several files of a day in few, or those of a file without some objects' rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from siem.allocator import trim
from siem.disk import flush
from siem.schema import arrow_type
from siem.store.embedded.files import ASIDE, Workplace, day_of, describe
from siem.store.embedded.merging import gathered, merged
from siem.store.embedded.objects import EventFile
from siem.store.embedded.parquet import ROW_GROUP_BYTES, Growing, read_groups

FILE_ROWS, FILE_BYTES = 1 << 20, 32 << 20
"""Where a file is full, in rows and on the disk: flow lines are 15 MB then. A search of a column of it takes 0.6 s, and
each file costs it 0.7 ms, so larger ones gain nothing."""


def rewritten(
    root: Path, workplace: Workplace, names: Sequence[str], dataset: str, without: Sequence[str] = ()
) -> list[EventFile]:
    """Files with the rows of these (of a day) in order of time, but for those of some objects: in their places and
    durable, not yet named. None where no row is left. Memory holds a part of them."""
    sources = [root / name for name in names]
    schema = _schema(sources)
    rows = _rows(sources, schema, pa.array(without, pa.string()))
    if len(sources) > 1:
        rows = merged(rows, root / ASIDE)
    aside = list(_written(workplace, gathered(rows, ROW_GROUP_BYTES), schema))
    workplace.touch()
    places = [workplace.place(path, dataset, day_of(names[0])) for path in aside]
    for folder in {place.parent for place in places}:
        flush(folder)
    return [describe(root, place, dataset) for place in places]


def _written(workplace: Workplace, tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[Path]:
    """The files, each of as many row groups as it may have."""
    with ExitStack() as held:
        file: Growing | None = None
        for table in tables:
            if file is not None and (file.rows >= FILE_ROWS or file.bytes >= FILE_BYTES):
                held.close()
                file = None
            if file is None:
                file = held.enter_context(workplace.growing(schema, table))
                yield file.path
            file.write(table)
            trim()


def _rows(sources: Sequence[Path], schema: pa.Schema, without: pa.Array) -> Iterator[pa.Table]:
    """File by file, row group by row group."""
    for path in sources:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for group in range(file.num_row_groups):
                table = read_groups(file, [group], None)
                if len(without):
                    table = table.filter(pc.invert(pc.is_in(table["siem.object"], value_set=without)))
                if len(table):
                    yield _shaped(table, schema)


def _schema(sources: Sequence[Path]) -> pa.Schema:
    """All columns of the files. One that every file has, and has without nulls, is said to have none."""
    found: dict[str, list[bool]] = {}
    for path in sources:
        for field in pq.read_schema(path):
            found.setdefault(field.name, []).append(field.nullable)
    return pa.schema(
        [
            pa.field(name, arrow_type(name), nullable=any(nullable) or len(nullable) < len(sources))
            for name, nullable in found.items()
        ]
    )


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with all columns of the schema."""
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(len(table), field.type) for field in schema
    ]
    return pa.table(columns, schema=schema)
