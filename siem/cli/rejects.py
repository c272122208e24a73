"""`siem rejects`: records that could not become events, and another try at them."""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.run.replay import replay
from siem.store import existing_store
from siem.store.contract import StoredReject

app = typer.Typer(rich_markup_mode=None, help="Records that could not become events.", no_args_is_help=True)

COLUMNS = ("dataset", "key", "ordinal", "size", "reason")


@app.command(name="list")
def list_(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> None:
    """Every reject, with its reason and its bytes."""
    with closing(existing_store(options.settings(store, content))) as kept:
        write(map(row, kept.rejects()), COLUMNS, form)


def row(stored: StoredReject) -> dict[str, object]:
    return {
        "dataset": stored.dataset,
        "bucket": stored.bucket,
        "key": stored.key,
        "object": stored.object,
        "ordinal": stored.reject.ordinal,
        "reason": stored.reject.reason,
        "size": stored.reject.size,
        "sha256": stored.reject.sha256,
        "parser_version": stored.parser_version,
        "raw_base64": b64encode(stored.reject.raw).decode(),
    }


@app.command(name="replay")
def replay_(store: options.StoreOption = None, content: options.ContentOption = None) -> None:
    """Parse every reject again with the parsers of today; what becomes an event moves in the counts."""
    settings = options.settings(store, content)
    parsers = options.registry(settings.content)
    with closing(existing_store(settings, parsers.fields)) as kept:
        done = replay(kept, parsers, settings.limits, options.now)
    told = f"{done.tried:,} rejects parsed again: {done.events:,} are events now, {done.left:,} are left"
    tell(f"{told}, {done.known:,} were stored already" if done.known else told)
