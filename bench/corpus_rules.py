"""Seeded rules about CloudTrail in the style of public ones.

About one event in twenty of `bench.corpus_cloudtrail` is a candidate: its call is one that rules name.
"""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import yaml

from siem.sigma import RuleSet, load_rules

SERVICES = re.findall(r"\w+", "iam sts ec2 s3 kms lambda rds eks cloudtrail guardduty config organizations signin")
VERBS = re.findall(
    r"\w+", "Create Delete Update Put Attach Detach Disable Stop Modify Revoke Enable Get List Associate"
)
THINGS = re.findall(
    r"\w+",
    "User Role Policy AccessKey LoginProfile Trail Detector Bucket Key Function Snapshot Cluster Image Secret Instance"
    " Vpc Volume Group Domain Certificate Organization Member Rule Device",
)
HAPPENING = (
    ("ec2", "RunInstances", "requestParameters.instancesSet.items.minCount", "64"),
    (
        "ec2",
        "AuthorizeSecurityGroupIngress",
        "requestParameters.ipPermissions.items.ipRanges.items.cidrIp",
        "0.0.0.0/0",
    ),
    ("ec2", "AuthorizeSecurityGroupIngress", "responseElements._return", "false"),
)
"""Calls that the corpus has, 2 % of its events each, with what hardly one of them says."""

EVERY = 15
"""One rule in so many requires no call."""


def rules(count: int, folder: Path, seed: int = 1) -> RuleSet:
    """So many rules, by way of their YAML."""
    chance = random.Random(seed)
    path = folder / f"rules-{count}.yml"
    path.write_text(yaml.safe_dump_all([rule(chance, number) for number in range(count)], sort_keys=False))
    found = load_rules([path])
    if found.refused or len(found.rules) != count:
        raise AssertionError(f"the corpus has rules that are refused: {found.refused[:1]}")
    return found


def rule(chance: random.Random, number: int) -> dict[str, Any]:
    gateless = number % EVERY == EVERY - 1
    detection = anywhere(chance, number) if gateless else called(chance, number)
    return {
        "title": f"Bench rule {number}",
        "name": f"bench-{number}",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": detection,
        "level": chance.choice(["low", "medium", "high"]),
    }


def call(chance: random.Random) -> str:
    return f"{chance.choice(VERBS)}{chance.choice(THINGS)}"


def anywhere(chance: random.Random, number: int) -> dict[str, Any]:
    """Looks at every event."""
    agents = ["kali", "parrot", "pentoo", "S3 Browser", "gimme", "trufflehog", "pacu"]
    known: list[dict[str, Any]] = [
        {"selection": {"userAgent|contains": chance.sample(agents, 3)}, "condition": "selection"},
        {
            "selection": {"errorCode|contains": "Unauthorized"},
            "filter": {"sourceIPAddress|endswith": ".amazonaws.com"},
            "condition": "selection and not filter",
        },
        {"selection": {"userIdentity.type": "Root"}, "filter": {"eventType": "AwsServiceEvent"},
         "condition": "selection and not filter"},
        {"selection": {"requestParameters.userName|contains": f"backup-{number}"}, "condition": "selection"},
        {"selection": {"eventName|startswith": f"{call(chance)}2015"}, "condition": "selection"},
    ]  # fmt: skip
    return known[number // EVERY % len(known)]


def called(chance: random.Random, number: int) -> dict[str, Any]:
    """Requires calls of a service."""
    service, name, path, value = chance.choice(SERVICES), call(chance), "requestParameters.name", f"x{number}"
    kind = number // 2
    if number % 20 == 0:
        service, name, path, value = HAPPENING[number // 20 % len(HAPPENING)]
        kind = 7 * (number // 20 % 2)  # its parameter, or an error: few of these calls match
    source = f"{service}.amazonaws.com"
    plain = {"eventSource": source, "eventName": name}
    several = {"eventSource": source, "eventName": [name, *[call(chance) for _ in range(chance.randint(1, 6))]]}
    kinds: list[dict[str, Any]] = [
        {"selection": plain | {path: value}, "condition": "selection"},
        {"selection": several, "condition": "selection"},
        {"selection": plain, "filter": {"errorCode|exists": True}, "condition": "selection and not filter"},
        {"selection": {"eventSource": source, "eventName|startswith": call(chance)}, "condition": "selection"},
        {"selection": plain | {"requestParameters|contains": f"public-{number}"}, "condition": "selection"},
        {"selection": several, "filter": {"userAgent|contains": "terraform"}, "condition": "selection and not filter"},
        {"selection": plain | {"responseElements|contains": "Failure"}, "condition": "selection"},
        {"selection": several | {"errorCode": ["AccessDenied", "UnauthorizedOperation"]}, "condition": "selection"},
        {"selection": plain | {"userIdentity.type": ["Root", "IAMUser"]}, "condition": "selection"},
    ]
    return kinds[kind % len(kinds)]
