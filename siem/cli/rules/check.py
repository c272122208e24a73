"""`siem rules check`: what is wrong with rules and a team's settings, and what is perhaps not meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.errors import ContentError
from siem.run.content import shipped_content
from siem.run.team import (
    strangers,
    team_accounts,
    team_calendar,
    team_links,
    team_notify,
    team_tuning,
    unknown_channels,
)
from siem.sigma import Doubting, Filter, lapsing, tuned
from siem.sigma.files import DETECTIONS


def check(
    paths: options.RulesArgument = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Every error of every rule, and of settings.yml, accounts.yml and calendar.yml, with file and line; and what is
    perhaps not meant. Exit code 1 where there is an error."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content, told=False)
    sources = options.sources(settings.content)
    doubting = Doubting(found, sources.fields, sources.logsources, options.lists(settings.content))
    errors = list(found.refused)
    warnings = [*doubting.all(), *lapsing(found, options.now(), is_own)]
    for folder in teams(paths, settings.content):
        wrong, doubted = team(folder)
        errors += wrong
        warnings += doubted
    warnings.sort(key=lambda one: (one.file or "", one.line or 0))
    rows = [
        {
            "severity": severity,
            "place": f"{one.file}:{one.line}" if one.line else one.file,
            "file": one.file,
            "line": one.line,
            "problem": one.message,
        }
        for severity, told in (("error", errors), ("warning", warnings))
        for one in told
    ]
    write(rows, ("severity", "place", "problem"), form)
    tell(f"{len(found.own)} rules are good, {len(errors)} refused")
    if errors:
        raise typer.Exit(1)


def is_own(one: Filter) -> bool:
    """The filter is not shipped."""
    return not Path(one.file).resolve().is_relative_to(shipped_content().resolve())


def teams(paths: list[Path] | None, content: Path | None) -> Iterator[Path]:
    """The content folders that are looked at: the team's, and those among the paths."""
    folders = [*([content] if content else []), *[path for path in paths or [] if (path / DETECTIONS).is_dir()]]
    yield from {folder.resolve(): folder for folder in reversed(folders)}.values()


def team(folder: Path) -> tuple[list[ContentError], list[ContentError]]:
    """What is wrong with what a team keeps beside its rules, and what is perhaps not meant."""
    accounts, errors = team_accounts(folder)
    calendar, undated = team_calendar(folder)
    notify, untold = team_notify(folder, calendar)
    tuning, unset = team_tuning(folder)
    errors += [*undated, *untold, *team_links(folder)[1], *unset]
    if tuning is None or not (tuning.file or (notify and notify.channels)):
        return errors, []
    in_use = replace(options.rules(None, folder, told=False), refused=(), doubts=())
    made = tuned(in_use, tuning)
    errors = sorted([*errors, *made.refused], key=lambda one: (one.file or "", one.line or 0))
    return errors, [*made.doubts, *strangers(tuning, accounts), *(unknown_channels(made, notify) if notify else ())]
