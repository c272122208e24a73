"""AWS CloudTrail: management, data, Insight and network activity events, of trails and of EventBridge.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from siem.parsing import Example, JsonRecords, Nested, address, documented, moment
from siem.schema import LogSource

ID_BYTES = 128


class Record(TypedDict, total=False):
    """What is read of a record."""

    eventTime: str | None
    eventSource: str | None
    eventName: str | None
    awsRegion: str | None
    sourceIPAddress: str | None
    userAgent: str | None
    errorCode: str | None
    errorMessage: str | None
    requestID: str | None
    eventID: str | None
    eventCategory: str | None
    recipientAccountId: str | None
    userIdentity: Nested
    tlsDetails: Nested
    requestParameters: Nested
    responseElements: Nested
    additionalEventData: Nested
    serviceEventDetails: Nested


class Issuer(msgspec.Struct):
    arn: str | None = None
    userName: str | None = None


class Session(msgspec.Struct):
    sessionIssuer: Issuer | None = None
    sourceIdentity: str | None = None


class OnBehalfOf(msgspec.Struct):
    userId: str | None = None


class Identity(msgspec.Struct):
    """https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-user-identity.html"""

    type: str | None = None
    principalId: str | None = None
    arn: str | None = None
    accountId: str | None = None
    userName: str | None = None
    sessionContext: Session | None = None
    onBehalfOf: OnBehalfOf | None = None


class Who(msgspec.Struct, frozen=True):
    """Who acted. arn: of the user or of the role behind the session, never a session's; person: who stands
    behind a session: source identity, Identity Center user, or the session's name."""

    type: str | None
    id: str | None
    account: str | None
    name: str | None
    arn: str | None
    person: str | None


def remembered(read: Callable[[bytes | None], Any]) -> Callable[[bytes | None], Any]:
    """What `read` gives for short parts of a record is kept: 200 identities stand in 20,000 records."""
    cached = lru_cache(maxsize=8192)(read)
    return lambda raw: cached(raw) if raw is None or len(raw) <= 4096 else read(raw)


SESSIONS = ("AssumedRole", "Role", "FederatedUser")
"""Types whose principal id ends with the name of the session: `AROAEXAMPLE:tanaka`, `123456789012:tanaka`."""


@remembered
def who(raw: bytes | None) -> Who:
    identity: Identity = documented(raw, Identity)
    session = identity.sessionContext or Session()
    issuer = session.sessionIssuer or Issuer()
    named = identity.principalId.partition(":")[2] if identity.type in SESSIONS and identity.principalId else None
    behalf = identity.onBehalfOf.userId if identity.onBehalfOf else None
    return Who(
        identity.type,
        identity.principalId,
        identity.accountId,
        identity.userName or issuer.userName,
        issuer.arn or (None if ":sts:" in (identity.arn or "") else identity.arn),
        session.sourceIdentity or behalf or named or None,
    )


class TlsDetails(msgspec.Struct):
    tlsVersion: str | None = None
    cipherSuite: str | None = None
    clientProvidedHostHeader: str | None = None


class Tls(msgspec.Struct, frozen=True):
    version: str | None
    protocol: str | None
    cipher: str | None
    host: str | None


class Answer(msgspec.Struct):
    ConsoleLogin: str | None = None


@remembered
def tls(raw: bytes | None) -> Tls:
    """`TLSv1.3` is version 1.3 of protocol tls."""
    details: TlsDetails = documented(raw, TlsDetails)
    protocol, _, number = (details.tlsVersion or "").partition("v")
    known = (number, protocol.lower()) if number else (None, None)
    return Tls(known[0], known[1], details.cipherSuite, details.clientProvidedHostHeader)


def begin(record: Record, event: Any) -> None:
    """Who acted, and over which TLS: the same from record to record."""
    principal = who(record.get("userIdentity"))
    event.cloud_account_id = principal.account
    event.user_id = principal.id
    event.user_name = principal.name
    event.siem_principal_id = principal.arn
    event.siem_principal_type = principal.type
    event.siem_principal_person = principal.person
    details = tls(record.get("tlsDetails"))
    event.tls_version = details.version
    event.tls_version_protocol = details.protocol
    event.tls_cipher = details.cipher
    event.tls_client_server_name = details.host


