"""`siem alerts`: what rules came to."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict

import typer

from siem.cli import options
from siem.cli.output import write
from siem.store import existing_store

app = typer.Typer(rich_markup_mode=None, help="Alerts.", no_args_is_help=True)

COLUMNS = ("level", "title", "group", "first", "last", "count", "state", "id")


@app.command(name="list")
def list_(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> None:
    """All alerts, newest first."""
    with closing(existing_store(options.settings(store, content))) as kept:
        write([asdict(alert) for alert in kept.alerts()], COLUMNS, form)
