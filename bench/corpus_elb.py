"""A seeded corpus of Application Load Balancer access lines: browsers, a few hosts, paths that mostly repeat."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

ACCOUNT, REGION = "111122223333", "ap-northeast-1"
FIRST = datetime(2026, 11, 1, tzinfo=UTC)
TARGETS = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/web-{{}}/73e2d6bc24d8a06{{}}"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/11112222-3333-4444-5555-666677778888"
AGENTS = [
    f"Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"
    for system in ("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64")
    for version in range(100, 131)
]
OLDER = (18, 25, 29)
"""Columns of lines that older load balancers wrote."""


def alb(lines: int, older: float = 0.0, seed: int = 1) -> bytes:
    """One object as it is delivered: gzip of so many lines, a share of them older and shorter."""
    chance = random.Random(seed)
    text = "".join(f"{' '.join(shortened(row, chance, older))}\n" for row in rows(lines, chance))
    return gzip.compress(text.encode(), 6, mtime=0)


def shortened(row: list[str], chance: random.Random, older: float) -> list[str]:
    return row[: chance.choice(OLDER)] if chance.random() < older else row


def rows(count: int, chance: random.Random) -> Iterator[list[str]]:
    peers = [".".join(str(chance.randrange(1, 255)) for _ in range(4)) for _ in range(5_000)]
    for number in range(count):
        yield access(chance, peers, FIRST + timedelta(microseconds=number * 2_500 + chance.randrange(2_500)))


def access(chance: random.Random, peers: list[str], time: datetime) -> list[str]:
    """One line by column: one path in two has an id of its own, three clients in a hundred are IPv6."""
    peer = peers[int(chance.paretovariate(1)) % len(peers)]
    if chance.random() < 0.03:
        peer = f"2001:db8:{chance.randrange(99)}::{chance.randrange(1, 999):x}"
    own = chance.random() < 0.5
    path = (
        f"/api/v1/items/{chance.randrange(10**7)}?page={chance.randrange(50)}"
        if own
        else f"/static/{chance.randrange(400)}.js"
    )
    status = chance.choice(("200", "200", "200", "200", "304", "404", "502"))
    target = f"10.0.{chance.randrange(4)}.{chance.randrange(20)}:8080"
    group = chance.randrange(8)
    created = time - timedelta(milliseconds=chance.randrange(900))
    return [
        chance.choice(("https", "h2", "h2")), micros(time), "app/web-alb/50dc6c495c0c9188",
        f"{peer}:{chance.randrange(1024, 65_536)}", target, "0.000", f"{chance.random() / 2:.3f}", "0.000",
        status, status,
        str(chance.randrange(200, 2_000)), str(chance.randrange(300, 90_000)),
        f'"{chance.choice(("GET", "GET", "POST"))} https://www{group}.example.com:443{path} HTTP/2.0"',
        f'"{chance.choice(AGENTS)}"', "TLS_AES_128_GCM_SHA256", "TLSv1.3", TARGETS.format(group, group),
        f'"Root=1-{int(created.timestamp()):08x}-{chance.getrandbits(96):024x}"', f'"www{group}.example.com"',
        f'"{CERTIFICATE}"', str(group), micros(created), '"forward"', '"-"', '"-"', f'"{target}"', f'"{status}"', '"-"',
        '"-"', f"TID_{chance.getrandbits(128):032x}", '"-"', '"-"', '"-"',
    ]  # fmt: skip


def micros(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
