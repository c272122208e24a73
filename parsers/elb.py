"""Elastic Load Balancing: access, connection and health check logs of Application Load Balancers, TLS logs of Network
Load Balancers, access logs of Classic Load Balancers. `aws.elb.log` says which.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-connection-logs.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-health-check-logs.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html

Lines have no header. Columns are called as AWS calls them; new ones were only ever added at the end, so older lines are
shorter. What AWS escapes (`\\x22`) stays as it writes it.
"""

from __future__ import annotations

import re
from dataclasses import replace

from siem.parsing import Example, Form, Headerless
from siem.parsing.casts import address, by_text, family, integer, port, rfc3339, status, text
from siem.parsing.web import (
    PATH_AND_QUERY,
    endpoint,
    http_outcome,
    request,
    tls_protocol,
    tls_version,
    trace_root,
    w3c_names,
)
from siem.schema import Joined, LogSource

TIME = rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z?"
NAME = r"[0-9]+_elasticloadbalancing_[a-z0-9-]+_"
"""Begins the name of every object: account and region."""

URL = {
    "url.original": ("request.url", text),
    "url.scheme": ("request.scheme", text),
    "url.domain": ("request.domain", text),
    "url.port": ("request.port", port),
    "url.path": ("request.path", text),
    "url.query": ("request.query", text),
    "http.request.method": ("request.method", text),
    "http.version": ("request.version", text),
}
CLIENT = {
    "source.ip": ("client:port.address", address),
    "source.port": ("client:port.port", port),
    "network.type": ("source.ip", family),
}
HTTP = {
    "@timestamp": ("time", rfc3339),
    "event.outcome": ("elb_status_code", http_outcome),
    "user_agent.original": ("user_agent", text),
    "http.request.bytes": ("received_bytes", integer),
    "http.response.status_code": ("elb_status_code", status),
    "http.response.bytes": ("sent_bytes", integer),
    "tls.version": ("ssl_protocol", tls_version),
    "tls.version_protocol": ("ssl_protocol", tls_protocol),
    "tls.cipher": ("ssl_cipher", text),
} | URL | CLIENT  # fmt: skip

count = replace(integer, exact=False)
"""Kept under its native name as well: the same name is another field elsewhere."""


def _verified(told: str) -> str | None:
    return "success" if told == "Success" else "failure" if told.startswith("Failed") else None


verified = by_text(_verified)
"""Outcome of the check of a client's certificate."""
refusal = by_text(lambda told: told.partition(":")[2] or None if told.startswith("Failed") else None)
"""Why it failed: `ClientCertUntrusted`."""
checked = by_text({"PASS": "success", "FAIL": "failure"}.get)
"""Outcome of a health check."""
alarmed = by_text(lambda alert: "failure")
"""A handshake in which the client raised an alert did not succeed."""

ALB = Form(
    name="alb",
    key=re.compile(rf"(?:^|/){NAME}app\."),
    opening=re.compile(rb"(?:https?|h2|wss?|grpcs?) " + TIME + rb" app/"),
    columns=(
        "type", "time", "elb", "client:port", "target:port", "request_processing_time", "target_processing_time",
        "response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request",
        "user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn",
        "matched_rule_priority", "request_creation_time", "actions_executed", "redirect_url", "error_reason",
        "target:port_list", "target_status_code_list", "classification", "classification_reason", "conn_trace_id",
        "transformed_host", "transformed_uri", "request_transform_status",
    ),
    oldest="target_group_arn",
    quoted=frozenset((
        "request", "user_agent", "trace_id", "domain_name", "chosen_cert_arn", "actions_executed", "redirect_url",
        "error_reason", "target:port_list", "target_status_code_list", "classification", "classification_reason",
        "transformed_host", "transformed_uri", "request_transform_status",
    )),
    parts={"client:port": endpoint, "target:port": endpoint, "request": request},
    table=HTTP | {
        "event.action": ("actions_executed", text),
        "event.reason": ("error_reason", text),
        "event.start": ("request_creation_time", rfc3339),
        "destination.ip": ("target:port.address", address),
        "destination.port": ("target:port.port", port),
        "http.request.id": ("trace_id", trace_root),
        "trace.id": ("trace_id", trace_root),
        "tls.client.server_name": ("domain_name", text),
    },
)  # fmt: skip

