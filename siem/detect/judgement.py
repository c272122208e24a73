"""Hits to signals, and signals to the alerts that shall stand: of rules by themselves, and of correlations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from siem.detect.alerts import (
    correlation_alerts,
    folded,
    group_of,
    new_term_alerts,
    rule_alerts,
    shown,
    silence_alerts,
    succeeded,
)
from siem.detect.circumstances import USUAL, Circumstances
from siem.detect.correlated import Correlated, Group, Seen, combinations
from siem.detect.correlating import Correlator
from siem.detect.sources import Sources
from siem.sigma import Correlation, NewTerms, Reader, Rule, RuleSet, fields_read
from siem.store.contract import Alert, Hit, Signal

INGESTED = "event.ingested"


class Judgement:
    """What a rule set makes of hits. left_out: of correlations and rules of new terms, events that had no value
    to be grouped by."""

    def __init__(self, rules: RuleSet, sources: Sources, among: Circumstances = USUAL) -> None:
        self._among = among
        self._rules = {rule.key: rule for rule in rules.rules}
        self._silent = rules.silent
        self._correlated = Correlated(rules.correlations, rules.silent)
        self._correlations = {one.key: one for one in self._correlated.alerting}
        self._readers = {dataset: Reader(fields) for dataset, fields in sources.fields.items()}
        self._correlator = Correlator()
        self._fields: dict[tuple[str, str], frozenset[str]] = {}
        self.left_out: Counter[str] = Counter()

    def takers(self, rule: Rule) -> tuple[str, ...]:
        """Keys of what a rule's hits become signals of: itself, unless it is silent, and correlations."""
        own = () if rule.key in self._silent else (rule.key,)
        return (*own, *[one.key for one in self._correlated.over(rule.key)])

    def columns(self, rule: Rule, dataset: str) -> frozenset[str]:
        """The columns of a document that its signals are made of."""
        return fields_read(self._wanted(rule, dataset), self._readers[dataset].fields) | {INGESTED}

    def signals(self, rule: Rule, hit: Hit, before: set[Group] | None = None) -> Iterator[Signal]:
        """The signals of a hit: one for the rule itself, one for each group of each correlation that stands on it.

        before: of a rule of new terms, the terms of earlier hits, to which those of this one are added: no signals are
        made of them again.
        """
        if rule.new_terms is not None:
            yield from self._terms(rule, rule.new_terms, hit, set() if before is None else before)
            return
        values = self._values(rule, hit)
        old = is_old(hit, self._among.live_window)
        if rule.key not in self._silent:
            yield self._signal(rule, hit, group_of(rule, values), values, old)
        seen = Seen(rule.key, hit.event_id, hit.timestamp, values)
        for one in self._correlated.over(rule.key):
            groups = self._correlated.about(one, seen)
            self.left_out[one.key] += not groups
            for group in groups:
                yield self._signal(one, hit, group, values, old, rule.key)

    def _terms(self, rule: Rule, terms: NewTerms, hit: Hit, before: set[Group]) -> Iterator[Signal]:
        """A signal for each term that is not among those before."""
        read, document = self._readers[hit.dataset], hit.document or {}
        texts = [read.texts(name, document) for name in terms.names]
        self.left_out[rule.key] += all(texts[len(terms.by) :]) and not all(texts)
        found = {folded: written for folded, written in combinations(texts).items() if folded not in before}
        if not found:
            return
        before.update(found)
        values, old = self._values(rule, hit), is_old(hit, self._among.live_window)
        for written in found.values():
            group = dict(zip(terms.names, written, strict=True))
            within = {name: group[name] for name in terms.by}
            yield replace(self._signal(rule, hit, group, values, old), within=within)

    def _values(self, rule: Rule, hit: Hit) -> dict[str, Sequence[str]]:
        read, document = self._readers[hit.dataset], hit.document or {}
        return {name: texts for name in self._wanted(rule, hit.dataset) if (texts := read.texts(name, document))}

    def _wanted(self, rule: Rule, dataset: str) -> frozenset[str]:
        """The fields whose values its signals have."""
        if (rule.key, dataset) not in self._fields:
            takers: list[Rule | Correlation] = [*self._correlated.over(rule.key)]
            takers += [rule] if rule.key not in self._silent else []
            known = self._readers[dataset].fields.names
            parts = [shown(taker, known) for taker in takers]
            self._fields[rule.key, dataset] = self._correlated.wanted(rule.key).union(*parts)
        return self._fields[rule.key, dataset]

    def _signal(
        self,
        taker: Rule | Correlation,
        hit: Hit,
        group: dict[str, str],
        values: Mapping[str, Sequence[str]],
        old: bool,
        matched: str = "",
    ) -> Signal:
        place = (hit.event_id, hit.timestamp, hit.object, hit.dataset)
        return Signal(taker.key, *place, taker.fingerprint, group, matched, values, old)

    def made(self, key: str, signals: Sequence[Signal]) -> bool:
        """The rule, as it is now, made all of these signals."""
        rule = self._rules.get(key) or self._correlations.get(key)
        return rule is not None and all(signal.fingerprint == rule.fingerprint for signal in signals)

    def settle(self, key: str, signals: Sequence[Signal], standing: Sequence[Alert]) -> list[Alert] | None:
        """See `siem.store.contract.Settle`."""
        known = key in self._rules or key in self._correlations
        return self.settled(key, signals, standing) if known else None

    def settled(self, key: str, signals: Sequence[Signal], standing: Sequence[Alert]) -> list[Alert]:
        """The same of a rule that is known."""
        if (rule := self._rules.get(key)) is not None and rule.new_terms is not None:
            return succeeded(new_term_alerts(rule, rule.new_terms.learning, signals, self._among), standing)
        if rule is not None and rule.silence is not None:
            return succeeded(silence_alerts(rule, rule.silence.span, signals, self._among), standing)
        if rule is not None:
            return succeeded(rule_alerts(rule, signals, self._among), standing)
        seen = {(one.matched, one.event_id, one.timestamp): one for one in signals}
        outcome = self._correlated.outcome(
            self._correlations[key],
            [Seen(one.matched, one.event_id, one.timestamp, one.values) for one in seen.values()],
            self._correlator,
        )
        asked = {folded(one.group) for one in signals}  # an event can be in groups that nobody asked for
        wanted = [episode for episode in outcome.episodes if folded(episode.group) in asked]
        return succeeded(correlation_alerts(wanted, signals, self._among), standing)


def is_old(hit: Hit, live_window: timedelta) -> bool:
    """The event was older than this when the write of its object began."""
    ingested = (hit.document or {}).get(INGESTED)
    return ingested is not None and datetime.fromisoformat(ingested) - hit.timestamp > live_window
