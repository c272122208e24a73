"""What the manifest says of every sample object, and whether counts are what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from siem.store.contract import State

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"
MANIFEST = json.loads((DATA / "MANIFEST.json").read_bytes())

DATASETS = {
    "cloudtrail": "aws.cloudtrail",
    "cloudtrail-digest": "aws.cloudtrail",
    "vpcflow": "aws.vpcflow",
    "alb": "aws.elb",
    "alb-connection": "aws.elb",
    "nlb": "aws.elb",
    "clb": "aws.elb",
    "waf": "aws.waf",
    "cloudfront": "aws.cloudfront",
    "config": "aws.config",
    "guardduty": "aws.guardduty",
    "network-firewall": "aws.networkfirewall",
    "securityhub": "aws.securityhub",
    "s3access": "aws.s3access",
    "resolver": "aws.route53resolver",
    "syslog": "linux.auth",
    "auditd": "linux.auditd",
}


def place(entry: dict[str, Any]) -> Path:
    path: str = entry["path"]
    if path.startswith("samples/digests/"):
        return DATA / path.removeprefix("samples/")
    if path.startswith("samples/"):
        return ROOT / path
    return DATA / path if path.startswith("bad-input/") else ROOT / "samples" / path


OBJECTS = [entry for entry in MANIFEST["files"] if entry["kind"] not in ("reference", "notification")]
"""All of them are here: one that is lost fails."""


def name(entry: dict[str, Any]) -> str:
    return str(entry.get("case") or entry["path"].rpartition("/")[2])


def span(count: int | list[int]) -> tuple[int, int]:
    low, high = count if isinstance(count, list) else (count, count)
    return low, high


class Counts(Protocol):
    """A tally, or a row of the ledger."""

    @property
    def records(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def rejects(self) -> int: ...
    @property
    def skipped(self) -> int: ...


def check_counts(entry: dict[str, Any], state: State, found: Counts) -> None:
    """The object came to what its entry says."""
    assert state is not State.FAILED
    counts = {"events": found.events, "rejects": found.rejects, "skipped": found.skipped}
    assert found.records == sum(counts.values())
    if state is State.UNRECOGNISED:  # content that is nothing the key promises: all of it may be refused
        assert found.records == 0
        assert all(span(entry[kind])[0] == 0 for kind in counts)
        return
    for kind, count in counts.items():
        low, high = span(entry[kind])
        assert low <= count <= high, (kind, found)
    low, high = span(entry["records"])
    assert min(low, sum(span(entry[kind])[0] for kind in counts)) <= found.records
    assert found.records <= max(high, sum(span(entry[kind])[1] for kind in counts))


def check_damage(entry: dict[str, Any], state: State, reason: str | None) -> None:
    """Damage is told where there is some, and nowhere else, as far as the entry says."""
    if state is State.UNRECOGNISED:
        assert reason
    elif entry.get("damaged", "maybe") != "maybe":
        assert (state is State.DAMAGED) == entry["damaged"]