CONNECTION = Form(
    name="alb_connection",
    key=re.compile(rf"(?:^|/)conn_log[._]{NAME}app\."),
    opening=re.compile(TIME + rb" [0-9a-fA-F.:]+ [0-9]+ [0-9]+ "),
    columns=(
        "time", "client_ip", "client_port", "listener_port", "tls_protocol", "tls_cipher", "tls_handshake_latency",
        "leaf_client_cert_subject", "leaf_client_cert_validity", "leaf_client_cert_serial_number", "tls_verify_status",
        "conn_trace_id", "tls_keyexchange",
    ),
    oldest="tls_verify_status",
    quoted=frozenset(("leaf_client_cert_subject",)),
    table={
        "@timestamp": ("time", rfc3339),
        "event.outcome": ("tls_verify_status", verified),
        "event.reason": ("tls_verify_status", refusal),
        "source.ip": ("client_ip", address),
        "source.port": ("client_port", port),
        "destination.port": ("listener_port", port),
        "network.type": ("source.ip", family),
        "tls.version": ("tls_protocol", tls_version),
        "tls.version_protocol": ("tls_protocol", tls_protocol),
        "tls.cipher": ("tls_cipher", text),
        "tls.curve": ("tls_keyexchange", text),
        "tls.client.subject": ("leaf_client_cert_subject", text),
        "tls.client.x509.serial_number": ("leaf_client_cert_serial_number", text),
    },
)  # fmt: skip

HEALTH_CHECK = Form(
    name="alb_health_check",
    key=re.compile(rf"(?:^|/)health_check_log[._]{NAME}app\."),
    opening=re.compile(rb"[a-z0-9]+ " + TIME + rb" (?:-|-?[0-9]+(?:\.[0-9]+)?) "),
    columns=("type", "time", "latency", "target_addr", "target_group_id", "status", "status_code", "reason_code"),
    oldest="status",
    parts={"target_addr": endpoint},
    table={
        "@timestamp": ("time", rfc3339),
        "event.outcome": ("status", checked),
        "event.reason": ("reason_code", text),
        "destination.ip": ("target_addr.address", address),
        "destination.port": ("target_addr.port", port),
        "network.type": ("destination.ip", family),
        "http.response.status_code": ("status_code", status),
    },
)

NLB = Form(
    name="nlb",
    key=re.compile(rf"(?:^|/){NAME}net\."),
    opening=re.compile(rb"tls [0-9.]+ " + TIME + rb" net/"),
    columns=(
        "type", "version", "time", "elb", "listener", "client:port", "destination:port", "connection_time",
        "tls_handshake_time", "received_bytes", "sent_bytes", "incoming_tls_alert", "chosen_cert_arn",
        "chosen_cert_serial", "tls_cipher", "tls_protocol_version", "tls_named_group", "domain_name",
        "alpn_fe_protocol", "alpn_be_protocol", "alpn_client_preference_list", "tls_connection_creation_time",
    ),
    oldest="tls_named_group",
    parts={"client:port": endpoint, "destination:port": endpoint},
    table={
        "@timestamp": ("time", rfc3339),
        "event.outcome": ("incoming_tls_alert", alarmed),
        "event.start": ("tls_connection_creation_time", rfc3339),
        "source.bytes": ("received_bytes", count),
        "destination.ip": ("destination:port.address", address),
        "destination.port": ("destination:port.port", port),
        "destination.bytes": ("sent_bytes", count),
        "tls.version": ("tls_protocol_version", tls_version),
        "tls.version_protocol": ("tls_protocol_version", tls_protocol),
        "tls.cipher": ("tls_cipher", text),
        "tls.curve": ("tls_named_group", text),
        "tls.next_protocol": ("alpn_fe_protocol", text),
        "tls.client.server_name": ("domain_name", text),
    } | CLIENT,
)  # fmt: skip

