"""`siem rules except`: a filter from an alert, its event as a case, and what it would have hidden."""

from __future__ import annotations

import re
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.cli.alerts import ByOption, named, person
from siem.cli.output import tell, write
from siem.config import Settings
from siem.detect.backtest import backtest
from siem.detect.hiding import Hidden, affected, hidden, unlike
from siem.detect.sources import Sources
from siem.errors import ContentError, UsageError
from siem.parsing import Registry
from siem.parsing.batch import text_of
from siem.run.cases import cases
from siem.run.excepting import Part, Terms, exception, parts
from siem.run.scaffold import Scaffold, place, vacant
from siem.run.team import tuned_set
from siem.run.verdicts import Trial
from siem.sigma import RuleSet
from siem.sigma.files import DETECTIONS
from siem.spans import length
from siem.store import existing_store
from siem.store.contract import Alert, Store
from siem.store.handling import Action, Verb

COLUMNS = ("what", "confirmed", "level", "title", "group", "first", "count", "left", "state", "id")
FILTERS = "filters"
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NAMED = 5
"""Values of a field that hidden alerts have, and how many of each."""

MOST = 40
"""Characters of a rule's title in the name of a file."""


def except_(
    alert: Annotated[str, typer.Argument(metavar="ALERT", help="Its id, or the beginning of it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why this is fine, for whoever reads it next year.")],
    until: Annotated[str, typer.Option("--until", help="Not applied from this time on: RFC 3339 or a date (UTC).")],
    owner: Annotated[str | None, typer.Option("--owner", help="Who answers for it; who writes it if not told.")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="Beside the alert's group, these fields of its events.")
    ] = None,
    since: Annotated[str, typer.Option("--since", help="Looks from this time on at what it would hide.")] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    by: ByOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Write a filter into detections/filters of the team's content, so that events like an alert's raise none any
    more, and the event as its case. Prints the alerts that it would have hidden, confirmed ones first."""
    settings = options.settings(store, content)
    folder = filters(settings.content)
    author, now = person(by), options.now()
    terms = terms_of(options.words("--reason", reason), until, options.words("--owner", owner or author), now)
    sources = Sources.of(registry := options.registry(settings.content))
    in_use = tuned_set(options.rules(None, settings.content, told=False), settings.content)
    with closing(existing_store(settings)) as kept:
        (one,) = named(kept, [alert])
        mine = parts(kept, one, in_use, sources, field or [])
        keys = {row.object: row.key for row in kept.ledger([part.hit.object for part in mine]).values()}
        made = exception(one, mine, terms, [str(uuid.uuid4()) for _ in mine], registry, keys)
        name = slug(mine[0].rule.title, one.id)
        found = Trying(kept, settings, registry, options.time(since) or now, now).hidden(
            in_use, filtered(made, name, settings, registry), [part.rule.key for part in mine]
        )
        write([row(each) for each in found], COLUMNS, form)
        for told in outcome(found, mine, one):
            tell(told)
        if dry_run:
            for line in f"{made.rule}\n{made.cases}".splitlines():
                tell(line)
            return
        vacant(folder, name)
        text = f"{terms.reason} (until {terms.expires})"  # logged first: no exception without it
        kept.act([Action(uuid.uuid4().hex, one.id, one.rule_id, Verb.EXCEPT, author, now, text)])
        for path in place(folder, name, made):
            tell(f"written: {path}")


def filters(content: Path | None) -> Path:
    """Where a team's filters are; perhaps not there yet.

    Raises:
        UsageError: no content folder is named, or the place is outside of it.
    """
    if content is None:
        raise UsageError("rules except writes into the team's content: name its folder with --content or SIEM_CONTENT")
    folder = content / DETECTIONS / FILTERS
    if not folder.resolve().is_relative_to(content.resolve()):
        raise UsageError(f"{folder} leads out of {content}: nothing is written there")
    return folder


def terms_of(reason: str, until: str, owner: str, now: datetime) -> Terms:
    """Raises: UsageError: there is no reason, or the time is over."""
    if not reason.strip():
        raise UsageError("--reason: say why, for whoever reads it next year")
    if length(until, options.UNITS) is not None or (end := options.time(until)) is None or end <= now:
        raise UsageError(f"--until {until}: write a date to come, as 2027-03-31")
    return Terms(owner, reason, until if DATE.fullmatch(until) else text_of(end))


def slug(title: str, alert: str) -> str:
    """What the files are called: by words of the rule's title, and by the alert's id, which is a hash."""
    words = re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:MOST]
    return f"{words or 'exception'}_{alert[:8]}"


def filtered(made: Scaffold, name: str, settings: Settings, registry: Registry) -> RuleSet:
    """The rules in use with the filters of an exception. Its cases have to pass: they are what it is tried by.

    Raises:
        ContentError: the rules would be refused with it, or a case fails.
    """
    with TemporaryDirectory() as folder:
        file = place(Path(folder), name, made)[0]
        in_use = options.rules(None, settings.content, told=False, after=[file])
        sources = Sources.of(registry)
        new = tuple([one for one in in_use.filters if Path(one.file) == file])
        tried, problems = cases(replace(in_use, rules=(), correlations=(), filters=new), sources, in_use)
        trial = Trial(registry, sources)
        problems += [ContentError(f"its case fails: {why}") for case in tried if (why := trial.verdict(case).why)]
        problems += [error for error in in_use.refused if error.file == str(file)]
    if problems:
        raise ContentError(f"the exception cannot be written, write it by hand: {problems[0].message}")
    return tuned_set(in_use, settings.content)


@dataclass(frozen=True)
class Trying:
    """Filters over the stored events of a span."""

    store: Store
    settings: Settings
    registry: Registry
    since: datetime
    until: datetime

    def hidden(self, before: RuleSet, after: RuleSet, keys: Sequence[str]) -> list[Hidden]:
        """keys: of the rules that get a filter."""
        without, by_filter = [self._alerts(rules, keys) for rules in (before, after)]
        mine = {alert.rule_id for alert in [*without, *by_filter]}
        standing = [alert for alert in self.store.alerts(merged=True) if alert.rule_id in mine]
        return hidden(without, by_filter, standing, self.store.actions([alert.id for alert in standing]))

    def _alerts(self, rules: RuleSet, keys: Sequence[str]) -> list[Alert]:
        mine, reached = affected(rules, keys)
        among = options.circumstances(self.settings)
        done = backtest(self.store, mine, Sources.of(self.registry), self.since, self.until, among)
        for key, why in done.errors.items():
            tell(f"failed: {key}: {why}")
        return [alert for alert in done.alerts if alert.rule_id in reached]


def row(one: Hidden) -> dict[str, Any]:
    shown = one.standing or one.alert
    return {
        "what": one.what,
        "confirmed": one.confirmed,
        "id": shown.id,
        "rule_id": one.alert.rule_id,
        "level": one.alert.level,
        "title": one.alert.title,
        "group": one.alert.group,
        "first": one.alert.first,
        "last": one.alert.last,
        "count": one.alert.count,
        "left": one.left,
        "state": one.standing and one.standing.state,
        "disposition": one.standing and one.standing.disposition,
    }


def outcome(found: Sequence[Hidden], parts: Sequence[Part], alert: Alert) -> Iterator[str]:
    """What the filter does, in lines; loudly where it hides what people confirmed."""
    for part in parts:
        values = " and ".join([f"{field} is {' or '.join(texts)}" for field, texts in part.values.items()])
        yield f"{part.rule.title}: silent where {values}"
    if [part.rule.key for part in parts] != [alert.rule_id]:
        yield "these are the event rules below the alert's correlation: all that stands on them misses such events too"
    confirmed = sum([one.confirmed for one in found])
    if confirmed:
        yield f"CAREFUL: {confirmed} of these alerts were closed as true"
    yield from narrower(unlike(found, alert, {field for part in parts for field in part.values}))
    counts = Counter([one.what for one in found])
    yield f"{counts['gone']} alerts would be gone, {counts['shrinks']} smaller, {counts['appears']} new"


def narrower(others: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """How what is hidden differs from the alert: who steals a key is hidden with its owner, but for his address."""
    for field, values in others.items():
        shown = ", ".join([f"{value} ({alerts})" for value, alerts in islice(values.items(), NAMED)])
        more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
        yield f"unlike this alert: {field} is {shown}{more}; --field {field} does not hide these"
