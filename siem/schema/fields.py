"""The common schema: one table of every field's name, type and meaning. Everything else derives from it.

Names are those of the Elastic Common Schema 9 (https://www.elastic.co/docs/reference/ecs/ecs-field-reference), flat and
dotted; `siem.*` is ours. A document lists its fields in this table's order, nulls left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a field's values are. `ip` and `date` travel as text in JSON; `date` is RFC 3339 with `Z`."""

    TEXT = "text"
    IP = "ip"
    LONG = "long"
    DOUBLE = "double"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table. `shown`: people see its values, so stores keep their case and can group by them."""

    name: str
    kind: Kind
    meaning: str
    shown: bool = False


T, I, L, D, S = Kind.TEXT, Kind.IP, Kind.LONG, Kind.DATE, True  # noqa: E741  (the table reads better with short marks)

FIELDS: tuple[Field, ...] = (
    Field("@timestamp", D, "When it happened, as the source says; for flows the end of the aggregation interval."),
    Field("event.id", T, "Identity of the event: the record's own id, or hash of the object and position in it."),
    Field("event.dataset", T, "Which parser made it: `aws.cloudtrail`, `aws.vpcflow`, …", S),
    Field("event.kind", T, "`event`, or `alert` where the source itself raised one (CloudTrail Insights).", S),
    Field("event.provider", T, "The service that reported it: `iam.amazonaws.com`.", S),
    Field(
        "event.action", T, "What was done: the API call; of flows `accept` or `reject`, of WAF `allow`, `block`, …", S
    ),
    Field("event.outcome", T, "`success` or `failure`; absent where the source does not say.", S),
    Field("event.reason", T, "Why, where the source says: reject reason of a flow, what a WAF rule matched.", S),
    Field("event.start", D, "When the activity began."),
    Field("event.end", D, "When the activity ended."),
    Field("event.ingested", D, "When the write of its object began."),
    Field("error.code", T, "The error's code: `AccessDenied`.", S),
    Field("error.message", T, "The error's text."),
    Field("rule.id", T, "The rule that decided, as its source names it (WAF `terminatingRuleId`).", S),
    Field("rule.name", T, "The rule itself, also where it stands inside a group.", S),
    Field("rule.ruleset", T, "The group that the rule stands in.", S),
    Field("rule.category", T, "What sort of rule: `REGULAR`, `RATE_BASED`, `MANAGED_RULE_GROUP`, …", S),
    Field("observer.name", T, "What looked at it: the web ACL by name.", S),
    Field("cloud.provider", T, "`aws`.", S),
    Field("cloud.account.id", T, "The account in which it happened.", S),
    Field("cloud.region", T, "The region in which it happened.", S),
    Field("cloud.instance.id", T, "The instance that it concerns.", S),
    Field("source.address", T, "Who called, as the source wrote it: an address, a service's name, `AWS Internal`.", S),
    Field("source.ip", I, "The caller's address, only where it is one."),
    Field("source.port", L, "The caller's port."),
    Field("source.geo.country_iso_code", T, "The caller's country: `JP`.", S),
    Field("source.bytes", L, "Bytes that the caller sent."),
    Field("destination.ip", I, "The address called."),
    Field("destination.port", L, "The port called."),
    Field("destination.bytes", L, "Bytes that the caller got."),
    Field("network.type", T, "`ipv4` or `ipv6`."),
    Field("network.iana_number", T, "Protocol number: `6`."),
    Field("network.transport", T, "Protocol by name: `tcp`, `udp`, `icmp`, …", S),
    Field("network.direction", T, "`ingress` or `egress`, seen from the interface.", S),
    Field("network.bytes", L, "Bytes moved."),
    Field("network.packets", L, "Packets moved."),
    Field("network.forwarded_ip", I, "Whom a proxy says it calls for: first of `X-Forwarded-For`, unproven."),
    Field("user.id", T, "The caller's unique id (CloudTrail `principalId`)."),
    Field("user.name", T, "The caller's name: of the user, or of the role that was assumed.", S),
    Field("user_agent.original", T, "The client as it names itself.", S),
    Field("url.original", T, "What was asked for, as the source wrote it; WAF: path and query."),
    Field("url.scheme", T, "`https`.", S),
    Field("url.domain", T, "The host that was asked, without port.", S),
    Field("url.port", L, "The port, where the host was written with one."),
    Field("url.path", T, "The path.", S),
    Field("url.query", T, "What follows the `?`, without it."),
    Field("url.fragment", T, "What follows the `#`, without it."),
    Field("http.version", T, "`1.1`, `2.0`."),
    Field("http.request.method", T, "`GET`, `POST`, as written.", S),
    Field("http.request.bytes", L, "Bytes of the request, headers included."),
    Field("http.request.id", T, "Id of the request, the same in CloudTrail, WAF and load balancer logs."),
    Field("http.request.referrer", T, "The page that it came from, as the client says."),
    Field("http.request.body.bytes", L, "Size of the request's body."),
    Field("http.response.status_code", L, "Status of the answer."),
    Field("http.response.bytes", L, "Bytes of the response, headers included."),
    Field("trace.id", T, "Root of `X-Amzn-Trace-Id`: the same in load balancer and WAF logs."),
    Field("tls.version", T, "TLS version number: `1.3`."),
    Field("tls.version_protocol", T, "`tls` or `ssl`."),
    Field("tls.cipher", T, "Cipher suite."),
    Field("tls.curve", T, "Group of the key exchange: `X25519`."),
    Field("tls.next_protocol", T, "Protocol that was agreed on inside TLS (ALPN): `h2`."),
    Field("tls.client.server_name", T, "The host that the client asked for."),
    Field("tls.client.ja3", T, "JA3 fingerprint of the client."),
    Field("tls.client.ja4", T, "JA4 fingerprint of the client."),
    Field("tls.client.subject", T, "Subject of the client's certificate.", S),
    Field("tls.client.x509.serial_number", T, "Serial number of the client's certificate."),
    Field("siem.object", T, "The object it came from: hash of bucket, key and version."),
    Field("siem.scope", T, "What a web ACL guards: `REGIONAL` or `CLOUDFRONT`.", S),
    Field("siem.principal.id", T, "Who acted: ARN of the user, or of the role behind the session.", S),
    Field("siem.principal.type", T, "`IAMUser`, `AssumedRole`, `Root`, `AWSService`, …", S),
    Field(
        "siem.principal.person",
        T,
        "Who stood behind a session: source identity, Identity Center user, session name.",
        S,
    ),
)

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
ORDER: dict[str, int] = {field.name: position for position, field in enumerate(FIELDS)}
