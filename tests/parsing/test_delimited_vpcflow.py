"""What the flow log parser takes for its own, and what rules find in its events."""

from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path

import pytest
from flows import GOOD, PARSER, V2, flows
from pyarrow import parquet

from siem.parsing import Delimited, Registry
from siem.schema import BY_NAME, Column, Kind, LogSource

FOLDER = "AWSLogs/111122223333/vpcflowlogs/ap-northeast-1/2026/11/01/"


@pytest.mark.parametrize(
    ("key", "claimed"),
    [
        (f"{FOLDER}111122223333_vpcflowlogs_ap-northeast-1_fl-1_20261101T0500Z_1.log.gz", True),
        (f"own/prefix/{FOLDER}111122223333_vpcflowlogs_ap-northeast-1_fl-1_20261101T0500Z_1.log.parquet", True),
        (
            "AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=x/year=2026/hour=04/a.log.parquet",
            True,
        ),
        ("vpcflowlogs/a.log", True),
        ("AWSLogs/111122223333/vpcflowlogs/AwsServiceWritePermission", False),
        (f"{FOLDER}111122223333_CloudTrail_ap-northeast-1_20261101T0515Z_x.json.gz", False),
        ("AWSLogs/111122223333/elasticloadbalancing/ap-northeast-1/a.log.gz", False),
        ("notvpcflowlogs/a.log.gz", False),
        (FOLDER, False),
    ],
)
def test_the_key_tells_whose_an_object_is(key: str, claimed: bool) -> None:
    assert PARSER.claims(key) == claimed


@pytest.mark.parametrize(
    ("head", "recognised"),
    [
        (b"", True),
        (V2.encode(), True),
        (b"\xef\xbb\xbf" + V2.encode(), True),
        (GOOD.encode(), True),
        (b"PAR1\x15\x04", True),
        (b"a b c\n1 2 3\n", True),
        (V2.encode() + b"\n\x00\x00\x00", True),
        (b'{"Records":[]}', False),
        (b' \n[{"a":1}]', False),
        (b"<?xml version='1.0'?>", False),
        (b"\x89PNG\r\n\x1a\n", False),
        (b"PK\x03\x04", False),
    ],
)
def test_content_of_another_kind_is_refused(head: bytes, recognised: bool) -> None:
    assert PARSER.recognises(head) == recognised


def test_a_flow_in_the_schema() -> None:
    (document,) = flows(GOOD.replace("ACCEPT", "REJECT")).documents
    assert document | {"event.id": "", "siem.object": ""} == {
        "@timestamp": "2026-11-01T05:01:00Z",
        "event.id": "",
        "event.dataset": "aws.vpcflow",
        "event.kind": "event",
        "event.action": "reject",
        "event.start": "2026-11-01T05:00:00Z",
        "event.end": "2026-11-01T05:01:00Z",
        "event.ingested": "2026-11-01T12:00:00Z",
        "cloud.provider": "aws",
        "cloud.account.id": "111122223333",
        "source.ip": "10.0.0.1",
        "source.port": 40000,
        "destination.ip": "192.0.2.7",
        "destination.port": 443,
        "network.type": "ipv4",
        "network.iana_number": "6",
        "network.transport": "tcp",
        "network.bytes": 420,
        "network.packets": 3,
        "siem.object": "",
        "aws.vpcflow.version": "2",
        "aws.vpcflow.interface-id": "eni-1",
        "aws.vpcflow.start": "1793509200",
        "aws.vpcflow.end": "1793509260",
        "aws.vpcflow.action": "REJECT",
        "aws.vpcflow.log-status": "OK",
    }


def test_what_a_field_cannot_hold_stays_as_it_was_written() -> None:
    line = GOOD.replace("10.0.0.1 192.0.2.7 40000 443 6 3 420", "10.0.0.999 192.0.2.7 99999 -7 300 007 4e1")
    (document,) = flows(line).documents
    bad = {
        "srcaddr": "10.0.0.999",
        "srcport": "99999",
        "dstport": "-7",
        "protocol": "300",
        "packets": "007",
        "bytes": "4e1",
    }
    assert {name: document[f"aws.vpcflow.{name}"] for name in bad} == bad
    assert not {"source.ip", "source.port", "destination.port", "network.bytes", "network.packets"} & document.keys()
    assert document["destination.ip"] == "192.0.2.7"
    assert "aws.vpcflow.dstaddr" not in document


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("source.ip", [("source.ip", Kind.IP)]),
        ("srcaddr", [("source.ip", Kind.IP), ("aws.vpcflow.srcaddr", Kind.TEXT)]),
        ("aws.vpcflow.srcaddr", [("source.ip", Kind.IP), ("aws.vpcflow.srcaddr", Kind.TEXT)]),
        ("src_ip", [("source.ip", Kind.IP), ("aws.vpcflow.srcaddr", Kind.TEXT)]),
        ("source.address", [("source.ip", Kind.IP), ("aws.vpcflow.srcaddr", Kind.TEXT)]),
        ("dst_port", [("destination.port", Kind.LONG), ("aws.vpcflow.dstport", Kind.TEXT)]),
        ("action", [("aws.vpcflow.action", Kind.TEXT)]),
        ("event.action", [("event.action", Kind.TEXT)]),
        ("start", [("aws.vpcflow.start", Kind.TEXT)]),
        ("protocol", [("network.iana_number", Kind.TEXT), ("aws.vpcflow.protocol", Kind.TEXT)]),
        ("log-status", [("aws.vpcflow.log-status", Kind.TEXT)]),
        ("type", [("aws.vpcflow.type", Kind.TEXT)]),
    ],
)
def test_where_rules_find_a_field(name: str, columns: list[tuple[str, Kind]]) -> None:
    assert PARSER.fields.sources(name) == tuple(Column(*column) for column in columns)


def test_every_declared_field_is_of_the_schema() -> None:
    assert PARSER.fields.filled <= BY_NAME.keys()


def test_rules_for_flow_logs_and_for_aws_firewalls_look_here() -> None:
    wanted = [LogSource(product="aws", service="vpcflow"), LogSource("firewall", "aws"), LogSource("firewall")]
    assert all(any(mine.covers(other) for mine in PARSER.logsources) for other in wanted)
    assert not any(mine.covers(LogSource("firewall", "windows")) for mine in PARSER.logsources)


def test_every_column_of_the_samples_is_documented_but_the_one_of_the_future(samples: Path, registry: Registry) -> None:
    parser = registry.parsers["aws.vpcflow"]
    assert isinstance(parser, Delimited)
    names: set[str] = set()
    for path in (samples / "bucket").rglob("*_vpcflowlogs_*"):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            names |= {name.replace("_", "-") for name in parquet.ParquetFile(BytesIO(content)).schema_arrow.names}
        else:
            names |= set(gzip.decompress(content).split(b"\n")[0].decode().split(" "))
    assert names - parser.known == {"interface-id-of-the-future"}
