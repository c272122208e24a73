"""`siem reparse`: stored events replaced, after a parser was mended."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import plain, progress, tell
from siem.intake.objects import objects
from siem.run.reparsing import Reparse, Reparsed, reparse
from siem.store import existing_store

TOLD = 20
"""Objects that are named of each kind."""


def command(
    places: Annotated[list[str], typer.Argument(metavar="PLACE…", help="Files, folders, s3://BUCKET[/PREFIX].")],
    dataset: Annotated[str, typer.Option("--dataset", help="Whose parser was mended.")],
    since: Annotated[str, typer.Option("--since", help="Objects with events from this time on.")],
    until: options.UntilOption = None,
    judge: Annotated[bool, typer.Option("--judge", help="Rules shall judge these events again.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
) -> None:
    """Read objects again that another version of the parser read, and replace their events. Safe to stop and repeat."""
    settings = options.settings(store, content)
    parsers = options.registry(settings.content)
    options.check_dataset(dataset, parsers)
    what = Reparse(dataset, options.time(since), options.time(until), judge)
    for place in places:
        objects(place, settings.limits)  # a place that does not exist is told before anything is read
    with closing(existing_store(settings, parsers.fields)) as kept, progress() as shown:
        task = shown.add_task("looking")
        done = reparse(
            what,
            places,
            kept,
            parsers,
            settings,
            options.now,
            dry_run,
            lambda so_far: shown.update(task, description=plain(line(so_far))),
        )
    named("not in these places", [row.key for row in done.missing])
    named("other bytes than those that were stored", [row.key for row in done.changed])
    named("could not be read", [f"{row.key}: {why}" for row, why in done.failed])
    tell(line(done, dry_run))
    if judge and done.replaced and not dry_run:
        tell("`siem detect` judges them again")


def named(what: str, objects: list[str]) -> None:
    """Objects that were left as they are."""
    for each in objects[:TOLD]:
        tell(f"{what}: {each}")
    if len(objects) > TOLD:
        tell(f"{what}: {len(objects) - TOLD:,} more")


def line(done: Reparsed, dry_run: bool = False) -> str:
    """What a run did, in a line."""
    left = len(done.missing) + len(done.changed) + len(done.failed)
    rest = f"{done.known:,} are of today's version already, {left:,} are left as they are"
    if dry_run:
        return f"{done.replaced:,} objects would be read again; {rest}"
    return f"{done.replaced:,} objects replaced: {done.events:,} events, {done.rejects:,} rejects; {rest}"
