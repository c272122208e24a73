"""Who is to hear of alerts, where and when, as a team's notify.yml says it (`reading`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from siem.calendar import Span
from siem.present.notify.secrets import Secret
from siem.sigma import LEVELS
from siem.sigma.head import REPORT
from siem.store.contract import Alert

ACCOUNT = "cloud.account.id"
CRITICAL = LEVELS[-1]
UTC = ZoneInfo("UTC")
DAY = timedelta(days=1)


class Kind(StrEnum):
    """What a channel is. Of Slack either a bot with a token, or an incoming webhook, which cannot edit."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    SLACK_WEBHOOK = "slack_webhook"
    APPRISE = "apprise"


EDITS = frozenset((Kind.WEBHOOK, Kind.SLACK))
"""Those that take a message again under its key, in the place of the earlier one."""


@dataclass(frozen=True)
class Target:
    """How a channel is reached. address: for `apprise` perhaps several. api, token, room: of Slack.
    secret: what a webhook's requests are signed with."""

    kind: Kind
    address: Secret | None = None
    token: Secret | None = None
    room: str = ""
    api: str = "https://slack.com/api/"
    secret: Secret | None = None


@dataclass(frozen=True)
class Digest:
    """What is below a level comes once a day. at: minutes of the day."""

    at: int
    below: str


@dataclass(frozen=True)
class Limit:
    """So many messages in so long a time; the others become one summary."""

    messages: int = 30
    within: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Channel:
    """quiet: spans of each day in which messages wait; those of critical alerts do not."""

    name: str
    target: Target
    quiet: tuple[Span, ...] = ()
    digest: Digest | None = None
    limit: Limit = Limit()

    @property
    def edits(self) -> bool:
        return self.target.kind in EDITS

    def is_gathered(self, level: str) -> bool:
        """Alerts of this level come with the digest."""
        return self.digest is not None and LEVELS.index(level) < LEVELS.index(self.digest.below)


@dataclass(frozen=True)
class Route:
    """Which alerts go to which channels. Empty: all."""

    channels: tuple[str, ...]
    level: str = LEVELS[0]
    tags: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()

    def takes(self, alert: Alert, environments: frozenset[str]) -> bool:
        """environments: of the alert's accounts."""
        return (
            is_at_least(alert.level, self.level)
            and (not self.tags or any(is_below(tag, of) for tag in alert.tags for of in self.tags))
            and (not self.accounts or bool(self.accounts.intersection(accounts(alert))))
            and (not self.environments or bool(self.environments & environments))
        )


@dataclass(frozen=True)
class Escalation:
    """Alerts of a level that are still open after a while are told to another channel."""

    channel: str
    after: timedelta
    level: str = "high"


@dataclass(frozen=True)
class Notify:
    """A team's notify.yml. zone: of quiet hours, of digests and of times in messages."""

    channels: Mapping[str, Channel] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    zone: ZoneInfo = UTC

    def wanted(self, alert: Alert, environments: frozenset[str]) -> tuple[str, ...]:
        """The channels that are to hear of an alert: the one that its rule names, else all that routes lead to."""
        if alert.tier == REPORT:
            return ()
        if alert.channel is not None and alert.channel in self.channels:
            return (alert.channel,)
        found = [name for route in self.routes if route.takes(alert, environments) for name in route.channels]
        return tuple(dict.fromkeys(found))

    def quiet_until(self, channel: Channel, now: datetime) -> datetime:
        """When a message that is not critical may go out."""
        here = now.astimezone(self.zone)
        minute = here.hour * 60 + here.minute
        for start, end in channel.quiet:
            for at in (minute, minute + DAY // timedelta(minutes=1)):
                if start <= at < end:
                    return self._at(here, end - at + minute)
        return now

    def digest_at(self, digest: Digest, now: datetime) -> datetime:
        """When the next digest is due: after now."""
        here = now.astimezone(self.zone)
        today = self._at(here, digest.at)
        return today if today > now else self._at(here, digest.at + DAY // timedelta(minutes=1))

    def _at(self, day: datetime, minute: int) -> datetime:
        """A minute of a day, as its clock shows it; beyond 1,440 on the day after."""
        day += DAY * (minute // 1440)
        return day.replace(hour=minute % 1440 // 60, minute=minute % 60, second=0, microsecond=0).astimezone(UTC)


def accounts(alert: Alert) -> tuple[str, ...]:
    """The accounts that an alert is about."""
    return tuple(dict.fromkeys([*alert.values.get(ACCOUNT, ()), *filter(None, [alert.group.get(ACCOUNT)])]))


def is_at_least(level: str, least: str) -> bool:
    return LEVELS.index(level) >= LEVELS.index(least)


def is_below(tag: str, of: str) -> bool:
    """`cis.4.1` is of `cis`, and of itself."""
    return f"{tag.lower()}.".startswith(f"{of}.")
