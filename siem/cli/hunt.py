"""`siem hunt`: rules over files, and over what is stored. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.config import Settings
from siem.detect.correlated import Correlated, Episode
from siem.detect.hunting import NODE, Finding, Hunt, Match, Matches, Record, any_json, concluded
from siem.detect.packs import Span
from siem.detect.passes import hits
from siem.detect.sources import Sources
from siem.errors import ContentError, Damaged, Denied, Gone, UsageError
from siem.intake.content import Delivered
from siem.intake.objects import objects
from siem.parsing import Registry
from siem.parsing.lines import Oversized, framed, too_long
from siem.run.reading import read
from siem.schema import Dialect, SourceObject
from siem.sigma import Rule, RuleSet
from siem.store import evaluating, existing_store, is_cluster
from siem.store.contract import State

MANY = 4096
"""Lines of any JSON that are judged at a time."""

ANY = "json"
"""`--dataset` for lines of any JSON."""

COLUMNS = ("@timestamp", "rule_title", "event_id", "group", "events", "rule_id")


def hunt(
    rules: Annotated[list[Path], typer.Argument(help="Rule files or folders.")],
    on: Annotated[list[str] | None, typer.Option("--on", help="Log files; without it the store is searched.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Of which dataset the files are, or json; in the store: only this.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option("--engine", help="Who evaluates: python, duckdb; opensearch, on the store's cluster.")
    ] = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Events that rules match, one line per match. `--on` takes any number of files."""
    settings = options.settings(store, content)
    span = Span(None, options.time(since), options.time(until))
    parsers = options.registry(settings.content)
    if not (on and dataset == ANY):
        options.check_dataset(dataset, parsers)
    found = options.rules(rules, settings.content)
    sources = Sources.of(parsers)
    failed: list[ContentError] = []
    with ExitStack() as held:
        if on:
            node = held.enter_context(evaluating(settings)) if engine == NODE else None
            judging = Hunt(found, sources, engine or "python", node=node)
            matches = judging.concluded(within(span, Files(settings, parsers, dataset, failed).matches(judging, on)))
        elif engine not in (None, own := searched_with(settings)):
            raise UsageError(f"the store is searched with {own}, not {engine}; --engine goes with --on")
        else:
            correlated = Correlated(found.correlations, found.silent)
            matches = concluded(
                stored(found, correlated, only(dataset, sources), settings, span, failed), found, correlated
            )
        write(rows(matches), COLUMNS, form)
    if found.refused or failed:
        raise typer.Exit(1)


def only(dataset: str | None, sources: Sources) -> Sources:
    """Nothing but this dataset; all where none is named."""
    return replace(sources, fields={dataset: sources.fields[dataset]}) if dataset else sources


def within(span: Span, matches: Iterator[Match]) -> Iterator[Match]:
    """Matches of events of the span; those without a time are in none."""
    if span.since is None and span.until is None:
        return matches
    return (match for match in matches if _is_in(span, match.timestamp))


def _is_in(span: Span, timestamp: str | None) -> bool:
    try:
        time = options.in_utc(datetime.fromisoformat(timestamp or ""))
    except ValueError:
        return False
    return (span.since is None or span.since <= time) and (span.until is None or time < span.until)


@dataclass(frozen=True)
class Files:
    """Log files that rules run over. failed: gathers what could not be read; it is told on stderr too."""

    settings: Settings
    parsers: Registry
    dataset: str | None
    failed: list[ContentError]

    def matches(self, hunt: Hunt, places: Iterable[str]) -> Iterator[Match]:
        for place in places:
            for source, opener in objects(place, self.settings.limits, at_hand=True):
                try:
                    with opener() as content:
                        if self.dataset == ANY:
                            yield from self._json(hunt, source.key, content)
                        else:
                            yield from self._logs(hunt, source, content)
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

    def _json(self, hunt: Hunt, file: str, content: Delivered) -> Iterator[Match]:
        """Lines of any JSON, plain or compressed."""
        numbered = self._lines(file, content)
        while chunk := list(islice(numbered, MANY)):
            yield from hunt.records(list(self._records(file, chunk)))

    def _lines(self, file: str, content: Delivered) -> Iterator[tuple[int, bytes]]:
        """The lines with their numbers, of a damaged file those that are whole."""
        number, longest = 0, self.settings.limits.record_bytes
        try:
            for frame in framed(content.blocks(), longest):
                if isinstance(frame, bytes):
                    for line in frame.removesuffix(b"\n").split(b"\n"):
                        number += 1
                        yield number, line
                elif isinstance(frame, Oversized):
                    number += 1
                    self._fail(ContentError(too_long(longest), file, number))
        except Damaged as damage:
            self._fail(ContentError(f"{State.DAMAGED.value}: {damage}", file))

    def _records(self, file: str, lines: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        for number, line_ in lines:
            if line_.strip():
                try:
                    yield any_json(file, number, line_, self.settings.limits.depth)
                except ContentError as error:
                    self._fail(error)

    def _fail(self, error: ContentError) -> None:
        self.failed.append(error)
        tell(str(error))


def stored(
    rules: RuleSet,
    correlated: Correlated,
    sources: Sources,
    settings: Settings,
    span: Span,
    failed: list[ContentError],
) -> Iterator[Match]:
    """Matches among what is stored, dataset by dataset, in order of time."""

    def erred(rule: Rule, error: ContentError) -> None:
        failed.append(error)
        tell(f"failed: {rule.key}: {error}")

    make = {dataset: Matches(correlated, sources.fields_of(dataset)) for dataset in sources.fields}
    columns = {dataset: matches.columns(rules.rules) for dataset, matches in make.items()}
    with closing(existing_store(settings)) as kept:
        for found in hits(kept, rules.rules, sources, span, columns, erred):
            for rule in found.rules:
                yield make[found.hit.dataset](rule, found.hit.document or {})


def searched_with(settings: Settings) -> Dialect:
    return Dialect.OPENSEARCH if is_cluster(settings.store) else Dialect.DUCKDB


def rows(found: Iterable[Match | Finding]) -> Iterator[dict[str, object]]:
    """A row per match, and per episode of a correlation."""
    for one in found:
        if isinstance(one, Match):
            yield _matched(one)
            continue
        if one.untimed:
            tell(f"{one.key}: {one.untimed} events without a time that can be read are left out")
        if one.left_out:
            tell(f"{one.key}: {one.left_out} events without the values that it groups or counts by are left out")
        yield from map(_episode, one.episodes)


def _matched(match: Match) -> dict[str, object]:
    return {
        "rule_id": match.rule.key,
        "rule_title": match.rule.title,
        "event_id": match.event_id,
        "@timestamp": match.timestamp,
    }


def _episode(episode: Episode) -> dict[str, object]:
    return {
        "rule_id": episode.rule.key,
        "rule_title": episode.rule.title,
        "group": episode.group,
        "events": episode.events,
        "count": episode.count,
        "first": episode.first,
        "last": episode.last,
    }
