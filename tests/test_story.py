"""The shipped rules tell the story of the sample bucket, and see the recorded attack."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from siem.config import Limits
from siem.detect.hunting import Hunt
from siem.detect.sources import Sources
from siem.intake.objects import objects
from siem.parsing import Registry
from siem.run.content import shipped_content
from siem.run.reading import read
from siem.sigma import load_rules
from siem.testing.golden import NOW

STOPPED = "Config, GuardDuty, Security Hub or flow logs switched off"
TOLD = {
    "password guessing": ["Console login failed"] * 13,
    "login without MFA": ["Console login without MFA"],
    "back door in IAM": [
        "Access key created for a user",
        "IAM user created",
        "Administrator policy attached",
        "Console password set for another user",
        "MFA device removed from a user",
        "Trust policy of a role changed",
    ],
    "logging stopped": [*["CloudTrail stopped or weakened"] * 2, *[STOPPED] * 3],
    "security group opened to the world": ["Security group opened to the whole Internet"],
    "bucket made public": ["Bucket opened to everyone"],
    "objects read with the stolen key": ["Object read with a long-lived key from a public address"] * 40,
}
"""For each event of a step, in their order, the rule that tells it."""

LEFT_OUT = {
    "discovery and refused calls": "the refused ones are told, below; lists and descriptions are daily work",
    "logging resumed": "somebody mended it: nothing to look at",
}

Matches = dict[str, set[str]]


def matches(folder: Path, registry: Registry) -> Matches:
    """Event id -> titles of the rules that match it."""
    hunt = Hunt(load_rules([shipped_content() / "detections"]), Sources.of(registry))
    found: Matches = defaultdict(set)
    for source, opener in objects(str(folder), Limits()):
        with opener() as content:
            for parsed in read(source, content, registry, Limits(), NOW):
                for match in hunt.batch(parsed.batch) if parsed.batch is not None else ():
                    found[match.event_id].add(match.rule.title)
    return found


@pytest.fixture(scope="module")
def night(samples: Path, registry: Registry) -> Matches:
    return matches(samples / "bucket", registry)


@pytest.fixture(scope="module")
def story(samples: Path) -> dict[str, Any]:
    """The steps that name their events."""
    return {step["step"]: step for step in json.loads((samples / "story.json").read_bytes()) if "event_ids" in step}


@pytest.mark.parametrize("step", TOLD)
def test_every_event_of_a_step_is_told_by_its_rule(step: str, night: Matches, story: dict[str, Any]) -> None:
    ids = story[step]["event_ids"]
    assert len(ids) == len(TOLD[step])
    for id_, title in zip(ids, TOLD[step], strict=True):
        assert title in night.get(id_, ()), f"{step}: {id_}"


def test_no_step_that_names_events_is_forgotten(story: dict[str, Any]) -> None:
    assert story.keys() == TOLD.keys() | LEFT_OUT.keys()


def test_refused_calls_of_the_discovery_are_found(night: Matches, story: dict[str, Any]) -> None:
    found = [id_ for id_ in story["discovery and refused calls"]["event_ids"] if "Call refused" in night.get(id_, ())]
    assert len(found) == 12  # of 20 calls


@pytest.mark.parametrize(
    ("title", "events"),
    [
        ("Public address refused at an unusual port", 209),  # 209 ports; the usual ones are left out, see its filter
        ("Connection out to a port that tools of attackers use", 30),
        ("Large upload to a public address", 2),
        ("SQL injection matched by a managed rule", 18),
        ("Address blocked by a rate-based rule", 1),
        ("SQL injection in a URL", 30),  # 15 requests, each in the logs of WAF and of the load balancer
        ("Path traversal in a URL", 2),  # one request, likewise
        ("Log4j lookup in a request", 2),
        ("Vulnerability scanner reached the load balancer", 18),
        ("Attack in a URL was answered with success", 1),
        ("Login to the application refused", 40),  # of 42; the last two succeed
        ("Client certificate was refused", 4),
        ("Request that servers may read differently", 2),
        ("Cross-site scripting matched", 1),
        ("Client names a distribution or tool of attackers", 33),
    ],
)
def test_steps_that_are_told_by_number_are_found(title: str, events: int, night: Matches) -> None:
    assert sum(title in titles for titles in night.values()) == events


def test_at_least_six_rules_see_the_recorded_attack(samples: Path, registry: Registry) -> None:
    found = matches(samples / "cloudtrail-invictus", registry)
    titles = {title for of in found.values() for title in of}
    assert titles >= {
        "CloudTrail stopped or weakened",
        "Config, GuardDuty, Security Hub or flow logs switched off",
        "Account tried to leave the organization",
        "Snapshot or image shared with another account",
        "Trust policy of a role changed",
        "Access key created for a user",
    }
