"""Runs the cases of rules the whole way: parser, schema, rule, every engine. Says why one did not go as it should."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from siem.config import Limits
from siem.detect.correlated import Episode
from siem.detect.hunting import ENGINES, Finding, Hunt, Match
from siem.detect.silence import silences
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.intake.content import Delivered
from siem.parsing import Batch, Registry
from siem.run.cases import Case, Log, Tested
from siem.run.reading import read
from siem.schema import SourceObject
from siem.sigma import Rule, reasons
from siem.store.embedded.engine import Engine

NOW = datetime(2026, 11, 1, tzinfo=UTC)

TOLD = 3
"""Records of which is told why they went as they did."""


@dataclass(frozen=True)
class Verdict:
    """How a case went. why: empty where it went as it should."""

    case: Case
    matched: bool
    why: str = ""

    @property
    def ok(self) -> bool:
        return not self.why


@dataclass(frozen=True)
class Found:
    """What an engine found: events that the rule matches; of a correlation the events of its episodes."""

    events: tuple[tuple[str, ...], ...]
    findings: tuple[Finding, ...] = ()
    seen: tuple[Match, ...] = ()


class Trial:
    """The engines, made ready once per rule; all rules share one database."""

    def __init__(self, registry: Registry, sources: Sources) -> None:
        self._registry, self._sources = registry, sources
        self._hunts: dict[tuple[Tested, str], Hunt] = {}
        self._database = Engine()

    def verdict(self, case: Case) -> Verdict:
        """Run a case, by every engine: they have to agree."""
        if isinstance(case.rule, Rule) and case.now is not None:
            return self._of_silence(case, case.rule, case.now)
        try:
            batches = [batch for place, log in enumerate(case.logs) for batch in self._batches(case, place, log)]
        except ContentError as error:
            return Verdict(case, False, error.message)
        found = {engine: self._found(case, engine, batches) for engine in ENGINES}
        first = found[ENGINES[0]]
        matched = bool(first.events)
        if len({one.events for one in found.values()}) > 1:
            told = {engine: one.events for engine, one in found.items()}
            return Verdict(case, matched, f"the engines disagree: {told}")
        if matched == case.match:
            return Verdict(case, matched)
        said = "must match and does not" if case.match else "must not match and does"
        return Verdict(case, matched, "; ".join([said, *self._reasons(case, first, batches)]))

    def _of_silence(self, case: Case, rule: Rule, now: datetime) -> Verdict:
        found = list(silences([rule], self._sources, case.sent, now))
        told = "; ".join([f"{', '.join(one.group.values())} is silent since {one.timestamp:%FT%TZ}" for one in found])
        if bool(found) == case.match:
            return Verdict(case, bool(found))
        why = "must match and nobody is silent" if case.match else f"must not match and does: {told}"
        return Verdict(case, bool(found), why)

    def _batches(self, case: Case, place: int, log: Log) -> list[Batch]:
        """The events of a log.

        Raises:
            ContentError: it comes to none, or holds a record that is rejected.
        """
        source = SourceObject("cases", log.key or f"{case.rule.key}/{case.name}/{place}")
        reading = read(source, Delivered(raw(log.content), Limits()), self._registry, Limits(), NOW, log.dataset)
        batches, rejected = [], []
        for parsed in reading:
            batches += [parsed.batch] if parsed.batch is not None else []
            rejected += [reject.reason for reject in parsed.rejects]
        if rejected or not batches:
            told = "; ".join(rejected) or reading.reason or "it is empty"
            raise ContentError(f"the log came to no event: {told}")
        return batches

    def _found(self, case: Case, engine: str, batches: Sequence[Batch]) -> Found:
        hunt = self._hunt(case, engine)
        seen = tuple([match for batch in batches for match in hunt.batch(batch)])
        concluded = list(hunt.concluded(seen))
        if isinstance(case.rule, Rule):
            ids = {one.event_id for one in concluded if isinstance(one, Match)}
            return Found(tuple([(id_,) for id_ in sorted(ids)]), seen=seen)
        findings = [one for one in concluded if isinstance(one, Finding) and one.key == case.rule.key]
        episodes = sorted([tuple(sorted(episode.events)) for one in findings for episode in one.episodes])
        return Found(tuple(episodes), tuple(findings), seen)

    def _hunt(self, case: Case, engine: str) -> Hunt:
        if (case.rule, engine) not in self._hunts:  # the rule itself: with other filters it is another
            self._hunts[case.rule, engine] = Hunt(case.rules, self._sources, engine, self._database)
        return self._hunts[case.rule, engine]

    def _reasons(self, case: Case, found: Found, batches: Sequence[Batch]) -> Iterator[str]:
        if isinstance(case.rule, Rule):
            if case.rule.new_terms is not None and found.seen and not found.events:
                yield f"{len(found.seen)} records match, and none has a value that is new after its group has learnt"
                return
            matching = {event for events in found.events for event in events}
            yield from self._of_records(case.rule, batches, matching or None)
            return
        for one in found.findings:
            yield from map(_episode, one.episodes[:TOLD])
            if one.left_out:
                yield f"{one.left_out} events without the values that it groups or counts by are left out"
        if not found.events:
            yield from self._of_parts(case, found, batches)

    def _of_parts(self, case: Case, found: Found, batches: Sequence[Batch]) -> Iterator[str]:
        """How many events each rule of a correlation matches; of one that matches none, why."""
        counts = Counter(match.rule.key for match in found.seen)
        for rule in case.rules.rules:
            yield f"{rule.title} matches {counts[rule.key]} events"
            if not counts[rule.key]:
                yield from self._of_records(rule, batches, None)

    def _of_records(self, rule: Rule, batches: Sequence[Batch], matching: set[str] | None) -> Iterator[str]:
        """Why records went as they did: the first of `matching`, or of all where that is None."""
        told = [
            (row + 1, self._sources.fields_of(batch.dataset), document)
            for batch in batches
            if self._sources.rules_for(batch.dataset, [rule])
            for documents in [batch.documents()]
            for row in range(len(batch))
            for document in [documents[row]]
            if matching is None or document["event.id"] in matching
        ]
        if not told:
            yield "no log is of a dataset that answers its log source"
        several = sum(len(batch) for batch in batches) > 1
        for number, fields, document in told[:TOLD]:
            yield from [f"record {number}: {one}" if several else one for one in reasons(rule, fields, document)]
        if len(told) > TOLD:
            yield f"and {len(told) - TOLD} more records"


def _episode(episode: Episode) -> str:
    group = ", ".join([f"{name}={value}" for name, value in episode.group.items()]) or "of all"
    return f"an episode {group} of {episode.count} events from {episode.first:%FT%TZ} to {episode.last:%FT%TZ}"


def raw(log: Any) -> bytes:
    """The bytes of an object as the source would deliver them: records in their document, or text as it is.

    Raises:
        ContentError: the log is nothing that JSON can say.
    """
    try:
        if isinstance(log, str):
            return log.encode()
        records = log if isinstance(log, list) else [log]
        return json.dumps({"Records": records}, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, RecursionError, UnicodeEncodeError) as error:
        raise ContentError(f"the log cannot be written as JSON: {error}") from error
