"""`siem detect` and `siem hunt`: rules over what is stored, and over files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.config import Settings
from siem.detect.hunting import Hunt, Match, Record, any_json
from siem.detect.passes import Passed, Span, again, detect, hits
from siem.detect.sources import Sources
from siem.errors import ContentError, Denied, Gone, UsageError
from siem.intake.content import Delivered
from siem.intake.objects import objects
from siem.parsing import Registry
from siem.parsing.batch import text_of
from siem.run.reading import read
from siem.schema import SourceObject
from siem.sigma import Rule
from siem.store import open_store
from siem.store.contract import State

MANY = 4096
"""Lines of any JSON that are judged at a time."""

COLUMNS = ("@timestamp", "rule_title", "event_id", "rule_id")


def detect_command(
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="These rules alone, on all that they have not judged.")
    ] = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
) -> None:
    """One detection pass over new objects. With --since or --until over stored events again: what the rules match now
    replaces what they matched there."""
    settings = options.settings(store, content)
    found = options.rules(rules, settings.content)
    sources = options.sources(settings.content)
    kept = open_store(settings.store)
    try:
        if since or until:
            done = again(kept, found.rules, sources, options.moment(since), options.moment(until))
        else:
            done = detect(kept, found.rules, sources, everything=not rules, withheld=found.withheld)
    finally:
        kept.close()
    for key, reason in done.errors.items():
        tell(f"failed: {key}: {reason}")
    for key, count in done.owed.items():
        tell(f"owed: {key}: {count:,} objects are not judged yet; the next pass tries again")
    tell(line(done, len(found.rules)))


def line(done: Passed, rules: int) -> str:
    """What a pass did, in a line."""
    return (
        f"{done.objects:,} objects, {rules} rules: {done.signals:,} matches, {len(done.alerts):,} alerts new or grown"
    )


def hunt(
    rules: Annotated[list[Path], typer.Argument(help="Rule files or folders.")],
    on: Annotated[list[Path] | None, typer.Option("--on", help="Log files; without it the store is searched.")] = None,
    dataset: options.DatasetOption = None,
    engine: Annotated[str | None, typer.Option("--engine", help="python or duckdb.")] = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Events that rules match, one line per match. `--on` takes any number of files."""
    settings = options.settings(store, content)
    found = options.rules(rules, settings.content)
    failed: list[ContentError] = []
    if on:
        matches = Files(settings, options.registry(settings.content), dataset, failed).matches(
            Hunt(found.rules, options.sources(settings.content), engine or "python"), on
        )
    elif engine not in (None, "duckdb"):
        raise UsageError(f"the store is searched with duckdb, not {engine}; --engine goes with --on")
    else:
        span = Span(None, options.moment(since), options.moment(until))
        matches = stored(found.rules, options.sources(settings.content), settings, span, failed)
    write(map(row, matches), COLUMNS, form)
    if found.refused or failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Files:
    """Log files that rules run over. failed: gathers what could not be read; it is told on stderr too."""

    settings: Settings
    parsers: Registry
    dataset: str | None
    failed: list[ContentError]

    def matches(self, hunt: Hunt, places: Iterable[Path]) -> Iterator[Match]:
        for place in places:
            for source, opener in objects(str(place), self.settings.limits):
                try:
                    with opener() as content:
                        yield from (
                            self._json(hunt, place) if self.dataset == "json" else self._logs(hunt, source, content)
                        )
                except (Gone, Denied) as error:
                    raise UsageError(str(error)) from error

    def _logs(self, hunt: Hunt, source: SourceObject, content: Delivered) -> Iterator[Match]:
        reading = read(source, content, self.parsers, self.settings.limits, options.now(), self.dataset)
        for parsed in reading:
            if parsed.batch is not None:
                yield from hunt.batch(parsed.batch)
            for reject in parsed.rejects:
                self._fail(ContentError(f"record {reject.ordinal} rejected: {reject.reason}", source.key))
        if reading.state is not State.COMMITTED:
            self._fail(ContentError(f"{reading.state.value}: {reading.reason}", source.key))

    def _json(self, hunt: Hunt, place: Path) -> Iterator[Match]:
        """Lines of any JSON, plain or compressed."""
        numbered = enumerate(self._lines(place), 1)
        while chunk := list(islice(numbered, MANY)):
            yield from hunt.records(list(self._records(place, chunk)))

    def _lines(self, place: Path) -> Iterator[bytes]:
        rest = b""
        for block in Delivered(place, self.settings.limits).blocks():
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def _records(self, place: Path, lines: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        for number, line_ in lines:
            if line_.strip():
                try:
                    yield any_json(str(place), number, line_, self.settings.limits.depth)
                except ContentError as error:
                    self._fail(error)

    def _fail(self, error: ContentError) -> None:
        self.failed.append(error)
        tell(str(error))


def stored(
    rules: Iterable[Rule], sources: Sources, settings: Settings, span: Span, failed: list[ContentError]
) -> Iterator[Match]:
    """Matches among what is stored, rule by rule."""
    kept = open_store(settings.store)
    try:
        for rule in rules:
            try:
                for hit in hits(kept, rule, sources, span):
                    yield Match(rule, hit.event_id, text_of(hit.timestamp))
            except ContentError as error:
                failed.append(error)
                tell(f"failed: {rule.key}: {error}")
    finally:
        kept.close()


def row(match: Match) -> dict[str, object]:
    return {
        "rule_id": match.rule.key,
        "rule_title": match.rule.title,
        "event_id": match.event_id,
        "@timestamp": match.timestamp,
    }
