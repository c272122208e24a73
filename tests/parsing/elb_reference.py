"""Load balancer logs line by line with dictionaries: slow, plain, and sharing only names with the parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from siem.schema import ORDER, Origin

NUMBERS = (
    "source.port", "source.bytes", "destination.port", "destination.bytes", "url.port", "http.request.bytes",
    "http.response.status_code", "http.response.bytes",
)  # fmt: skip
EXACT = {
    "user_agent": "user_agent.original", "ssl_cipher": "tls.cipher", "tls_cipher": "tls.cipher",
    "actions_executed": "event.action", "error_reason": "event.reason", "domain_name": "tls.client.server_name",
    "tls_keyexchange": "tls.curve", "tls_named_group": "tls.curve", "alpn_fe_protocol": "tls.next_protocol",
    "leaf_client_cert_subject": "tls.client.subject", "reason_code": "event.reason",
    "leaf_client_cert_serial_number": "tls.client.x509.serial_number",
}  # fmt: skip
TIMES = {
    "time": "@timestamp",
    "request_creation_time": "event.start",
    "tls_connection_creation_time": "event.start",
}


def tokens(line: str, quoted: bool) -> list[str] | None:
    """The columns of a line, marks taken off; None: it is not sound."""
    if not quoted:
        return line.split(" ")
    found = []
    rest = line
    while True:
        if rest.startswith('"'):
            text, mark, rest = rest[1:].partition('"')
            if not mark or (rest and rest[0] != " "):
                return None
            found.append(text)
        else:
            text = rest.partition(" ")[0]
            found.append(text)
            rest = rest[len(text) :]
        if not rest:
            return found
        rest = rest[1:]


def instant(text: str) -> str | None:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", text, re.ASCII)
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in (None, "Z", "z") else zone
    try:
        time = datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    digits = (fraction or ".")[1:7].ljust(6, "0").rstrip("0")
    return time.replace(tzinfo=None).isoformat() + (f".{digits}Z" if digits else "Z")


def integer(text: str, low: int, high: int) -> str | None:
    return text if re.fullmatch(r"0|-?[1-9][0-9]*", text) and low <= int(text) <= high else None


def port(text: str) -> str | None:
    return integer(text, 0, 65_535)


def address(text: str) -> str | None:
    try:
        return text if str(ip_address(text)) and "%" not in text else None
    except ValueError:
        return None


def endpoint(text: str) -> tuple[str, str]:
    before, colon, behind = text.rpartition(":")
    before = before.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch(r"[0-9]+", behind) or not re.fullmatch(r"[0-9a-fA-F.:]*", before):
        return "", ""
    return before, behind


def request(text: str) -> dict[str, Any]:
    method, space, rest = text.partition(" ")
    if not method or not space:
        return {}
    version = ""
    end = re.search(r" HTTP/([0-9]+(\.[0-9]+)?)\Z", rest)
    nothing = re.search(r"-? (- )?\Z", rest)
    if end is not None:
        url, version = rest[: end.start()], end[1]
    elif nothing is not None:
        url = rest[: nothing.start()]
    else:
        return {}
    found = {"http.request.method": method, "http.version": version, "url.original": url}
    if url != "-":
        found |= parts_of_url(url)
    return {name: value for name, value in found.items() if value not in ("", "-", None)}


def parts_of_url(url: str) -> dict[str, Any]:
    before, _, query = url.partition("?")
    scheme, colon, rest = before.partition("://")
    if not colon or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return {"url.path": before, "url.query": query} if before[:1] in ("/", "") else {}
    authority, slash, path = rest.partition("/")
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[]*)(?::([0-9]+))?", authority)
    if match is None:
        return {}
    return {
        "url.scheme": scheme, "url.domain": match[1], "url.port": port(match[2] or ""),
        "url.path": slash + path, "url.query": query,
    }  # fmt: skip


def status_outcome(status: str) -> str | None:
    return "success" if status[:1] in ("1", "2", "3") else "failure" if status[:1] in ("4", "5") else None


def tls(text: str) -> dict[str, Any]:
    match = re.fullmatch(r"(tls|ssl)?v?([0-9])\.?([0-9])?", text.lower()) if text.isascii() else None
    return {"tls.version": f"{match[2]}.{match[3] or 0}", "tls.version_protocol": match[1]} if match else {}


def fields_of(form: str, row: dict[str, str]) -> dict[str, Any]:
    """Schema fields that hold no column's very text."""
    found: dict[str, Any] = {}
    for column in ("client:port",):
        host, number = endpoint(row.get(column, ""))
        found |= {"source.ip": address(host), "source.port": port(number)}
    for column in ("target:port", "backend:port", "destination:port", "target_addr"):
        if column in row:
            host, number = endpoint(row[column])
            found |= {"destination.ip": address(host), "destination.port": port(number)}
    found |= request(row.get("request", ""))
    for column in ("ssl_protocol", "tls_protocol", "tls_protocol_version"):
        found |= tls(row.get(column, ""))
    if "trace_id" in row:
        roots = [part[5:] for part in row["trace_id"].split(";") if part.startswith("Root=") and part != "Root="]
        found |= dict.fromkeys(("http.request.id", "trace.id"), roots[0] if roots else None)
    if form == "nlb":
        for name, field in (("received_bytes", "source.bytes"), ("sent_bytes", "destination.bytes")):
            found[field] = integer(row.get(name, ""), -(2**63), 2**63 - 1)
        found["event.outcome"] = "failure" if "incoming_tls_alert" in row else None
    if "elb_status_code" in row:
        found["event.outcome"] = status_outcome(row["elb_status_code"])
    if form == "alb_health_check":
        found["event.outcome"] = {"PASS": "success", "FAIL": "failure"}.get(row.get("status", ""))
    verified = row.get("tls_verify_status", "")
    if verified == "Success" or verified.startswith("Failed"):
        found["event.outcome"] = "success" if verified == "Success" else "failure"
        found["event.reason"] = verified.partition(":")[2] or None if verified != "Success" else None
    return found


