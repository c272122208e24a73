"""`siem doctor`: is the store there, well, and as it was prepared?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timedelta

from siem.cli import options
from siem.cli.output import write
from siem.errors import ContentError
from siem.present.notify import Notify
from siem.run.team import team_calendar, team_notify
from siem.store import existing_store
from siem.store.checks import Check, Verdict, examined
from siem.store.outbox import Notice

MOST = 1_000
"""Notices that are looked at, the newest."""

LATE = timedelta(minutes=5)
"""A notice that is due for longer is told to nobody: no scheduler runs, or its channel is gone."""

COLUMNS = ("what", "verdict", "said", "advice")


def doctor(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> int:
    """A line per check: ok, warning or failure, and what to do. Exit code 1 if one failed. Nothing is changed."""
    settings = options.settings(store, content)
    found = examined(settings, options.sources(settings.content).fields, options.now)
    if not any(check.verdict is Verdict.FAILURE for check in found):
        with closing(existing_store(settings)) as kept:
            unsent = kept.outbox(MOST, unsent=True)
        notify = team_notify(settings.content, team_calendar(settings.content)[0])
        found = [*found, *notifications(unsent, notify, options.now())]
    write([asdict(check) for check in found], COLUMNS, form)
    return int(any(check.verdict is Verdict.FAILURE for check in found))


def notifications(
    unsent: Sequence[Notice], team: tuple[Notify | None, Sequence[ContentError]], now: datetime
) -> Iterator[Check]:
    """Whether people hear of alerts; nothing where nobody is to be told and nothing waits."""
    notify, errors = team
    if errors:
        yield Check("notify.yml", Verdict.FAILURE, str(errors[0]), "mend it: what was in use before holds until then")
    for name in sorted({*(notify.channels if notify else ()), *[one.channel for one in unsent]}):
        yield _channel(name, notify, [one for one in unsent if one.channel == name], now)


def _channel(name: str, notify: Notify | None, unsent: Sequence[Notice], now: datetime) -> Check:
    what = f"channel {name}"
    failed = [one for one in unsent if one.error]
    late = [one for one in unsent if one.due and one.due < now - LATE]
    if failed:
        refused = sum(one.due is None for one in failed)
        said = f"{len(failed):,} messages failed, {refused:,} for good; the last: {failed[0].error}"
        return Check(what, Verdict.WARNING, said, f"siem notify list; siem notify test {name}")
    if late and notify and name not in notify.channels:
        return Check(what, Verdict.WARNING, f"{len(late):,} messages wait, and notify.yml has it not", "name it again")
    if late:
        said = f"{len(late):,} messages wait for longer than {LATE.seconds // 60} minutes"
        return Check(what, Verdict.WARNING, said, "is siem scheduler running?")
    return Check(what, Verdict.OK, "all messages were taken, or are not due yet")
