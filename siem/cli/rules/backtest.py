"""`siem rules backtest`: how many alerts rules would have raised, and about whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.cli.detect import expired
from siem.cli.output import tell, write
from siem.detect.alerts import ABOUT, ACCOUNT
from siem.detect.backtest import Backtest, backtest
from siem.errors import UsageError
from siem.run.team import tuned_set
from siem.sigma import LEVELS, RuleSet
from siem.store import existing_store
from siem.store.contract import Alert

COLUMNS = ("alerts", "per_day", "level", "title", "days", "principals", "accounts", "addresses")
PRINCIPALS, ADDRESSES = ABOUT[:2], ABOUT[2:]
TOP = 5
"""Principals, accounts and addresses that are named."""

SinceOption = Annotated[
    str, typer.Option("--since", help="Alerts that begin from this time on: RFC 3339, a date (UTC), or 30d before now.")
]


def backtest_command(
    paths: options.RulesArgument = None,
    since: SinceOption = "30d",
    until: options.UntilOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Alerts per day that these rules would have raised of what is stored: after filters, grouping and correlation, as
    if nothing had been judged. Writes nothing."""
    settings = options.settings(store, content)
    now = options.now()
    first, end = options.time(since) or now, options.time(until) or now
    if first >= end:
        raise UsageError(f"--since {since}: that is not before --until")
    found = tuned_set(options.rules(paths, settings.content, told=False), settings.content, whole=not paths)
    options.refused(found.refused)
    for told in expired(found):
        tell(told)
    sources, among = options.sources(settings.content), options.circumstances(settings)
    with closing(existing_store(settings)) as kept:
        done = backtest(kept, found, sources, first, end, among)
    write(rows(done, found), COLUMNS, form, lambda made: whole(done, made))
    for told in outcome(done, found):
        tell(told)


def outcome(done: Backtest, rules: RuleSet) -> Iterator[str]:
    """What could not be told, and what it comes to in a line."""
    for key, reason in done.errors.items():
        yield f"failed: {key}: {reason}"
    for key, events in done.left_out.items():
        if events:
            yield f"{key}: {events:,} events without the values that it groups by are left out"
    loud = len({alert.rule_id for alert in done.alerts})
    span = f"from {done.since:%FT%TZ} to {done.until:%FT%TZ}"
    yield f"{loud} of {len(rules.own)} rules: {len(done.alerts):,} alerts {span}"


def whole(done: Backtest, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """As one document, with the alerts."""
    return {
        "since": done.since,
        "until": done.until,
        "rules": rows,
        "failed": done.errors,
        "alerts": [asdict(alert) for alert in done.alerts],
    }


def rows(done: Backtest, rules: RuleSet) -> Iterator[dict[str, Any]]:
    """All rules together, then each that raises alerts, the loudest first."""
    span = (done.until - done.since).total_seconds() / 86_400
    titles = {one.key: one.title for one in rules.own}
    by_rule: dict[str, list[Alert]] = {}
    for alert in done.alerts:
        by_rule.setdefault(alert.rule_id, []).append(alert)
    yield {"rule_id": None, "title": "all rules", "level": None, **summary(done.alerts, span)}
    for key, mine in sorted(by_rule.items(), key=lambda item: (-len(item[1]), item[0])):
        highest = max([alert.level for alert in mine], key=LEVELS.index)
        yield {"rule_id": key, "title": titles[key], "level": highest, **summary(mine, span)}


def summary(alerts: Sequence[Alert], span: float) -> dict[str, Any]:
    """Counts of alerts, in all and by UTC day of their first event, and whom they are about. span: in days."""
    return {
        "alerts": len(alerts),
        "per_day": round(len(alerts) / span, 1),
        "events": sum([alert.count for alert in alerts]),
        "days": dict(sorted(Counter([f"{alert.first:%F}" for alert in alerts]).items())),
        "principals": top(alerts, PRINCIPALS),
        "accounts": top(alerts, (ACCOUNT,)),
        "addresses": top(alerts, ADDRESSES),
    }


def top(alerts: Sequence[Alert], fields: Sequence[str]) -> dict[str, int]:
    """The values in most alerts, of the first of these fields that an alert has."""
    found: Counter[str] = Counter()
    for alert in alerts:
        found.update(next((alert.values[name] for name in fields if alert.values.get(name)), ()))
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:TOP])