def held_of(form: str, row: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Column -> the field that holds its very text, and the text."""
    found = {column: (field, row[column]) for column, field in EXACT.items() if row.get(column)}
    checks = {"client_ip": ("source.ip", address), "client_port": ("source.port", port),
              "listener_port": ("destination.port", port)}  # fmt: skip
    for column in ("elb_status_code", "status_code"):
        checks[column] = ("http.response.status_code", lambda text: integer(text, 100, 599))
    if form != "nlb":
        for column, field in (("received_bytes", "http.request.bytes"), ("sent_bytes", "http.response.bytes")):
            checks[column] = (field, lambda text: integer(text, -(2**63), 2**63 - 1))
    for column, (field, check) in checks.items():
        if column in row and check(row[column]) is not None:
            found[column] = (field, row[column])
    return found


def document(line: str, form: Any, origin: Origin, ordinal: int) -> dict[str, Any] | str:
    """The event of a line, or `reject`."""
    columns = tokens(line, bool(form.quoted))
    if columns is None or not form.least <= len(columns) <= 100:
        return "reject"
    names = [
        form.columns[place] if place < len(form.columns) else f"column_{place + 1}" for place in range(len(columns))
    ]
    row = {name: text for name, text in zip(names, columns, strict=True) if text != "-"}
    times = {field: (column, instant(row[column])) for column, field in TIMES.items() if column in row}
    if times.get("@timestamp", ("", None))[1] is None:
        return "reject"
    held = held_of(form.name, row)
    found = fields_of(form.name, row) | dict(held.values()) | {field: time for field, (_, time) in times.items()}
    ends = [found.get("source.ip"), found.get("destination.ip") if form.name == "alb_health_check" else None]
    found["network.type"] = next((f"ipv{ip_address(end).version}" for end in ends if end), None)
    found |= {name: int(found[name]) for name in NUMBERS if found.get(name) is not None}
    found |= {
        "event.id": f"{origin.sha256[:24]}-{ordinal}", "event.dataset": "aws.elb", "event.kind": "event",
        "event.ingested": "2026-11-01T12:00:00Z", "cloud.provider": "aws", "siem.object": origin.object,
        "cloud.account.id": "111122223333", "cloud.region": "ap-northeast-1",
    }  # fmt: skip
    fields = {name: found[name] for name in sorted(found, key=ORDER.__getitem__) if found[name] is not None}
    same = {column for column, time in times.values() if time == row[column]}
    natives = {f"aws.elb.{name}": text for name, text in row.items() if name not in held and name not in same}
    return fields | {"aws.elb.log": form.name} | natives
