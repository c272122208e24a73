"""AWS CloudTrail: management, data, Insight and network activity events, of trails and of EventBridge.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypedDict

import msgspec

from siem.parsing import Example, JsonRecords, Nested, Parts, address, documented, moment, remembered
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


class Who(NamedTuple):
    """Who acted. arn: of the user or of the role behind the session, never a session's; person: who stands
    behind a session: source identity, Identity Center user, or the session's name."""

    type: str | None
    id: str | None
    account: str | None
    name: str | None
    arn: str | None
    person: str | None


SESSIONS = ("AssumedRole", "Role", "FederatedUser")
"""Types whose principal id ends with the name of the session: `AROAEXAMPLE:tanaka`, `123456789012:tanaka`."""


@remembered
def who(raw: bytes) -> Who:
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


class Tls(NamedTuple):
    version: str | None
    protocol: str | None
    cipher: str | None
    host: str | None


class Answer(msgspec.Struct):
    ConsoleLogin: str | None = None


@remembered
def tls(raw: bytes) -> Tls:
    """`TLSv1.3` is version 1.3 of protocol tls."""
    details: TlsDetails = documented(raw, TlsDetails)
    protocol, _, number = (details.tlsVersion or "").partition("v")
    known = (number, protocol.lower()) if number else (None, None)
    return Tls(known[0], known[1], details.cipherSuite, details.clientProvidedHostHeader)


def identity(text: str) -> str | None:
    """A printable string of at most 128 bytes is the record's identity."""
    bounded = 0 < (len(text) if text.isascii() else len(text.encode())) <= ID_BYTES
    return text if bounded and text.isprintable() else None


def kind(category: str | None) -> str:
    return "alert" if category == "Insight" else "event"


def outcome(
    code: str | None, message: str | None, category: str | None, name: str | None, answer: bytes | None
) -> str | None:
    """Failure where there is an error's code or text, or a console login failed; Insights have no outcome."""
    if code or message:
        return "failure"
    if category == "Insight":
        return None
    if name == "ConsoleLogin":
        return "failure" if documented(answer, Answer).ConsoleLogin == "Failure" else "success"
    return "success"


def account(recipient: str | None, own: str | None) -> str | None:
    return recipient or own


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
    parts={"who": Parts("userIdentity", Who, who), "tls": Parts("tlsDetails", Tls, tls)},
    columns={
        "@timestamp": ("eventTime", remembered(moment)),
        "event.id": ("eventID", identity),
        "event.kind": (("eventCategory",), remembered(kind)),
        "event.provider": "eventSource",
        "event.action": "eventName",
        "event.outcome": (("errorCode", "errorMessage", "eventCategory", "eventName", "responseElements"), outcome),
        "error.code": "errorCode",
        "error.message": "errorMessage",
        "cloud.account.id": (("recipientAccountId", "who.account"), account),
        "cloud.region": "awsRegion",
        "source.address": "sourceIPAddress",
        "source.ip": ("sourceIPAddress", remembered(address)),
        "user.id": "who.id",
        "user.name": "who.name",
        "user_agent.original": "userAgent",
        "http.request.id": "requestID",
        "tls.version": "tls.version",
        "tls.version_protocol": "tls.protocol",
        "tls.cipher": "tls.cipher",
        "tls.client.server_name": "tls.host",
        "siem.principal.id": "who.arn",
        "siem.principal.type": "who.type",
        "siem.principal.person": "who.person",
    },
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
    stretches={"eventVersion": True, "eventTime": False, "eventType": True},
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
    example=EXAMPLE,
)  # fmt: skip
