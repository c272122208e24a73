"""`siem notify`: whether people hear of alerts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.cli.output import write
from siem.errors import Unavailable, UsageError
from siem.present.notify import Sort, words
from siem.run.notifying.channels import send
from siem.run.notifying.posting import Undelivered
from siem.run.team import team_calendar, team_notify
from siem.store import existing_store
from siem.store.outbox import Notice

app = typer.Typer(rich_markup_mode=None, help="Messages about alerts.", no_args_is_help=True)

COLUMNS = ("channel", "kind", "title", "created", "due", "attempts", "error", "sent")


@app.command(name="test")
def tell_a_test(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="As notify.yml names it.")],
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Send a message to a channel, now. Needs no store."""
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    folder = options.settings(None, content).content
    notify, errors = team_notify(folder, team_calendar(folder)[0])
    if notify is None:
        raise errors[0]
    if channel not in notify.channels:
        there = ", ".join(notify.channels) or "none; write notify.yml into the content folder (--content)"
        raise UsageError(f"there is no channel {channel}; there is: {there}")
    now = options.now()
    key = f"{channel}/{Sort.TEST}/{now:%Y%m%dT%H%M%SZ}"
    notice = Notice(key, channel, Sort.TEST, {"kind": Sort.TEST}, now, now, revision=1)
    try:
        ref = send(notify.channels[channel], notice, now)
    except Undelivered as failure:
        raise Unavailable(f"channel {channel}: {failure.reason}") from None
    write([{"channel": channel, "kind": notify.channels[channel].target.kind, "ref": ref}], ("channel", "kind"), form)


@app.command(name="list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Also those that were taken.")] = False,
    most: Annotated[int, typer.Option("--most", min=1, max=10_000, help="The newest of them.")] = 1_000,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Messages that are to be sent yet, or that failed, newest first."""
    with closing(existing_store(options.settings(store, content))) as kept:
        found = kept.outbox(most, unsent=not every)
    write([_row(notice) for notice in found], COLUMNS, form)


def _row(notice: Notice) -> Mapping[str, Any]:
    return asdict(notice) | {"level": notice.body.get("level"), "title": words.headline(notice.body)}
