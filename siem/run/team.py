"""What a team keeps beside its rules: settings.yml, accounts.yml, calendar.yml, notify.yml and links.yml."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from siem.calendar import Calendar, load_calendar
from siem.detect.circumstances import Circumstances
from siem.enrich.accounts import Accounts, load_accounts
from siem.errors import ContentError
from siem.present.notify import UTC, Link, Notify, load_links, load_notify
from siem.sigma import RuleSet, Tuning, load_tuning, tuned

SUFFIXES = (".yml", ".yaml")

T = TypeVar("T")


def team_tuning(content: Path | None) -> tuple[Tuning | None, list[ContentError]]:
    """See `siem.sigma.load_tuning`; without a file nothing is set."""
    return _read(content, "settings", load_tuning, Tuning())


def team_accounts(content: Path | None) -> tuple[Accounts, list[ContentError]]:
    """See `siem.enrich.accounts.load_accounts`; without a file nobody is named."""
    return _read(content, "accounts", load_accounts, Accounts())


def team_calendar(content: Path | None) -> tuple[Calendar | None, list[ContentError]]:
    """See `siem.calendar.load_calendar`; without a file there is no calendar, and nothing is after hours."""
    return _read(content, "calendar", load_calendar, None)


def team_notify(content: Path | None, calendar: Calendar | None) -> tuple[Notify | None, list[ContentError]]:
    """See `siem.present.notify.load_notify`; without a file nobody is told. In the zone of the calendar."""
    zone = calendar.zone if calendar else UTC
    return _read(content, "notify", lambda file: load_notify(file, zone), Notify(zone=zone))


def team_links(content: Path | None) -> tuple[tuple[Link, ...], list[ContentError]]:
    """See `siem.present.notify.load_links`; without a file there are none."""
    return _read(content, "links", load_links, ())


def tuned_set(found: RuleSet, content: Path | None, whole: bool = True) -> RuleSet:
    """The rules as the team's settings.yml wants them. Settings that cannot be are refused, as rules are.

    whole: these are all rules in use, not some that were asked for.

    Raises:
        ContentError: the file cannot be read at all. Without it all that the team has silenced would alert.
    """
    tuning, errors = team_tuning(content)
    if tuning is None:
        raise errors[0]
    return replace(made := tuned(found, tuning, whole), refused=(*made.refused, *errors))


def team_circumstances(accounts: Accounts, calendar: Calendar | None, live_window: timedelta) -> Circumstances:
    """What alerts depend on beside rules and events; without a calendar nothing is after hours."""
    among = Circumstances(environment=accounts.environment, live_window=live_window)
    return replace(among, after_hours=calendar.is_after_hours) if calendar else among


def _read(
    content: Path | None, name: str, load: Callable[[Path], tuple[T, list[ContentError]]], absent: T
) -> tuple[T, list[ContentError]]:
    """What has the name, whatever it is: a folder or a link to nothing is no file that is missing. Of two the first,
    and that there is another."""
    files = [content / f"{name}{suffix}" for suffix in SUFFIXES] if content is not None else []
    there = [file for file in files if os.path.lexists(file)]
    twice = [ContentError(f"{name}.yml is there too, and is used: keep one of them", str(one)) for one in there[1:]]
    found, errors = load(there[0]) if there else (absent, [])
    return found, [*errors, *twice]


def unknown_channels(rules: RuleSet, notify: Notify) -> Iterator[ContentError]:
    """Channels that rules name, and notify.yml does not have, where it has any."""
    for rule in (*rules.rules, *rules.correlations):
        if notify.channels and rule.channel is not None and rule.channel not in notify.channels:
            said = rules.set_at.get(rule.key, {}).get("channel", "")
            file, _, line = said.rpartition(":") if said else (rule.file, "", str(rule.line))
            message = f"notify.yml has no channel {rule.channel}: alerts of {rule.title} go where routes say"
            yield ContentError(message, file, int(line))


def strangers(tuning: Tuning, accounts: Accounts) -> Iterator[ContentError]:
    """Environments that settings name and no account is of."""
    known = accounts.environments
    for setting in (*tuning.rules, *tuning.tags):
        choice = setting.choices.get("level")
        for name in choice.value.of if choice else ():
            if name not in known:
                told = f"there are: {', '.join(sorted(known))}" if known else "accounts.yml names none"
                message = f"no account is of the environment {name}; {told}"
                yield ContentError(message, tuning.file, choice.line if choice else None)
