"""Who sends, as keys tell."""

from __future__ import annotations

import pytest

from siem.intake.senders import Sender, sender

ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("key", "place", "account"),
    [
        (
            f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/2026/11/01/x.json.gz",
            f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1",
            True,
        ),
        (f"p/AWSLogs/o-ab12/{ACCOUNT}/CloudTrail/eu/2026/11/01/x", f"p/AWSLogs/o-ab12/{ACCOUNT}/CloudTrail/eu", True),
        (f"AWSLogs/{ACCOUNT}/WAFLogs/eu/acl/2026/11/01/05/35/x.log.gz", f"AWSLogs/{ACCOUNT}/WAFLogs/eu/acl", True),
        (
            f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region=eu/year=2026/month=11/day=01/hour=05/x",
            f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region=eu",
            True,
        ),
        ("logs/2026-11-01/web/20261101/x", "logs/web", False),
        (f"logs/{ACCOUNT}/v2/1234/x", f"logs/{ACCOUNT}/v2/1234", False),
        ("dt=2026-11-01/x", "", False),
        ("x", "", False),
        ("a\udcff/x", "a\\xff", False),
    ],
)
def test_a_place_is_the_key_without_its_last_part_and_dates(key: str, place: str, account: bool) -> None:
    assert sender("", key) == Sender(place, ACCOUNT if account else None)
    assert sender("logs", key).place == (f"logs/{place}" if place else "logs")
