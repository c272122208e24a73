"""CloudTrail as the proof of its digests needs it: the keys that they are signed with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from siem.aws.clients import client
from siem.aws.errors import in_our_words
from siem.config import Access


def public_keys(region: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """The keys that CloudTrail's digests of a region are signed for: `Fingerprint Value ValidityStartTime
    ValidityEndTime`.

    Raises:
        ConfigError, Denied, Unavailable: they cannot be had.
    """
    try:
        pages = client("cloudtrail", Access(region=region)).get_paginator("list_public_keys")
        return [key for page in pages.paginate(StartTime=since, EndTime=until) for key in page["PublicKeyList"]]
    except (BotoCoreError, ClientError) as error:
        raise in_our_words(error, f"CloudTrail's public keys in {region}") from error
