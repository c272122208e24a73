"""`siem rules changes`: what an upgrade brought, and what of the team's own it touches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.run.content import shipped_content
from siem.run.releases import older, rules_of
from siem.run.team import team_tuning
from siem.sigma import RuleSet, Tuning
from siem.sigma.changes import Change, Team, changes

COLUMNS = ("change", "level", "title", "before", "touched_by")


def changes_command(
    since: Annotated[str, typer.Option("--from", help="A release, or a folder: an older checkout, or its detections.")],
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Shipped rules that are new, removed, or have another meaning, level or title; and which settings, filters, rules
    and correlations of the team touch them."""
    settings = options.settings(store, content)
    with older(since, shipped_content()) as folder:
        before = rules_of(folder)
        for problem in before.refused:
            tell(f"of {since}, not compared: {problem}")
        found = changes(before, rules_of(shipped_content()))
        mine = team(settings.content)
        write([_row(change, folder, list(mine.touching(change))) for change in found], COLUMNS, form)
    tell(f"{len(found)} rules changed since {since}")


def team(content: Path | None) -> Team:
    """What is the team's own; none of it without a content folder."""
    in_use = options.rules(None, content, told=False) if content else RuleSet(())
    tuning, problems = team_tuning(content)
    options.refused(problems)
    root = content.resolve() if content else None

    def own(file: str) -> bool:
        return root is not None and Path(file).resolve().is_relative_to(root)

    return Team(
        tuning or Tuning(),
        {one.key.lower(): one for one in in_use.own if own(one.file)},
        tuple([one for one in (*in_use.filters, *in_use.expired) if own(one.file)]),
        tuple([one for one in in_use.correlations if own(one.file)]),
    )


def _row(change: Change, folder: Path, touched_by: list[str]) -> dict[str, Any]:
    one = change.both[0]
    file = one.file if change.after else Path(one.file).relative_to(folder).as_posix()
    return {
        "change": list(change.kinds),
        "id": one.key,
        "title": one.title,
        "level": one.level,
        "before": dict(_before(change)),
        "file": f"{file}:{one.line}",
        "touched_by": touched_by,
    }


def _before(change: Change) -> Iterator[tuple[str, str | None]]:
    """The level and title that were others."""
    if change.before is not None and change.after is not None:
        for name in ("level", "title"):
            if name in change.kinds:
                yield name, getattr(change.before, name)
