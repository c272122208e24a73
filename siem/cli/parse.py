"""`siem parse`: files to normalised events. Needs no store."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from siem.cli import options
from siem.cli.output import encoded, tell
from siem.cli.streams import output
from siem.errors import Denied, Gone, UsageError
from siem.intake.objects import objects
from siem.run.reading import Reading, read
from siem.run.taking import collector_off
from siem.store.contract import State

STDOUT = Path("-")


def parse(
    files: Annotated[list[str], typer.Argument(help="Log files, compressed or not, and folders of them.")],
    dataset: options.DatasetOption = None,
    key: Annotated[str | None, typer.Option("--key", help="The S3 key of the one file; else its path serves.")] = None,
    rejects: Annotated[Path | None, typer.Option("--rejects", help="Write rejected records there, as NDJSON.")] = None,
    summary: Annotated[
        Path | None, typer.Option("--summary", help="Write a line per object and dataset there.")
    ] = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
) -> None:
    """Normalised events of log files, as NDJSON."""
    settings = options.settings(store, content)
    if key is not None and len(files) > 1:
        raise UsageError("--key names the key of one file; give one file")
    for option, place in (("--rejects", rejects), ("--summary", summary)):
        if place == STDOUT:
            raise UsageError(f"{option} -: stdout has the events; name a file, or /dev/stderr")
    parsers = options.registry(settings.content)
    options.check_dataset(dataset, parsers)
    with ExitStack() as stack, collector_off():
        refused = stack.enter_context(output(rejects)) if rejects else None
        told = stack.enter_context(output(summary)) if summary else None
        for file in files:
            for source, opener in objects(file, settings.limits, key, at_hand=True):
                try:
                    with opener() as delivered:
                        reading = read(source, delivered, parsers, settings.limits, options.now(), dataset)
                        _write(reading, refused)
                        _sum_up(reading, told)
                except (Gone, Denied) as error:
                    raise UsageError(str(error)) from error


def _write(reading: Reading, refused: BinaryIO | None) -> None:
    out = sys.stdout.buffer
    for parsed in reading:
        if parsed.batch is not None:
            out.write(parsed.batch.ndjson())
        if refused is not None:
            for reject in parsed.rejects:
                row = {
                    "key": reading.source.key,
                    "dataset": parsed.dataset,
                    "ordinal": reject.ordinal,
                    "reason": reject.reason,
                    "size": reject.size,
                    "sha256": reject.sha256,
                    "raw_base64": b64encode(reject.raw).decode(),
                }
                refused.write(encoded(row) + b"\n")
    out.flush()


def _sum_up(reading: Reading, told: BinaryIO | None) -> None:
    tally = reading.tally
    if reading.state is not State.COMMITTED:
        tell(f"{reading.source.key}: {reading.state.value}: {reading.reason}")
    if told is None:
        return
    row = {
        "key": reading.source.key,
        "dataset": reading.dataset,
        "records": tally.records,
        "events": tally.events,
        "rejects": tally.rejects,
        "skipped": tally.skipped,
        "damaged": reading.state is State.DAMAGED,
        "reasons": dict(_reasons(reading)),
    }
    told.write(encoded(row) + b"\n")


def _reasons(reading: Reading) -> Iterator[tuple[str, int]]:
    """Why records were rejected, and why the object is damaged or was not read: reason and how often."""
    yield from reading.tally.reasons.items()
    if reading.reason is not None:
        yield reading.reason, 1
