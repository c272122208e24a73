"""Runs a condition through both engines over the same documents, as a store would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, BinaryIO

import duckdb
import pyarrow as pa

from siem.config import Limits
from siem.parsing import Batch
from siem.parsing.parser import Parser
from siem.schema import ANY_JSON, DatasetFields, LogSource, Origin, arrow_type, decoded
from siem.sigma import Dispatch, Rule, compiled, projected, query
from siem.sigma.tree import Node

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
PLAIN = re.compile(r"\\u[0-9a-f]{4}|\\.|([A-Za-z0-9/])")


@dataclass(frozen=True)
class Bytes:
    """An object's content that is in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def head(self) -> bytes:
        return self.data

    def blocks(self, least: int | None = None) -> Iterator[bytes]:
        yield self.data

    def file(self) -> BinaryIO:
        return BytesIO(self.data)


@dataclass(frozen=True)
class World:
    """Documents of one dataset, the table of them, and the batches that hold them.

    table: None for records of no dataset, which are projected per query.
    """

    fields: DatasetFields
    documents: Sequence[Any]
    table: pa.Table | None = None
    batches: Sequence[Batch] = ()

    @classmethod
    def of_json(cls, texts: Sequence[str]) -> World:
        return cls(ANY_JSON, [decoded(text) for text in texts])

    @classmethod
    def parsed(cls, parser: Parser, data: bytes) -> World:
        """What a parser makes of an object."""
        origin = Origin("key", "object", "0" * 64, datetime(2026, 11, 1, tzinfo=UTC))
        batches = [parsed.batch for parsed in parser.parse(Bytes(data), origin, Limits()) if parsed.batch is not None]
        documents = [decoded(line) for batch in batches for line in batch.ndjson().splitlines()]
        tables = [batch.arrow() for batch in batches]
        return cls(parser.fields, documents, pa.concat_tables(tables, promote_options="default"), batches)


@dataclass(frozen=True)
class Found:
    """Positions of documents: what the predicate finds, what SQL finds, and whether SQL says that it is exact."""

    predicate: list[int]
    sql: list[int]
    exact: bool

    def check(self) -> None:
        """The laws that hold for every rule and every event."""
        assert set(self.predicate) <= set(self.sql), "SQL misses what the predicate finds"
        if self.exact:
            assert self.sql == self.predicate, "SQL says that it is exact and finds too much"


def found(tree: Node, world: World, connection: duckdb.DuckDBPyConnection) -> Found:
    """Both engines' answers."""
    matches = compiled(tree, world.fields)
    given = query(tree, world.fields)
    table = world.table if world.table is not None else lists(world.documents, given.columns)
    for missing in given.columns - set(table.column_names):
        table = table.append_column(missing, pa.nulls(len(table), arrow_type(missing)))
    table = table.append_column("|row", pa.array(range(len(table))))
    connection.register("events", table)
    rows = connection.execute(
        f'SELECT "|row" FROM events WHERE {given.where} ORDER BY 1', dict(given.parameters)
    ).fetchall()
    connection.unregister("events")
    predicate = [row for row, document in enumerate(world.documents) if matches(document)]
    return Found(predicate, [row for (row,) in rows], given.exact)


def dispatched(tree: Node, world: World) -> list[int]:
    """What the dispatch of many rules finds in the batches: it looks at columns and bytes before it decodes."""
    rule = Rule(key="r", title="T", file="r.yml", line=1, tree=tree, logsource=LogSource())
    dispatch, found, start = Dispatch([rule], world.fields), [], 0
    for batch in world.batches:
        found += [start + row for row, _ in dispatch.matches(batch.documents())]
        start += len(batch)
    return found


def lists(documents: Sequence[Any], columns: frozenset[str]) -> pa.Table:
    """The projection of records of no dataset."""
    rows = [projected(document, columns) for document in documents]
    kind = pa.list_(pa.string())
    table = pa.table({column: pa.array([row[column] for row in rows], kind) for column in sorted(columns)})
    return table if columns else pa.table({"|": pa.nulls(len(rows))})


def cloudtrail(records: Sequence[dict[str, Any]], escaped: bool = False) -> bytes:
    """A delivery of CloudTrail: what a record does not say is filled in.

    escaped: values as a writer would have them that escapes every letter.
    """
    basis = {"eventVersion": "1.09", "eventTime": "2026-10-31T23:30:00Z", "eventName": "None", "awsRegion": "eu-west-1"}
    texts = [[f'"{key}":{written(value, escaped)}' for key, value in (basis | record).items()] for record in records]
    return '{{"Records":[{}]}}'.format(",".join(["{" + ",".join(text) + "}" for text in texts])).encode()


FLOW = {
    "version": "2", "account-id": "123456789012", "interface-id": "eni-1", "srcaddr": "10.0.0.1",
    "dstaddr": "192.0.2.1", "srcport": "40000", "dstport": "22", "protocol": "6", "packets": "1", "bytes": "40",
    "start": "1700000000", "end": "1700000060", "action": "REJECT", "log-status": "OK",
}  # fmt: skip


def flows(records: Sequence[Any], header: str | None = None) -> bytes:
    """Flow logs: lines as they stand below a header of their own, or what differs from a usual flow, by column."""
    lines = [record if isinstance(record, str) else " ".join(map(str, (FLOW | record).values())) for record in records]
    return "\n".join([header or " ".join(FLOW), *lines, ""]).encode()


REQUEST = {
    "type": "https", "time": "2026-11-01T00:00:00.000000Z", "elb": "app/web/0123456789abcdef",
    "client:port": "192.0.2.1:40000", "target:port": "10.0.0.1:80", "request_processing_time": "0.001",
    "target_processing_time": "0.010", "response_processing_time": "0.001", "elb_status_code": "200",
    "target_status_code": "200", "received_bytes": "100", "sent_bytes": "200",
    "request": "GET https://www.example.com:443/ HTTP/2.0", "user_agent": "Mozilla/5.0",
    "ssl_cipher": "TLS_AES_128_GCM_SHA256", "ssl_protocol": "TLSv1.3", "target_group_arn": "-",
}  # fmt: skip
QUOTED = ("request", "user_agent")


def requests(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Access logs of an Application Load Balancer: what differs from a usual request, by column."""
    lines = [
        " ".join([f'"{value}"' if name in QUOTED else str(value) for name, value in (REQUEST | record).items()])
        for record in records
    ]
    return "\n".join([*lines, ""]).encode()


def web_requests(records: Sequence[Mapping[str, Any]]) -> bytes:
    """Logs of WAF: what a record does not say of itself is filled in."""
    basis = {"timestamp": 1793491200000, "formatVersion": 1, "action": "ALLOW"}
    return "".join([json.dumps(basis | record) + "\n" for record in records]).encode()


def written(value: Any, escaped: bool) -> str:
    """JSON of a value, with spaces, which the record model has not."""
    text = json.dumps(value, ensure_ascii=escaped)
    return STRING.sub(lambda string: PLAIN.sub(as_escape, string[0]), text) if escaped else text


def as_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[1]):04x}" if found[1] else found[0]
