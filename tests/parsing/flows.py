"""What the tests of delimited parsers share: an object in memory, and the flow log parser applied to text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, BinaryIO

import msgspec

from siem.config import Limits
from siem.errors import Damaged
from siem.parsing import Parsed, Parser, Reject, Tally
from siem.run.content import load_registry
from siem.schema import Origin

PARSER: Parser = load_registry(None)[0].parsers["aws.vpcflow"]
V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
GOOD = "2 111122223333 eni-1 10.0.0.1 192.0.2.7 40000 443 6 3 420 1793509200 1793509260 ACCEPT OK"
KEY = "AWSLogs/111122223333/vpcflowlogs/ap-northeast-1/2026/11/01/111122223333_vpcflowlogs_fl-1_20261101T0500Z_1.log.gz"
LIMITS = Limits()


@dataclass(frozen=True)
class Memory:
    """Content in memory, cut into blocks of `size`; breaks after its end where `damage` is given."""

    content: bytes
    step: int = 1 << 20
    damage: str | None = None

    @property
    def size(self) -> int:
        return len(self.content)

    def head(self) -> bytes:
        return self.content[: 64 << 10]

    def blocks(self, least: int | None = None) -> Iterator[bytes]:
        for start in range(0, len(self.content), self.step):
            yield self.content[start : start + self.step]
        if self.damage:
            raise Damaged(self.damage)

    def file(self) -> BinaryIO:
        return BytesIO(self.content)


@dataclass(frozen=True)
class Outcome:
    """What an object came to."""

    documents: list[dict[str, Any]]
    ndjson: bytes
    rejects: list[Reject]
    tally: Tally
    blocks: list[Parsed]

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(reject.ordinal, reject.reason) for reject in self.rejects]

    @property
    def ordinals(self) -> list[int]:
        """Ordinals of the events."""
        return [int(document["event.id"].rpartition("-")[2]) for document in self.documents]


def origin_of(content: bytes, key: str = KEY) -> Origin:
    ingested = datetime(2026, 11, 1, 12, tzinfo=UTC)
    return Origin(key, "0123456789abcdef01234567", hashlib.sha256(content).hexdigest(), ingested)


def outcome(content: bytes | Memory, key: str = KEY, limits: Limits = LIMITS, parser: Parser = PARSER) -> Outcome:
    memory = content if isinstance(content, Memory) else Memory(content)
    blocks = list(parser.parse(memory, origin_of(memory.content, key), limits))
    tally = Tally()
    for block in blocks:
        tally.add(block)
    text = b"".join(block.batch.ndjson() for block in blocks if block.batch is not None)
    documents = [msgspec.json.decode(line) for line in text.split(b"\n") if line]
    return Outcome(documents, text, [reject for block in blocks for reject in block.rejects], tally, blocks)


def flows(*lines: str, header: str = V2, key: str = KEY) -> Outcome:
    """An object of these lines under the header."""
    return outcome("\n".join([header, *lines, ""]).encode(), key)