CLASSIC = Form(
    name="clb",
    key=re.compile(rf"(?:^|/){NAME}[^./]+_[0-9]{{8}}T[0-9]{{4}}Z_"),
    opening=re.compile(TIME + rb" [A-Za-z0-9-]+ (?:[0-9a-fA-F.:]+|\[[0-9a-fA-F.:]+\]):[0-9]+ "),
    columns=(
        "time", "elb", "client:port", "backend:port", "request_processing_time", "backend_processing_time",
        "response_processing_time", "elb_status_code", "backend_status_code", "received_bytes", "sent_bytes", "request",
        "user_agent", "ssl_cipher", "ssl_protocol",
    ),
    oldest="request",
    quoted=frozenset(("request", "user_agent")),
    parts={"client:port": endpoint, "backend:port": endpoint, "request": request},
    table=HTTP | {
        "destination.ip": ("backend:port.address", address),
        "destination.port": ("backend:port.port", port),
    },
)  # fmt: skip

REQUEST = (
    "https 2026-11-01T02:55:00.609000Z app/web-alb/50dc6c495c0c9188 203.0.113.77:37961 10.0.1.15:8080"
    ' 0.000 0.421 0.000 401 401 1420 512 "POST https://www.example.com:443/login HTTP/1.1" "curl/8.7.1"'
    " TLS_AES_128_GCM_SHA256 TLSv1.3"
    " arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/73e2d6bc24d8a067"
    ' "Root=1-00000000-000000000000000000000000" "www.example.com"'
    ' "arn:aws:acm:us-east-1:123456789012:certificate/11112222-3333-4444-5555-666677778888"'
    ' 0 2026-11-01T02:55:00.000000Z "forward" "-" "-" "10.0.1.15:8080" "401" "-" "-"'
    " TID_00000000000000000000000000000000\n"
)
EXAMPLE = Example(
    log=REQUEST,
    quiet=REQUEST.replace(" 401 401 ", " 200 200 "),
    selection={"elb_status_code": 401, "url.path": "/login"},
)

PARSER = Headerless(
    dataset="aws.elb",
    key=re.compile(r"(?:^|/)(?:elasticloadbalancing/(?:.*/)?[^/]+|[^/]*_elasticloadbalancing_[^/]+)\.log(?:\.gz)?$"),
    logsources=(
        LogSource(product="aws", service="elb"),
        LogSource(product="aws", service="alb"),
        LogSource(product="aws", category="webserver", service="elb"),
        LogSource(product="aws", category="proxy", service="elb"),
    ),
    forms=(ALB, CONNECTION, HEALTH_CHECK, NLB, CLASSIC),
    constants={"event.kind": "event", "cloud.provider": "aws"},
    in_key={
        "cloud.account.id": re.compile(r"(?:^|[/_.])([0-9]{12})(?:/elasticloadbalancing/|_elasticloadbalancing_)"),
        "cloud.region": re.compile(r"[0-9]{12}(?:/elasticloadbalancing/|_elasticloadbalancing_)([a-z0-9-]+)[/_]"),
    },
    aliases=w3c_names(("url.original", PATH_AND_QUERY), PATH_AND_QUERY)
    | {
        "source.address": "source.ip",
        "destination.address": "destination.ip",
        "c-ip": "source.ip",
        "c-port": "source.port",
        "s-ip": "destination.ip",
        "s-port": "destination.port",
        "cs-version": Joined((("HTTP/", "http.version"),)),
        "cs-bytes": "http.request.bytes",
        "sc-bytes": "http.response.bytes",
        "src_ip": "source.ip",
        "src_port": "source.port",
        "dst_ip": "destination.ip",
        "dst_port": "destination.port",
    },
    example=EXAMPLE,
)
