"""A seeded corpus of VPC flow lines: 200 interfaces, thousands of peers, one line in a hundred without a flow."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
V3 = (
    "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport dstport pkt-srcaddr "
    "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status"
)
V4 = (
    "start end log-status region az-id sublocation-type sublocation-id action protocol dstport srcport dstaddr srcaddr "
    "packets bytes tcp-flags version"
)
V5 = (
    "version account-id vpc-id subnet-id interface-id flow-direction traffic-path srcaddr dstaddr srcport dstport "
    "pkt-srcaddr pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service protocol tcp-flags packets bytes start end action "
    "log-status type region az-id"
)
ACCOUNT = "111122223333"
FIRST_SECOND = 1_793_498_400
EMPTY = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action", "pkt-srcaddr",
         "pkt-dstaddr", "tcp-flags", "flow-direction", "traffic-path", "type")  # fmt: skip


def vpcflow(header: str, lines: int, seed: int = 1) -> bytes:
    """One object as it is delivered: gzip of `header` and so many lines."""
    text = "\n".join([header, *rows(header.split(" "), lines, seed), ""])
    return gzip.compress(text.encode(), 6, mtime=0)


def rows(columns: list[str], count: int, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    interfaces = [interface(chance) for _ in range(200)]
    peers = [".".join(str(chance.randrange(1, 255)) for _ in range(4)) for _ in range(5_000)]
    for number in range(count):
        row = flow(chance, interfaces, peers, FIRST_SECOND + number // 400)
        if number % 100 == 57:
            row |= dict.fromkeys(EMPTY, "-") | {"log-status": "NODATA"}
        yield " ".join([row[name] for name in columns])


def interface(chance: random.Random) -> dict[str, str]:
    return {
        "interface-id": f"eni-0{chance.getrandbits(64):016x}",
        "instance-id": f"i-0{chance.getrandbits(64):016x}",
        "vpc-id": "vpc-0a1b2c3d4e5f60001",
        "subnet-id": f"subnet-0a1b2c3d4e5f6000{chance.randrange(6)}",
        "address": f"10.0.{chance.randrange(8)}.{chance.randrange(256)}",
        "region": "ap-northeast-1",
        "az-id": f"apne1-az{chance.randrange(1, 4)}",
    }


def flow(chance: random.Random, interfaces: list[dict[str, str]], peers: list[str], now: int) -> dict[str, str]:
    """One flow; three in a hundred are IPv6, one peer in two is a frequent one."""
    own = chance.choice(interfaces)
    peer = peers[int(chance.paretovariate(1)) % len(peers)] if chance.random() < 0.5 else chance.choice(peers)
    ends, family = (own["address"], peer), "IPv4"
    if chance.random() < 0.03:
        ends = (f"2001:db8:{chance.randrange(99)}::{chance.randrange(1, 999):x}", "2001:db8::53")
        family = "IPv6"
    ingress = chance.random() < 0.5
    source, destination = reversed(ends) if ingress else ends
    start = now + chance.randrange(60)
    return own | {
        "version": "5", "account-id": ACCOUNT, "srcaddr": source, "dstaddr": destination, "pkt-srcaddr": source,
        "pkt-dstaddr": destination, "srcport": str(chance.randrange(1024, 65_536)),
        "dstport": str(chance.choice((443, 80, 22, 53, 5432, 8080))),
        "protocol": chance.choices(("6", "17", "1"), (80, 18, 2))[0], "packets": str(chance.randrange(1, 100)),
        "bytes": str(chance.randrange(40, 90_000)), "start": str(start), "end": str(start + chance.randrange(60)),
        "action": chance.choice(("ACCEPT", "ACCEPT", "REJECT")), "log-status": "OK", "type": family,
        "tcp-flags": str(chance.choice((0, 2, 3, 18, 19))), "flow-direction": "ingress" if ingress else "egress",
        "traffic-path": "-" if ingress else str(chance.choice((1, 8))), "sublocation-type": "-", "sublocation-id": "-",
        "pkt-src-aws-service": "-", "pkt-dst-aws-service": chance.choice(("-", "-", "-", "S3", "DYNAMODB")),
    }  # fmt: skip
