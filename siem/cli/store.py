"""`siem store`: makes it, says what is stored, and drops what is old."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import Format, chosen, results, tell, write
from siem.errors import ConfigError
from siem.run.retention import DEFAULT, retain
from siem.store import existing_store
from siem.store.preparation import preparation

app = typer.Typer(rich_markup_mode=None, help="The store.", no_args_is_help=True)

COLUMNS = ("dataset", "objects", "records", "events", "rejects", "skipped", "duplicates", "bytes", "first", "last")
PASSES = ("started", "seconds", "objects", "events", "rules", "signals", "alerts", "errors")
LAST = 20
"""Passes that are shown."""

PREPARED = ("step", "thing", "name", "why")
DROPPED = ("dataset", "period", "events", "bytes")
COMPACTED = ("dataset", "day", "files", "into", "events", "bytes", "bytes_after")

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]


@app.command()
def init(
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    dry_run: DryRunOption = False,
    form: options.FormatOption = None,
) -> None:
    """Prepare the store for every dataset: folder, or templates and indices. A row per thing done; safe to repeat."""
    settings = options.settings(store, content)
    fields = options.sources(settings.content).fields
    done = [asdict(row) for row in preparation(settings, fields, dry_run, tell)]
    write(done, PREPARED, form)
    if conflicts := [f"{row['thing']} {row['name']}: {row['why']}" for row in done if row["step"] == "conflict"]:
        raise ConfigError("; ".join(conflicts))


@app.command()
def stats(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> None:
    """Counts per dataset, and the last passes. Always: records = events + duplicates + rejects + skipped."""
    with closing(existing_store(options.settings(store, content))) as kept:
        rows, passes = [asdict(row) for row in kept.stats()], [asdict(done) for done in kept.passes(LAST)]
    write(rows, COLUMNS, form, lambda rows: {"datasets": rows, "passes": passes})
    if passes and chosen(form) is Format.TABLE:
        short = [done | {"seconds": f"{done['seconds']:.2f}", "errors": len(done["errors"])} for done in passes]
        results().print()
        write(short, PASSES, form)


@app.command()
def compact(
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    dry_run: DryRunOption = False,
    form: options.FormatOption = None,
) -> None:
    """Make few large files of a folder's many small ones. A row per dataset and day; safe to repeat."""
    with closing(existing_store(options.settings(store, content))) as kept:
        write([asdict(day) for day in kept.compact(options.now(), dry_run)], COMPACTED, form)


@app.command(name="retain")
def retain_(
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    dry_run: DryRunOption = False,
    form: options.FormatOption = None,
) -> None:
    """Drop periods that are older than the setting `retention` keeps, whole. A row per period; safe to repeat."""
    settings = options.settings(store, content)
    fields = options.registry(settings.content).fields
    with closing(existing_store(settings, fields)) as kept:
        dropped = retain(kept, settings.retention, fields, options.now(), dry_run)
    write([asdict(period) for period in dropped], DROPPED, form)
    if not settings.retention:
        tell(f"retention: nothing is set, so everything is kept; SIEM_RETENTION='{{\"{DEFAULT}\": 365}}' keeps a year")
