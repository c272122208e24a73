"""VPC Flow Logs row by row with dictionaries: slow, plain, and sharing only tables of names with the parser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from siem.parsing.protocols import PROTOCOLS
from siem.schema import ORDER, Origin

EXACT = {
    "reject-reason": ("event.reason", "text"), "account-id": ("cloud.account.id", "text"),
    "region": ("cloud.region", "text"), "instance-id": ("cloud.instance.id", "text"),
    "srcaddr": ("source.ip", "address"), "dstaddr": ("destination.ip", "address"),
    "srcport": ("source.port", "port"), "dstport": ("destination.port", "port"),
    "protocol": ("network.iana_number", "octet"), "flow-direction": ("network.direction", "text"),
    "bytes": ("network.bytes", "int64"), "packets": ("network.packets", "int64"),
}  # fmt: skip
RANGES = {"port": (0, 65_535), "octet": (0, 255), "int64": (-(2**63), 2**63 - 1)}


def is_value(text: str, kind: str) -> bool:
    if kind == "text":
        return text != ""
    if kind == "address":
        try:
            return str(ip_address(text)) != "" and "%" not in text
        except ValueError:
            return False
    low, high = RANGES[kind]
    return re.fullmatch(r"0|-?[1-9][0-9]*", text) is not None and low <= int(text) <= high


def moment(text: str | None) -> str | None:
    if text is None or not re.fullmatch(r"0|-?[1-9][0-9]{0,11}", text):
        return None
    try:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=int(text))
    except OverflowError:
        return None
    return time.replace(tzinfo=None).isoformat() + "Z"


def lowered(text: str) -> str:
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), text)


def family(kind: str | None, source: str | None) -> str | None:
    if kind is not None and lowered(kind) in ("ipv4", "ipv6", "efa"):
        return lowered(kind)
    if kind is not None and (":" in kind or "." in kind):
        return "ipv6" if ":" in kind else "ipv4"
    return None if source is None else f"ipv{ip_address(source).version}"


def document(line: str, header: str, origin: Origin, ordinal: int) -> dict[str, Any] | str:
    """The event of a line, or why there is none: `skipped`, `no time`."""
    row = {name: text for name, text in zip(header.split(" "), line.split(" "), strict=True) if text != "-"}
    if row.get("log-status") in ("NODATA", "SKIPDATA"):
        return "skipped"
    key_time = re.search(r"_(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)Z_", origin.key)
    in_key = "{}-{}-{}T{}:{}:00Z".format(*key_time.groups()) if key_time else None
    time = moment(row.get("end")) or moment(row.get("start")) or in_key
    if time is None:
        return "no time"
    held = {column: field for column, (field, kind) in EXACT.items() if column in row and is_value(row[column], kind)}
    found: dict[str, Any] = {held[column]: row[column] for column in held}
    numbers = ("source.port", "destination.port", "network.bytes", "network.packets")
    found |= {field: int(found[field]) for field in numbers if field in found}
    found |= {
        "@timestamp": time,
        "event.id": f"{origin.sha256[:24]}-{ordinal}",
        "event.dataset": "aws.vpcflow",
        "event.kind": "event",
        "event.ingested": "2026-11-01T12:00:00Z",
        "cloud.provider": "aws",
        "siem.object": origin.object,
        "event.action": lowered(row.get("action", "")) or None,
        "event.start": moment(row.get("start")),
        "event.end": moment(row.get("end")),
        "network.type": family(row.get("type"), found.get("source.ip")),
        "network.transport": PROTOCOLS.get(row.get("protocol", "")),
    }
    fields = {name: found[name] for name in sorted(found, key=ORDER.__getitem__) if found[name] is not None}
    natives = {f"aws.vpcflow.{name}": row[name] for name in header.split(" ") if name in row and name not in held}
    return fields | natives


def ndjson(documents: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in documents).encode()
