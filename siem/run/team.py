"""What a team keeps beside its rules: settings.yml, accounts.yml, calendar.yml, notify.yml and links.yml."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from siem.calendar import Calendar, load_calendar
from siem.detect.circumstances import Circumstances
from siem.enrich.accounts import Accounts, load_accounts
from siem.errors import ContentError
from siem.present.notify import UTC, Link, Notify, load_links, load_notify
from siem.sigma import RuleSet, Tuning, load_tuning, tuned

SUFFIXES = (".yml", ".yaml")


def team_tuning(content: Path | None) -> tuple[Tuning | None, list[ContentError]]:
    """See `siem.sigma.load_tuning`; without a file nothing is set."""
    file, twice = _file(content, "settings")
    tuning, errors = load_tuning(file) if file else (Tuning(), [])
    return tuning, [*errors, *twice]


def team_accounts(content: Path | None) -> tuple[Accounts, list[ContentError]]:
    """See `siem.enrich.accounts.load_accounts`; without a file nobody is named."""
    file, twice = _file(content, "accounts")
    accounts, errors = load_accounts(file) if file else (Accounts(), [])
    return accounts, [*errors, *twice]


def team_calendar(content: Path | None) -> tuple[Calendar | None, list[ContentError]]:
    """See `siem.calendar.load_calendar`; without a file there is no calendar, and nothing is after hours."""
    file, twice = _file(content, "calendar")
    calendar, errors = load_calendar(file) if file else (None, [])
    return calendar, [*errors, *twice]


def team_notify(content: Path | None) -> tuple[Notify | None, list[ContentError]]:
    """See `siem.present.notify.load_notify`; without a file nobody is told. In the zone of calendar.yml."""
    calendar, _ = team_calendar(content)
    zone = calendar.zone if calendar else UTC
    file, twice = _file(content, "notify")
    notify, errors = load_notify(file, zone) if file else (Notify(zone=zone), [])
    return notify, [*errors, *twice]


def team_links(content: Path | None) -> tuple[tuple[Link, ...], list[ContentError]]:
    """See `siem.present.notify.load_links`; without a file there are none."""
    file, twice = _file(content, "links")
    links, errors = load_links(file) if file else ((), [])
    return links, [*errors, *twice]


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


def team_circumstances(content: Path | None, live_window: timedelta) -> tuple[Circumstances, list[ContentError]]:
    """What alerts depend on beside rules and events, and what is wrong with accounts.yml and calendar.yml; without a
    calendar that can be read nothing is after hours."""
    accounts, wrong = team_accounts(content)
    calendar, problems = team_calendar(content)
    among = Circumstances(environment=accounts.environment, live_window=live_window)
    return replace(among, after_hours=calendar.is_after_hours) if calendar else among, [*wrong, *problems]


def _file(content: Path | None, name: str) -> tuple[Path | None, list[ContentError]]:
    """What has the name, whatever it is: a folder or a link to nothing is no file that is missing. Of two the first,
    and that there is another."""
    files = [content / f"{name}{suffix}" for suffix in SUFFIXES] if content is not None else []
    there = [file for file in files if os.path.lexists(file)]
    twice = [ContentError(f"{name}.yml is there too, and is used: keep one of them", str(one)) for one in there[1:]]
    return next(iter(there), None), twice


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
