"""`siem ingest`: files, folders and buckets into the store."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import plain, progress, tell
from siem.intake.objects import objects
from siem.run.ingest import Ingested, ingest
from siem.store import open_store

CHANGED_TOLD = 20
"""Objects with other bytes than before that are named."""


def command(
    places: Annotated[list[str], typer.Argument(metavar="PLACE…", help="Files, folders, s3://BUCKET[/PREFIX].")],
    store: options.StoreOption = None,
    content: options.ContentOption = None,
) -> None:
    """Take logs into the store. Safe to repeat; after a stop it goes on where it was."""
    settings = options.settings(store, content)
    parsers = options.registry(settings.content)
    for place in places:
        objects(place, settings.limits)  # a place that does not exist is told before a store is made
    with closing(open_store(settings, parsers.fields)) as kept, progress() as shown:
        task = shown.add_task("reading")
        done = ingest(
            places,
            kept,
            parsers,
            settings,
            options.now,
            lambda so_far: shown.update(task, description=plain(line(so_far))),
        )
    for place in done.empty:
        tell(f"no objects in {place}")
    for source in done.changed[:CHANGED_TOLD]:
        tell(f"changed: {source}: other bytes than the ledger knows under this key; taken in as {source.version}")
    if len(done.changed) > CHANGED_TOLD:
        tell(f"changed: {len(done.changed) - CHANGED_TOLD:,} more")
    if done.objects or done.known or not done.empty:
        tell(line(done))


def line(done: Ingested) -> str:
    """What a run did, in a line."""
    if not done.objects:
        return f"nothing new: {done.known:,} objects were in the store already"
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(done.states.items()))
    events = ", ".join(f"{count:,} {dataset}" for dataset, count in sorted(done.events.items())) or "none"
    text = f"{done.objects:,} objects ({states}), {done.known:,} known before; new events: {events}"
    return f"{text}; {done.rejects:,} rejects, {done.duplicates:,} duplicates"
