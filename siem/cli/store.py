"""`siem store`: what is stored."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import typer

from siem.cli import options
from siem.cli.output import write
from siem.store import existing_store

app = typer.Typer(rich_markup_mode=None, help="The store.", no_args_is_help=True)

COLUMNS = ("dataset", "objects", "records", "events", "rejects", "skipped", "duplicates", "bytes", "first", "last")


@app.command()
def stats(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> None:
    """Counts per dataset. Always: records = events + duplicates + rejects + skipped."""
    with closing(existing_store(options.settings(store, content))) as kept:
        write([asdict(row) for row in kept.stats()], COLUMNS, form, lambda rows: {"datasets": rows})
