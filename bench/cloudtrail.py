"""CloudTrail: from the compressed object to documents and to Parquet."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec
import orjson
from isal import igzip

from bench.claim import Claim
from bench.corpus_cloudtrail import cloudtrail
from bench.parsed import as_parquet, ndjson

EVENTS = 20_000
OF = "aws.cloudtrail", "x_CloudTrail_y.json.gz"


class Issuer(msgspec.Struct):
    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    userName: str | None = None


class Session(msgspec.Struct):
    sessionIssuer: Issuer | None = None
    attributes: dict[str, str] | None = None
    sourceIdentity: str | None = None


class Identity(msgspec.Struct):
    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    accessKeyId: str | None = None
    userName: str | None = None
    sessionContext: Session | None = None


class Tls(msgspec.Struct):
    tlsVersion: str | None = None
    cipherSuite: str | None = None
    clientProvidedHostHeader: str | None = None


class Record(msgspec.Struct):
    """Every documented field typed, open payloads as raw bytes: the least that columns of the record need."""

    eventVersion: str
    userIdentity: Identity
    eventTime: datetime
    eventSource: str
    eventName: str
    awsRegion: str
    sourceIPAddress: str | None = None
    userAgent: str | None = None
    errorCode: str | None = None
    errorMessage: str | None = None
    requestParameters: msgspec.Raw = msgspec.Raw(b"")
    responseElements: msgspec.Raw = msgspec.Raw(b"")
    additionalEventData: msgspec.Raw = msgspec.Raw(b"")
    requestID: str | None = None
    eventID: str | None = None
    readOnly: bool | None = None
    resources: list[dict[str, str]] | None = None
    eventType: str | None = None
    managementEvent: bool | None = None
    recipientAccountId: str | None = None
    eventCategory: str | None = None
    tlsDetails: Tls | None = None


class Document(msgspec.Struct):
    Records: list[Record]


_typed = msgspec.json.Decoder(Document)


def claims() -> list[Claim]:
    delivered = cloudtrail(EVENTS)
    return [
        Claim("CloudTrail to NDJSON", "events", partial(ndjson, *OF, delivered), partial(plain, delivered), 0.85),
        Claim("CloudTrail to Parquet", "events", partial(as_parquet, *OF, delivered), partial(typed, delivered), 0.30),
    ]


def plain(delivered: bytes) -> int:
    """The floor of documents: decompress, decode, encode each."""
    records = orjson.loads(igzip.decompress(delivered))["Records"]
    for record in records:
        orjson.dumps(record)
    return len(records)


def typed(delivered: bytes) -> int:
    """The floor of columns: decompress and decode with types."""
    return len(_typed.decode(igzip.decompress(delivered)).Records)
