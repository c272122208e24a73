"""From news of alerts to notices: what each channel is to hear, and when.

The same news again, or news of what did not change, come to the notices that are there already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from siem.present.notify.message import Words, body, row
from siem.present.notify.team import CRITICAL, Channel, Escalation, Notify, accounts, is_at_least
from siem.sigma import LEVELS
from siem.store.contract import Alert
from siem.store.handling import OPEN
from siem.store.outbox import News, Notice

PAUSE = timedelta(seconds=60)
"""Between two edits of a message."""

SETTLED = timedelta(minutes=10)
"""An import is over when no alert of old logs has come for so long."""

SHOWN, REMEMBERED = 20, 10_000
"""Alerts that a summary names; and those of which it knows that they are counted."""

REMOVED = "removed"
"""The state of an alert that is not there any more: its rule, or late logs, unmade it."""


class Sort(StrEnum):
    """Kinds of notices. An ALERT and an ESCALATION are about one alert; a TEST about none; the others gather many."""

    ALERT = "alert"
    ESCALATION = "escalation"
    HISTORY = "history"
    DIGEST = "digest"
    SUMMARY = "summary"
    TEST = "test"


GATHERED = (Sort.HISTORY, Sort.DIGEST, Sort.SUMMARY)


@dataclass(frozen=True)
class Standing:
    """What is there. alerts: those that news are of and that exist. notices: by key.

    latest: of a channel and a kind the last one. recent: notices of a channel within its limit's time.
    """

    alerts: Mapping[str, Alert] = field(default_factory=dict)
    notices: Mapping[str, Notice] = field(default_factory=dict)
    latest: Mapping[tuple[str, str], Notice] = field(default_factory=dict)
    recent: Mapping[str, int] = field(default_factory=dict)


def keys(news: Sequence[News], notify: Notify) -> list[str]:
    """Of all notices that may be about these alerts."""
    channels = {(name, Sort.ALERT) for name in notify.channels}
    channels |= {(one.channel, Sort.ESCALATION) for one in notify.escalations}
    return [key(name, sort, one.alert) for one in news for name, sort in sorted(channels)]


def key(channel: str, sort: Sort, alert: str) -> str:
    return f"{channel}/{sort}/{alert}"


def made(news: Sequence[News], standing: Standing, notify: Notify, words: Words, now: datetime) -> list[Notice]:
    """The notices that these news change, each once."""
    making = _Making(standing, notify, words, now)
    alerts = {one.alert: standing.alerts.get(one.alert) for one in news}
    for id_ in sorted(alerts, key=lambda id_: _urgency(alerts[id_])):
        making.tell(id_, alerts[id_])
    return making.made()


def _urgency(alert: Alert | None) -> tuple[int, float]:
    """The highest level first: it must not be what is left for the summary."""
    return (-LEVELS.index(alert.level), alert.last.timestamp()) if alert else (1, 0.0)


class _Making:
    """One run over news."""

    def __init__(self, standing: Standing, notify: Notify, words: Words, now: datetime) -> None:
        self._standing, self._notify, self._words, self._now = standing, notify, words, now
        self._notices: dict[str, Notice] = {}
        self._gathering: dict[tuple[str, str], Gathering] = {}
        self._recent = Counter(standing.recent)
        summed = {at: one for at, one in standing.latest.items() if at[1] == Sort.SUMMARY}
        self._summed = {channel: frozenset(one.body["ids"]) for (channel, _), one in summed.items()}

    def made(self) -> list[Notice]:
        gathered = [one.notice(self._now) for one in self._gathering.values()]
        return [*self._notices.values(), *[notice for notice in gathered if notice]]

    def tell(self, id_: str, alert: Alert | None) -> None:
        """Everything that is to be said of an alert; None: it is gone."""
        environments = frozenset(filter(None, map(self._words.accounts.environment, accounts(alert) if alert else ())))
        wanted = self._notify.wanted(alert, environments) if alert else ()
        for name, channel in self._notify.channels.items():
            before = self._standing.notices.get(key(name, Sort.ALERT, id_))
            if before is not None:
                self._put(_again(before, self._grown(before, alert), channel, self._now))
            elif alert and name in wanted and alert.state == OPEN:
                self._begin(channel, alert)
        for escalation in self._notify.escalations:
            self._escalate(escalation, id_, alert, bool(wanted))

    def _begin(self, channel: Channel, alert: Alert) -> None:
        """A channel has not heard of the alert."""
        sort = self._sort(channel, alert)
        if sort in GATHERED:
            self._gather(channel, sort).add(alert, row(alert, self._words))
            return
        self._recent[channel.name] += 1
        due = self._now if alert.level == CRITICAL else self._notify.quiet_until(channel, self._now)
        self._put(self._new(channel.name, sort, alert, due))

    def _sort(self, channel: Channel, alert: Alert) -> Sort:
        if alert.history:
            return Sort.HISTORY
        if channel.is_gathered(alert.level):
            return Sort.DIGEST
        is_told = alert.id in self._summed.get(channel.name, ())
        return Sort.SUMMARY if is_told or self._recent[channel.name] >= channel.limit.messages else Sort.ALERT

    def _new(self, channel: str, sort: Sort, alert: Alert, due: datetime) -> Notice:
        return Notice(key(channel, sort, alert.id), channel, sort, body(alert, self._words), self._now, due)

    def _gather(self, channel: Channel, sort: Sort) -> Gathering:
        at = (channel.name, sort)
        if at not in self._gathering:
            self._gathering[at] = Gathering(channel, sort, self._standing.latest.get(at), self._due)
        return self._gathering[at]

    def _due(self, channel: Channel, sort: Sort, level: str) -> datetime:
        """When one that gathers is due."""
        if sort is Sort.DIGEST and channel.digest:
            return self._notify.digest_at(channel.digest, self._now)
        wait = SETTLED if sort is Sort.HISTORY else channel.limit.within
        at = self._now + wait
        return at if level == CRITICAL else self._notify.quiet_until(channel, at)

    def _escalate(self, escalation: Escalation, id_: str, alert: Alert | None, wanted: bool) -> None:
        """A notice that is due when the alert is still open then; withdrawn when it is not any more."""
        at = key(escalation.channel, Sort.ESCALATION, id_)
        before = self._standing.notices.get(at)
        is_open = wanted and alert is not None and alert.state == OPEN and not alert.history
        loud = is_open and alert is not None and is_at_least(alert.level, escalation.level)
        if before is None:
            if loud and alert:
                due = self._now + escalation.after
                self._put(self._new(escalation.channel, Sort.ESCALATION, alert, due))
            return
        waits = is_unheard(before) and before.due is not None
        if is_unheard(before) and loud and not waits:
            self._put(replace(before, body=self._grown(before, alert), due=self._now + escalation.after))
        elif waits:
            self._put(_changed(before, self._grown(before, alert), before.due if loud else None))
        elif not is_unheard(before) and escalation.channel in self._notify.channels:
            channel = self._notify.channels[escalation.channel]
            self._put(_again(before, self._grown(before, alert), channel, self._now))

    def _grown(self, before: Notice, alert: Alert | None) -> Mapping[str, Any]:
        return body(alert, self._words) if alert else {**before.body, "state": REMOVED}

    def _put(self, notice: Notice | None) -> None:
        if notice is not None:
            self._notices[notice.key] = notice


def _again(before: Notice, new: Mapping[str, Any], channel: Channel, now: datetime) -> Notice | None:
    """The notice with what there is to say now; None where it stays as it is."""
    is_open = new["state"] == OPEN
    if is_unheard(before):
        waits = before.due is not None
        return _changed(before, new, (before.due if waits else now) if is_open else None)
    if same(before.body, new):
        return None
    if channel.edits:
        return replace(before, body=new, due=max(now, before.sent + PAUSE) if before.sent else before.due or now)
    louder = LEVELS.index(new["level"]) > LEVELS.index(before.body["level"])
    if is_open and (louder or before.body["state"] != OPEN):
        return replace(before, body=new, due=now)
    if before.error and before.due is None:  # it was refused, and that shall be seen
        return None
    return replace(before, body=new, due=None if before.sent else before.due)


def _changed(before: Notice, new: Mapping[str, Any], due: datetime | None) -> Notice | None:
    return None if same(before.body, new) and before.due == due else replace(before, body=new, due=due)


def is_unheard(notice: Notice) -> bool:
    """No channel has taken it yet: what one has taken has a `ref`."""
    return notice.sent is None and not notice.ref


def same(before: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """They say the same of the alert. Counts of the past and links are no news."""
    return all(before.get(name) == value for name, value in new.items() if name not in ("fired", "links", "look"))


class Gathering:
    """A notice of many alerts, as it grows. before: the last one of its kind. due: when one is, with its highest level
    (see `_Making`)."""

    def __init__(
        self, channel: Channel, sort: Sort, before: Notice | None, due: Callable[[Channel, Sort, str], datetime]
    ) -> None:
        self._channel, self._sort, self._before, self._due = channel, sort, before, due
        self._goes_on = before is not None and before.sent is None and before.due is not None
        old: Mapping[str, Any] = before.body if before is not None and self._goes_on else {}
        self._counts = Counter(dict(old.get("counts", {})))
        self._top: list[Mapping[str, Any]] = list(old.get("top", ()))
        self._ids: list[str] = list(old.get("ids", ()))
        self._known = set(before.body["ids"] if before is not None else ())
        self._grown = False

    def add(self, alert: Alert, line: Mapping[str, Any]) -> None:
        """Count an alert once: not again when it grows."""
        if alert.id in self._known:
            return
        self._grown = True
        self._known.add(alert.id)
        self._ids += [alert.id] if len(self._ids) < REMEMBERED else []
        self._counts[alert.level] += 1
        self._top = sorted([*self._top, line], key=_loudest)[:SHOWN]

    def notice(self, now: datetime) -> Notice | None:
        """None: nothing came to it."""
        if not self._grown:
            return None
        due = self._due(self._channel, self._sort, self._top[0]["level"])
        content = {
            "kind": str(self._sort),
            "counts": {level: self._counts[level] for level in reversed(LEVELS) if self._counts[level]},
            "total": self._counts.total(),
            "top": self._top,
            "ids": self._ids,
        }
        if self._goes_on and self._before is not None:
            kept = due if self._sort is Sort.HISTORY else self._before.due
            return replace(self._before, body=content, due=kept)
        at = f"{self._channel.name}/{self._sort}/{now:%Y%m%dT%H%M%S.%fZ}"
        return Notice(at, self._channel.name, self._sort, content, now, due)


def _loudest(line: Mapping[str, Any]) -> tuple[int, int, str]:
    return -LEVELS.index(line["level"]), -line["count"], line["id"]
