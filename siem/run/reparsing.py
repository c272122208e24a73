"""Objects read again after a parser was mended: what they come to now takes the place of what is stored of them.

Safe to stop and to begin again: a row says which version of the parser its events came from.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from siem.config import Settings
from siem.errors import Denied, Gone
from siem.intake.objects import Opener, objects
from siem.parsing import Parser, Registry
from siem.run.reading import read
from siem.run.taking import collector_off
from siem.schema import SourceObject
from siem.store.contract import LedgerRow, Store, Writing
from siem.store.entries import WITH_EVENTS

Work = tuple[LedgerRow, Opener]

FIRST = datetime.min.replace(tzinfo=UTC)


@dataclass
class Reparsed:
    """What a run did, or with `dry_run` would do.

    known: objects of today's version. Left as they were: `missing`, which no place has; `changed`, whose bytes are
    others now; `failed`, which could not be had or read, and why.
    """

    known: int = 0
    replaced: int = 0
    events: int = 0  # stored of those, without duplicates
    rejects: int = 0
    missing: list[LedgerRow] = field(default_factory=list)
    changed: list[LedgerRow] = field(default_factory=list)
    failed: list[tuple[LedgerRow, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Reparse:
    """What is to be reparsed: objects of a dataset that have events of since <= time < until. judge: see `Store`."""

    dataset: str
    since: datetime | None = None
    until: datetime | None = None
    judge: bool = False


def reparse(
    what: Reparse,
    places: Sequence[str],
    store: Store,
    registry: Registry,
    settings: Settings,
    now: Callable[[], datetime],
    dry_run: bool = False,
    progress: Callable[[Reparsed], None] = lambda done: None,
) -> Reparsed:
    """Read the objects again whose events another version of the parser made, in the order of their commits.

    Raises:
        UsageError: a place does not exist.
        Unavailable: store or bucket are away; what was replaced stays so, and a new run goes on from there.
    """
    run = _Run(registry.parsers[what.dataset], registry, settings)
    rows = list(run.candidates(what, store))
    openers = _found(places, {(row.bucket, row.key) for row in rows}, settings)
    run.done.missing = [row for row in rows if (row.bucket, row.key) not in openers]
    work = [(row, openers[row.bucket, row.key]) for row in rows if (row.bucket, row.key) in openers]
    if dry_run:
        run.done.replaced = len(work)
        return run.done
    with collector_off():
        left = iter(work)
        while first := next(left, None):
            with store.reparsing(now(), what.judge) as writing:
                run.gather(first, left, writing)
                run.count(writing.commit())
            progress(run.done)
            gc.collect(0)
    return run.done


class _Run:
    """Objects on their way into the store again."""

    def __init__(self, parser: Parser, registry: Registry, settings: Settings) -> None:
        self._parser, self._registry, self._settings = parser, registry, settings
        self.done = Reparsed()

    def candidates(self, what: Reparse, store: Store) -> Iterator[LedgerRow]:
        """Rows of the span whose events are of another version, in the order of commits: what one object gives up, a
        later one that has it too stores."""
        for row in sorted(store.ledger().values(), key=lambda row: row.committed or FIRST):
            if row.dataset != what.dataset or row.state not in WITH_EVENTS or not _is_within(row, what):
                continue
            if row.parser_version == self._parser.version:
                self.done.known += 1
            else:
                yield row

    def gather(self, first: Work, work: Iterator[Work], writing: Writing) -> None:
        """Objects into one commit, until it is large enough."""
        batching = self._settings.batching
        events = count = 0
        item: Work | None = first
        while item is not None:
            try:
                events += self._take(*item, writing)
            except (Gone, Denied) as error:
                self.done.failed.append((item[0], str(error)))
            count += 1
            item = None if events >= batching.events or count >= batching.objects else next(work, None)

    def count(self, rows: Iterable[LedgerRow]) -> None:
        """The rows of a commit; those that were left out have their old version."""
        for row in rows:
            if row.parser_version == self._parser.version and row.state in WITH_EVENTS:
                self.done.replaced += 1
                self.done.events += row.events - row.duplicates
                self.done.rejects += row.rejects

    def _take(self, row: LedgerRow, opener: Opener, writing: Writing) -> int:
        """One object into the commit, ingested when it was; returns its events.

        Raises:
            Gone, Denied: its bytes cannot be had.
        """
        assert row.committed is not None  # noqa: S101  (it has events)
        source, parser = SourceObject(row.bucket, row.key, row.version), self._parser
        with opener() as content:
            if content.sha256 != row.sha256:
                self.done.changed.append(row)
                return 0
            reading = read(source, content, self._registry, self._settings.limits, row.committed, parser.dataset)
            for parsed in reading:
                writing.add(reading.delivery, parsed, parser.version, parser.unique_ids)
            writing.finish(reading.delivery, reading.state, reading.reason, reading.dataset)
        if reading.state not in WITH_EVENTS:
            self.done.failed.append((row, reading.reason or reading.state.value))
        return reading.tally.events


def _is_within(row: LedgerRow, what: Reparse) -> bool:
    if row.first is None or row.last is None:
        return False
    return (what.since is None or row.last >= what.since) and (what.until is None or row.first < what.until)


def _found(places: Iterable[str], wanted: set[tuple[str, str]], settings: Settings) -> dict[tuple[str, str], Opener]:
    """Where to have the wanted objects, by bucket and key."""
    own = Path(settings.store).expanduser().resolve()
    return {
        (source.bucket, source.key): opener
        for place in places
        for source, opener in objects(place, settings.limits, without=own)
        if (source.bucket, source.key) in wanted
    }
