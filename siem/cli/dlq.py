"""`siem dlq`: messages that came to nothing, and another try at them."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.config import Settings
from siem.errors import ConfigError, UsageError
from siem.store import existing_store
from siem.store.contract import Store

app = typer.Typer(rich_markup_mode=None, help="Messages that came to nothing.", no_args_is_help=True)

COLUMNS = ("id", "sent", "received", "objects", "reasons")

QueueOption = Annotated[
    str | None, typer.Option("--queue", metavar="URL", help="The queue itself; its dead-letter queue is found by it.")
]


@app.command(name="list")
def list_(
    queue: QueueOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Every dead letter, the objects that it names, and why it came to nothing, from the message and the ledger."""
    settings = options.settings(store, content)
    from siem.run.dead_letters import dead_letters_of, listed  # boto3 takes 0.25 s to import

    dead = dead_letters_of(of(queue, settings))
    with ledger(settings) as kept:
        write((asdict(letter) for letter in listed(dead, settings, kept)), COLUMNS, form)


@app.command()
def redrive(
    queue: QueueOption = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only this message; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Send dead letters back to their queue, when what was wrong is mended. A row for each."""
    settings = options.settings(None, content)
    from siem.aws import Queue
    from siem.run.dead_letters import dead_letters_of, redriven

    url = of(queue, settings)
    moved = redriven(dead_letters_of(url), Queue(url), ids or (), dry_run)
    write([{"id": id_} for id_ in moved], ("id",), form)
    tell(f"{len(moved):,} messages {'would go' if dry_run else 'went'} back to {url}")


def of(queue: str | None, settings: Settings) -> str:
    """The queue that is meant.

    Raises:
        UsageError: it is not clear which.
    """
    if queue is not None:
        return queue
    if len(settings.queues) != 1:
        raise UsageError("which queue? give --queue URL")
    return settings.queues[0]


def ledger(settings: Settings) -> AbstractContextManager[Store | None]:
    """The store, if there is one: without it the messages alone have to say what is wrong."""
    try:
        return closing(existing_store(settings))
    except ConfigError:
        return nullcontext()
