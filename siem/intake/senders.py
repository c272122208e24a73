"""Who sends, as far as keys of objects tell: the place that its objects lie in, and its account."""

from __future__ import annotations

import re
from dataclasses import dataclass

DATE = re.compile(
    r"\d{1,2}|(?:19|20)\d\d(?:-?\d\d(?:-?\d\d)?)?"  # 2026/11/01/05, 2026-11-01, 20261101
    r"|(?:year|month|day|hour|minute|dt|date)=[\dT:-]+",  # as tables are partitioned
    re.IGNORECASE | re.ASCII,
)
ACCOUNT = re.compile(r"(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?(?:aws-account-id=)?(\d{12})(?:/|$)", re.ASCII)
"""Below what prefix AWS writes the logs of an account, those of an organisation too.

https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-find-log-files.html
https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html
"""


@dataclass(frozen=True)
class Sender:
    """place: bucket and key without its last part and those that are dates; text that JSON can hold."""

    place: str
    account: str | None


def sender(bucket: str, key: str) -> Sender:
    """Of an object."""
    folders = [part for part in key.split("/")[:-1] if not DATE.fullmatch(part)]
    place = "/".join([bucket, *folders] if bucket else folders)
    account = ACCOUNT.search(key)
    return Sender(
        place.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), account[1] if account else None
    )
