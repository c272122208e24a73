"""AWS WAF: the traffic of web ACLs, as WAF delivers it to S3 or Firehose leaves it there.

https://docs.aws.amazon.com/waf/latest/developerguide/logging-fields.html

WAF's records have no id: `requestId` is the request's, which the load balancer's record shares and which stands in two
records where two web ACLs saw the request. Events are numbered in their object.

What the rules said (labels, rule groups, counted and rate-based rules, match details) is stored in columns of its own:
it has no bounds, and the same words stand all over a record (the SQL injection group in each, its label where it
matched), so that looking for them in the whole record would find every record.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from siem.parsing import Example, Integer, JsonRecords, Nested, address, documented, instant
from siem.parsing.web import w3c_names
from siem.schema import Entry, LogSource, Path


class Header(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str
    value: str


class HttpRequest(TypedDict, total=False):
    """All that a request is known to hold."""

    clientIp: str | None
    country: str | None
    headers: list[Header]
    uri: str | None
    args: str | None
    httpVersion: str | None
    httpMethod: str | None
    requestId: str | None
    fragment: str | None
    scheme: str | None
    host: str | None
    clientAsn: str | Integer | None
    forwardedAsn: str | Integer | None


class Record(TypedDict, total=False):
    """What is read of a record."""

    timestamp: Integer | None
    webaclId: str | None
    terminatingRuleId: str | None
    terminatingRuleType: str | None
    action: str | None
    httpSourceName: str | None
    httpRequest: HttpRequest
    responseCodeSent: Integer | None
    requestBodySize: Integer | None
    ja3Fingerprint: str | None
    ja4Fingerprint: str | None
    ruleGroupList: Nested
    labels: Nested
    rateBasedRuleList: Nested
    nonTerminatingMatchingRules: Nested
    terminatingRuleMatchDetails: Nested
    captchaResponse: Nested
    challengeResponse: Nested


class Rule(msgspec.Struct):
    ruleId: str | None = None


class Group(msgspec.Struct):
    ruleGroupId: str | None = None
    terminatingRule: Rule | None = None


class Match(msgspec.Struct):
    conditionType: str | None = None


class Token(msgspec.Struct):
    """How a CAPTCHA or a challenge was answered; a failure is what ended the request."""

    responseCode: Integer | None = None
    failureReason: str | None = None


class WebAcl(msgspec.Struct, frozen=True):
    """What the ARN of a web ACL tells; nothing where it is the bare id of WAF Classic."""

    name: str | None = None
    scope: str | None = None
    account: str | None = None
    region: str | None = None


SCOPES = {"regional": "REGIONAL", "global": "CLOUDFRONT"}
REFUSALS = {"BLOCK", "CAPTCHA", "CHALLENGE"}
PASSES = {"ALLOW", "COUNT", "EXCLUDED_AS_COUNT"}
OF_GROUPS = {"GROUP", "MANAGED_RULE_GROUP"}
HEADERS = Path("aws.waf", "httpRequest.headers", "aws.waf", "httpRequest.headers")
EMPTY = len("null")
"""No list that holds something is as short as this."""


@lru_cache(maxsize=1024)
def web_acl(arn: str) -> WebAcl:
    """`arn:aws:wafv2:<region>:<account>:regional/webacl/<name>/<id>`; `global` for CloudFront, in us-east-1."""
    parts = arn.split(":", 5)
    if parts[0] != "arn" or len(parts) < 6:
        return WebAcl()
    kind, _, rest = parts[5].partition("/webacl/")
    name = rest.partition("/")[0]
    return WebAcl(name or None, SCOPES.get(kind), parts[4] or None, parts[3] or None)


@lru_cache(maxsize=8192)
def authority(host: str) -> tuple[str, int | None]:
    """Host and port of `www.example.com:8443` or `[2001:db8::1]:443`; without a port the text as it is."""
    name, _, port = host.rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65_535
    return (name, int(port)) if is_port and name and (":" not in name or name.endswith("]")) else (host, None)


def first_headers(headers: list[Header]) -> dict[str, str]:
    """Headers by their names in lower case; of a repeated one the first."""
    return {header.name.lower(): header.value for header in reversed(headers)}


def root(trace: str) -> str | None:
    """`Root` of `Self=1-…;Root=1-58337262-36d228ad5d99923122bbe354`."""
    return f";{trace}".replace("; ", ";").partition(";Root=")[2].partition(";")[0] or None


def begin(record: Record, event: Any) -> None:
    """What was done with requests, by which web ACL, and which rule said so."""
    event.event_kind = "event"
    acl = web_acl(record.get("webaclId") or "")
    event.observer_name, event.siem_scope = acl.name, acl.scope
    event.cloud_account_id, event.cloud_region = acl.account, acl.region
    rule, kind, action = record.get("terminatingRuleId"), record.get("terminatingRuleType"), record.get("action")
    event.rule_id, event.rule_category = rule, kind
    group = deciding(record.get("ruleGroupList")) if kind in OF_GROUPS else None
    event.rule_ruleset = group.ruleGroupId if group else None
    event.rule_name = (group.terminatingRule and group.terminatingRule.ruleId if group else None) or rule
    if action is not None:
        event.event_action = action.lower()
        event.event_outcome = "failure" if action in REFUSALS else "success" if action in PASSES else None


def deciding(groups: bytes | None) -> Group | None:
    """The group that ended the request: the last one with a rule that would, as others were overridden to count."""
    found: list[Group] = documented(groups, list[Group])
    return next((group for group in reversed(found) if group.terminatingRule is not None), None)


def fill(record: Record, event: Any) -> None:
    """An event of a WAF record."""
    time = record.get("timestamp")
    event.timestamp = instant(time) if time is not None else None
    event.tls_client_ja3 = record.get("ja3Fingerprint")
    event.tls_client_ja4 = record.get("ja4Fingerprint")
    event.http_request_body_bytes = record.get("requestBodySize")
    event.http_response_status_code = record.get("responseCodeSent")
    details = record.get("terminatingRuleMatchDetails")
    if details is not None and len(details) > EMPTY:
        matches: list[Match] = documented(details, list[Match])
        event.event_reason = next((match.conditionType for match in matches if match.conditionType), None)
    request(record.get("httpRequest") or {}, event)
    if event.trace_id is None and record.get("httpSourceName") == "ALB":
        event.trace_id = event.http_request_id  # "for Application Load Balancer, this is the trace ID"
    if event.event_action in ("captcha", "challenge"):
        token(record, event)


def token(record: Record, event: Any) -> None:
    """Why the request's token did not do, and what was answered instead."""
    captcha = event.event_action == "captcha"
    answer: Token = documented(record.get("captchaResponse") if captcha else record.get("challengeResponse"), Token)
    event.event_reason = answer.failureReason or event.event_reason
    event.http_response_status_code = event.http_response_status_code or answer.responseCode