def fill(record: Record, event: Any) -> None:
    """An event of a CloudTrail record."""
    get = record.get
    time, own, caller = record.get("eventTime"), record.get("eventID"), record.get("sourceIPAddress")
    event.timestamp = moment(time) if time else None
    event.event_id = own if own and is_identity(own) else None
    event.event_kind = "alert" if get("eventCategory") == "Insight" else "event"
    event.event_provider = get("eventSource")
    event.event_action = get("eventName")
    event.event_outcome = outcome(record)
    event.error_code = get("errorCode")
    event.error_message = get("errorMessage")
    event.cloud_region = get("awsRegion")
    event.source_address = caller
    event.source_ip = address(caller) if caller else None
    event.user_agent_original = get("userAgent")
    event.http_request_id = get("requestID")
    if account := get("recipientAccountId"):
        event.cloud_account_id = account


def is_identity(text: str) -> bool:
    """A printable string of at most 128 bytes."""
    return text.isprintable() and (len(text) if text.isascii() else len(text.encode())) <= ID_BYTES


def outcome(record: Record) -> str | None:
    """Failure where there is an error's code or text, or a console login failed; Insights have no outcome."""
    if record.get("errorCode") or record.get("errorMessage"):
        return "failure"
    if record.get("eventCategory") == "Insight":
        return None
    if record.get("eventName") == "ConsoleLogin":
        answer = documented(record.get("responseElements"), Answer)
        return "failure" if answer.ConsoleLogin == "Failure" else "success"
    return "success"


CALL = {
    "eventVersion": "1.11",
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": "arn:aws:iam::123456789012:user/tanaka",
        "accountId": "123456789012",
        "userName": "tanaka",
    },
    "eventTime": "2026-11-01T02:24:10Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateAccessKey",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.66",
    "userAgent": "aws-cli/2.31.0",
    "requestParameters": {"userName": "suzuki"},
    "responseElements": None,
    "eventType": "AwsApiCall",
    "recipientAccountId": "123456789012",
}
EXAMPLE = Example(
    log=CALL,
    quiet=CALL | {"eventName": "ListAccessKeys"},
    selection={"eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey"},
)

PARSER = JsonRecords(
    dataset="aws.cloudtrail",
    # By the file's name wherever it lies, but not below the folder of another service; or from EventBridge.
    key=re.compile(
        r"^(?!.*AWSLogs/(?:o-[a-z0-9]+/)?(?:\d{12}/|aws-account-id=)(?!CloudTrail))"
        r"(?:.*/)?\d{12}_CloudTrail(?:-[A-Za-z]+)?_[^/]+\.json(?:\.gz)?$"
        r"|(?:^|/)eventbridge/cloudtrail/[^/].*[^/]$"
    ),
    skipped=re.compile(r"_CloudTrail-Digest_[^/]+$"),
    logsources=(LogSource(product="aws", service="cloudtrail"),),
    record=Record,
    begin=begin,
    fill=fill,
    first_key="eventVersion",
    written=(
        "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress",
        "userAgent", "errorCode", "errorMessage", "requestParameters", "responseElements", "additionalEventData",
        "requestID", "eventID", "readOnly", "resources", "eventType", "apiVersion", "managementEvent",
        "recipientAccountId", "serviceEventDetails", "sharedEventID", "vpcEndpointId", "vpcEndpointAccountId",
        "eventCategory", "addendum", "sessionCredentialFromConsole", "edgeDeviceDetails", "eventContext",
        "insightDetails", "annotation", "tlsDetails",
    ),
    nested=("resources", "insightDetails", "addendum", "edgeDeviceDetails", "eventContext"),
    repeating=("userIdentity", "tlsDetails"),
    payloads=("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"),
    native={
        "eventName": "event.action",
        "eventSource": "event.provider",
        "errorCode": "error.code",
        "errorMessage": "error.message",
        "awsRegion": "cloud.region",
        "sourceIPAddress": "source.address",
        "userAgent": "user_agent.original",
        "requestID": "http.request.id",
    },
    filled=frozenset((
        "event.kind", "event.provider", "event.action", "event.outcome", "error.code", "error.message",
        "cloud.account.id", "cloud.region", "source.address", "source.ip", "user.id", "user.name",
        "user_agent.original", "http.request.id", "tls.version", "tls.version_protocol", "tls.cipher",
        "tls.client.server_name", "siem.principal.id", "siem.principal.type", "siem.principal.person",
    )),
    example=EXAMPLE,
)  # fmt: skip
