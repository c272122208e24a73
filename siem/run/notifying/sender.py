"""What a scheduler does for notifications: notices of news, and every channel's due ones on their way.

Each channel has a thread of its own while it has something to send: one that hangs keeps no other waiting.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from siem.errors import SiemError
from siem.present.notify import Channel, Notify, Past, Sort, Standing, Words, keys, made
from siem.run.notifying.channels import send
from siem.run.notifying.posting import Undelivered
from siem.run.watching import Watched
from siem.store.contract import Alert, Store
from siem.store.outbox import News, Notice, Outcome

TOGETHER = 500
"""News of which notices are made at a time."""

MOST = 10_000
"""News that are looked at with one scan of all alerts."""

AT_ONCE = 50
"""Notices that a channel is sent between two looks at the news."""

FIRST, LONGEST = timedelta(seconds=10), timedelta(hours=1)
"""Between two attempts: twice as long each time, from the one to the other."""

GATHERED = (Sort.HISTORY, Sort.DIGEST, Sort.SUMMARY)


def notify(store: Store, content: Watched, sender: Sender, goes_on: Callable[[], bool]) -> None:
    """A scheduler's run: notices are made, and begin to be sent. Where notify.yml has a mistake the one before it
    holds; without one before it the news wait.

    Raises:
        Unavailable: the store is away; what was posted stays.
    """
    if (used := content.current) is None:
        return
    sender.team = used.notify or sender.team
    if sender.team is not None:
        make(store, sender.team, used.words, sender.now())
        sender.begin(store, sender.team.channels, goes_on)


def make(store: Store, notify: Notify, words: Words, now: datetime) -> int:
    """Make notices of all news; how many. Where somebody else does so too, the next run goes on.

    Raises:
        Unavailable: the store is away; what was posted stays.
    """
    count = 0
    while news := store.news(MOST):
        alerts = {alert.id: alert for alert in store.alerts(merged=True)} if notify.channels else {}
        known = replace(words, past=Past.of(alerts.values()))
        for start in range(0, len(news), TOGETHER):
            part = news[start : start + TOGETHER]
            notices = made(part, _standing(store, notify, alerts, part, now), notify, known, now)
            if not store.post(notices, part):
                return count
            count += len(notices)
    return count


def _standing(
    store: Store, notify: Notify, alerts: Mapping[str, Alert], news: Sequence[News], now: datetime
) -> Standing:
    gathered = {(name, sort): store.latest(name, sort) for name in notify.channels for sort in GATHERED}
    recent = {name: store.recent(name, now - one.limit.within) for name, one in notify.channels.items()}
    latest: dict[tuple[str, str], Notice] = {at: one for at, one in gathered.items() if one is not None}
    return Standing(alerts, store.notices(keys(news, notify)), latest, recent)


def _uncounted(channel: str, outcome: str) -> None:
    """Nobody counts."""


@dataclass
class Sender:
    """Of one process. log: of structlog. counted: told of every attempt, by channel and outcome. chance: for jitter.
    team: whom to tell, as far as it is known."""

    now: Callable[[], datetime]
    log: Any
    counted: Callable[[str, str], None] = _uncounted
    chance: random.Random = field(default_factory=random.Random)
    team: Notify | None = None
    _running: dict[str, threading.Thread] = field(default_factory=dict)
    _until: dict[str, datetime] = field(default_factory=dict)
    _troubles: dict[str, str] = field(default_factory=dict)

    def begin(self, store: Store, channels: Mapping[str, Channel], goes_on: Callable[[], bool]) -> None:
        """Send what is due, channel by channel, in threads; those that are at it still are left alone."""
        for name, channel in channels.items():
            running = self._running.get(name)
            if (running and running.is_alive()) or self._until.get(name, self.now()) > self.now():
                continue
            thread = threading.Thread(target=self._send, args=(store, channel, goes_on), name=name, daemon=True)
            self._running[name] = thread
            thread.start()

    def wait(self, seconds: float) -> None:
        """Until all channels are through, or so long."""
        end = time.monotonic() + seconds
        for thread in self._running.values():
            thread.join(max(end - time.monotonic(), 0))

    def _send(self, store: Store, channel: Channel, goes_on: Callable[[], bool]) -> None:
        try:
            for notice in store.due(channel.name, self.now(), AT_ONCE):
                if not goes_on() or not self._sent(store, channel, notice):
                    return
        except SiemError as error:  # the store's: what was sent and not noted is sent again
            self._told(channel.name, str(error))
        except Exception as error:  # noqa: BLE001  (the outermost loop of its thread)
            self._told(channel.name, repr(error))

    def _sent(self, store: Store, channel: Channel, notice: Notice) -> bool:
        """Whether the next one has a chance."""
        try:
            ref = send(channel, notice, self.now())
        except Undelivered as failure:
            wait = failure.wait or self._backoff(notice.attempts)
            due = None if failure.final else self.now() + wait
            store.tried(Outcome(notice.key, notice.revision, error=failure.reason, due=due))
            if failure.wait:
                self._until[channel.name] = self.now() + failure.wait
            self._told(channel.name, failure.reason)
            self.counted(channel.name, "refused" if failure.final else "failed")
            return failure.final
        store.tried(Outcome(notice.key, notice.revision, sent=self.now(), ref=ref))
        self._told(channel.name, "")
        self.counted(channel.name, "sent")
        return True

    def _backoff(self, attempts: int) -> timedelta:
        """With jitter: from half of it on."""
        longest: timedelta = min(FIRST * 2 ** min(attempts, 20), LONGEST)
        return longest * self.chance.uniform(0.5, 1)

    def _told(self, channel: str, reason: str) -> None:
        """What is wrong with a channel, once as long as it is the same."""
        if reason == self._troubles.get(channel, ""):
            return
        self._troubles[channel] = reason
        if reason:
            self.log.warning("channel failed", channel=channel, why=reason)
        else:
            self.log.info("channel goes on", channel=channel)
