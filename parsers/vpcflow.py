"""Amazon VPC Flow Logs, and Transit Gateway Flow Logs: space-separated or Parquet, columns named by the header.

https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html
https://docs.aws.amazon.com/vpc/latest/tgw/tgw-flow-logs.html
"""

from __future__ import annotations

import re

from siem.parsing import Delimited, Example, first, holds
from siem.parsing.casts import address, epoch, family, integer, lower, port, protocol, text, transport
from siem.schema import LogSource

no_traffic = holds("log-status", "NODATA", "SKIPDATA")

FLOW = """\
version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
2 123456789012 eni-0a1b2c3d4e5f60001 203.0.113.9 10.0.1.15 44321 22 6 3 180 1793498400 1793498460 REJECT OK
"""
EXAMPLE = Example(log=FLOW, quiet=FLOW.replace(" 22 ", " 443 "), selection={"action": "REJECT", "dstport": 22})

PARSER = Delimited(
    dataset="aws.vpcflow",
    key=re.compile(r"(?:^|/)(?:aws-service=)?vpcflowlogs/(?:.*/)?[^/]+\.log(?:\.gz|\.parquet)?$"),
    logsources=(LogSource(product="aws", service="vpcflow"), LogSource(product="aws", category="firewall")),
    separator=" ",
    null="-",
    skip=no_traffic,
    time_in_key=re.compile(r"_(\d{8}T\d{4})Z_"),
    constants={"event.kind": "event", "cloud.provider": "aws"},
    columns={
        "@timestamp": (first("end", "start"), epoch),
        "event.action": ("action", lower),
        "event.reason": ("reject-reason", text),
        "event.start": ("start", epoch),
        "event.end": ("end", epoch),
        "cloud.account.id": ("account-id", text),
        "cloud.region": ("region", text),
        "cloud.instance.id": ("instance-id", text),
        "source.ip": ("srcaddr", address),
        "source.port": ("srcport", port),
        "destination.ip": ("dstaddr", address),
        "destination.port": ("dstport", port),
        "network.type": (first("type", "source.ip"), family),
        "network.iana_number": ("protocol", protocol),
        "network.transport": ("protocol", transport),
        "network.direction": ("flow-direction", text),
        "network.bytes": ("bytes", integer),
        "network.packets": ("packets", integer),
    },
    others=frozenset((
        "version", "interface-id", "log-status", "vpc-id", "subnet-id", "tcp-flags", "pkt-srcaddr", "pkt-dstaddr",
        "az-id", "sublocation-type", "sublocation-id", "pkt-src-aws-service", "pkt-dst-aws-service", "traffic-path",
        "ecs-cluster-arn", "ecs-cluster-name", "ecs-container-instance-arn", "ecs-container-instance-id",
        "ecs-container-id", "ecs-second-container-id", "ecs-service-name", "ecs-task-definition-arn", "ecs-task-arn",
        "ecs-task-id", "resource-id", "encryption-status", "resource-type", "tgw-id", "tgw-attachment-id",
        "tgw-src-vpc-account-id", "tgw-dst-vpc-account-id", "tgw-src-vpc-id", "tgw-dst-vpc-id", "tgw-src-subnet-id",
        "tgw-dst-subnet-id", "tgw-src-eni", "tgw-dst-eni", "tgw-src-az-id", "tgw-dst-az-id", "tgw-pair-attachment-id",
        "packets-lost-no-route", "packets-lost-blackhole", "packets-lost-mtu-exceeded", "packets-lost-ttl-expired",
    )),
    aliases={
        "source.address": "srcaddr",
        "destination.address": "dstaddr",
        "src_ip": "srcaddr",
        "dst_ip": "dstaddr",
        "src_port": "srcport",
        "dst_port": "dstport",
        "SourceIp": "srcaddr",
        "DestinationIp": "dstaddr",
        "SourcePort": "srcport",
        "DestinationPort": "dstport",
    },
    example=EXAMPLE,
)  # fmt: skip