def request(request: HttpRequest, event: Any) -> None:
    """What was asked, and by whom."""
    caller, path, args = request.get("clientIp"), request.get("uri"), request.get("args")
    country, version = request.get("country"), request.get("httpVersion")
    event.source_address = caller
    event.source_ip = address(caller) if caller else None
    event.source_geo_country_iso_code = country if country != "-" else None
    event.url_scheme = request.get("scheme")
    event.url_path = path
    event.url_query = args or None
    event.url_fragment = request.get("fragment") or None
    event.url_original = f"{path}?{args}" if path is not None and args else path
    event.http_version = version.removeprefix("HTTP/") if version else None
    event.http_request_method = request.get("httpMethod")
    event.http_request_id = request.get("requestId")
    headers = first_headers(request.get("headers") or [])
    host = headers.get("host") or request.get("host")
    if host:
        event.url_domain, event.url_port = authority(host)
    event.user_agent_original = headers.get("user-agent")
    event.http_request_referrer = headers.get("referer")
    if forwarded := headers.get("x-forwarded-for"):
        event.network_forwarded_ip = address(forwarded.partition(",")[0].strip())
    if trace := headers.get("x-amzn-trace-id"):
        event.trace_id = root(trace)


REQUEST = {
    "timestamp": 1793498400000,
    "formatVersion": 1,
    "webaclId": "arn:aws:wafv2:us-east-1:123456789012:regional/webacl/web-acl/a1b2c3d4-5678-90ab-cdef-EXAMPLE11111",
    "terminatingRuleId": "rate",
    "terminatingRuleType": "RATE_BASED",
    "action": "BLOCK",
    "httpSourceName": "ALB",
    "httpRequest": {
        "clientIp": "203.0.113.77",
        "country": "JP",
        "headers": [{"name": "Host", "value": "www.example.com"}],
        "uri": "/login",
        "args": "",
        "httpVersion": "HTTP/1.1",
        "httpMethod": "POST",
        "requestId": "1-00000000-000000000000000000000000",
    },
}
EXAMPLE = Example(
    log=REQUEST,
    quiet=REQUEST | {"action": "ALLOW", "terminatingRuleId": "Default_Action", "terminatingRuleType": "REGULAR"},
    selection={"action": "BLOCK", "httpRequest.uri": "/login"},
)

PARSER = JsonRecords(
    dataset="aws.waf",
    # Where WAF delivers, or below anything that is named as Firehose streams and buckets for WAF must be.
    key=re.compile(
        r"^(?!.*AWSLogs/(?:o-[a-z0-9]+/)?(?:\d{12}/|aws-account-id=)(?!WAFLogs/))"
        r"(?:.*/)?(?:WAFLogs/(?:.*/)?[^/]+|aws-waf-logs-(?:[^/]+|.*/[^/]+))$"
    ),
    logsources=(
        LogSource(product="aws", service="waf"),
        LogSource(product="aws", category="webserver", service="waf"),
        LogSource(product="aws", category="proxy", service="waf"),
    ),
    record=Record,
    begin=begin,
    fill=fill,
    first_key="timestamp",
    bare=True,
    unique_ids=False,
    written=(
        "timestamp", "formatVersion", "webaclId", "terminatingRuleId", "terminatingRuleType", "action",
        "terminatingRuleMatchDetails", "httpSourceName", "httpSourceId", "ruleGroupList", "rateBasedRuleList",
        "nonTerminatingMatchingRules", "requestHeadersInserted", "responseCodeSent", "httpRequest", "labels",
        "captchaResponse", "challengeResponse", "ja3Fingerprint", "ja4Fingerprint", "oversizeFields",
        "requestBodySize", "requestBodySizeInspectedByWAF", "clientAsn", "forwardedAsn", "cfDistributionTenantId",
    ),
    nested=("requestHeadersInserted", "oversizeFields"),
    repeating=("webaclId", "terminatingRuleId", "terminatingRuleType", "action", "ruleGroupList"),
    payloads=(
        "labels", "ruleGroupList", "rateBasedRuleList", "nonTerminatingMatchingRules", "terminatingRuleMatchDetails",
    ),
    native={
        "terminatingRuleId": "rule.id",
        "terminatingRuleType": "rule.category",
        "httpRequest.clientIp": "source.address",
        "httpRequest.uri": "url.path",
        "httpRequest.scheme": "url.scheme",
        "httpRequest.httpMethod": "http.request.method",
        "httpRequest.requestId": "http.request.id",
        "ja3Fingerprint": "tls.client.ja3",
        "ja4Fingerprint": "tls.client.ja4",
    },
    aliases=w3c_names("url.original", "url.original")  # of WAF that is path and query
    | {
        "c-ip": "source.address",
        "src_ip": "source.address",
        "cs-version": "httpRequest.httpVersion",
        **dict.fromkeys(("cs-referer", "cs-referrer", "cs(Referer)"), "http.request.referrer"),
        **dict.fromkeys(("cs-cookie", "cs(Cookie)"), Entry(HEADERS, "name", "value", "cookie")),
    },
    filled=frozenset((
        "event.kind", "event.action", "event.outcome", "event.reason", "rule.id", "rule.name", "rule.ruleset",
        "rule.category", "observer.name", "cloud.account.id", "cloud.region", "source.address", "source.ip",
        "source.geo.country_iso_code", "network.forwarded_ip", "user_agent.original", "url.original", "url.scheme",
        "url.domain", "url.port", "url.path", "url.query", "url.fragment", "http.version", "http.request.method",
        "http.request.id", "http.request.referrer", "http.request.body.bytes", "http.response.status_code",
        "trace.id", "tls.client.ja3", "tls.client.ja4", "siem.scope",
    )),
    example=EXAMPLE,
)  # fmt: skip
