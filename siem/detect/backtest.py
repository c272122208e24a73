"""What rules would have raised of the stored events of a span: the alerts that passes leave there. Writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from siem.detect.alerts import WINDOW, folded
from siem.detect.circumstances import DAY, USUAL, Circumstances
from siem.detect.correlated import Group
from siem.detect.correlating import LONGEST
from siem.detect.judgement import Judgement
from siem.detect.packs import Packs, Span
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.sigma import Rule, RuleSet
from siem.store.contract import Alert, Hit, Signal, Store

MOST = 250_000
"""Signals that are held in memory: of CloudTrail 2 kB each where no two have a value in common, so half a GB."""

SILENT = "is about who sends, and no stored event says that"

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Backtest:
    """The alerts whose first event is in since <= time < until, oldest first, as they are in the end.

    errors: rules that could not be run, or matched too much, and why; nothing is said of these.
    left_out: of these correlations, how many events had no value to be grouped by.
    """

    since: datetime
    until: datetime
    alerts: list[Alert]
    errors: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


def backtest(
    store: Store,
    rules: RuleSet,
    sources: Sources,
    since: datetime,
    until: datetime,
    among: Circumstances = USUAL,
    most: int = MOST,
    back: timedelta = DAY,
) -> Backtest:
    """Run rules over the stored events of a span, as if nothing had been judged.

    Alerts depend on what came before: an episode that began earlier is cut elsewhere. So this looks back, first as far
    as `back`, then twice as far again and again, for those whose signals follow each other all the way; for new terms
    in any case. What retention dropped is gone: an episode that rests on it begins later here than it did.

    Rules of silence are about what is taken in, not about events: they are told among the errors.

    most: signals that are held; beyond that the rule or correlation with most of them is left out, and told.

    Raises:
        Unavailable: the store is away.
    """
    running = _Run(store, rules, sources, among, most)
    oldest = min([row.first for row in store.stats() if row.first is not None], default=since)
    start = earlier(since, back)
    running.look(Span(None, start, later(until, running.ahead())))
    while start > oldest and (unsettled := running.unsettled(start, since)):
        end, start = start, earlier(since, 2 * (since - start))
        running.look(Span(None, start, end), unsettled)
    return Backtest(since, until, running.alerts(since, until), running.errors, running.left_out)


class _Run:
    """Signals of every taker (see `siem.detect.passes`), as far as they have been looked for."""

    def __init__(self, store: Store, rules: RuleSet, sources: Sources, among: Circumstances, most: int) -> None:
        self._store, self._sources, self._most = store, sources, most
        self._rules = {rule.key: rule for rule in rules.rules if rule.silence is None}
        self._correlations = {one.key: one for one in rules.correlations}
        self._judgement = Judgement(rules, sources, among)
        self._packs = {dataset: Packs(fields, store.dialect) for dataset, fields in sources.fields.items()}
        self._found: dict[str, list[Signal]] = {
            taker: [] for rule in rules.rules if rule.silence is None for taker in self._judgement.takers(rule)
        }
        self._held = 0
        self.errors = {rule.key: SILENT for rule in rules.rules if rule.silence is not None}
        self.left_out = self._judgement.left_out

    def look(self, span: Span, takers: Collection[str] | None = None) -> None:
        """Add the signals of a span, of these takers (None: of all)."""
        wanted = self._found.keys() if takers is None else takers
        for dataset, packs in self._packs.items():
            rules = [
                rule
                for rule in self._sources.rules_for(dataset, self._rules.values())
                if not self._found.keys().isdisjoint(set(self._judgement.takers(rule)).intersection(wanted))
            ]
            columns = frozenset[str]().union(*[self._judgement.columns(rule, dataset) for rule in rules])
            terms: dict[str, set[Group]] = {rule.key: set() for rule in rules if rule.new_terms is not None}
            for found in packs.found(self._store, rules, span, columns, self._erred):
                for rule in found.rules:
                    self._take(rule, found.hit, wanted, terms.get(rule.key))

    def _take(self, rule: Rule, hit: Hit, wanted: Collection[str], terms: set[Group] | None) -> None:
        for signal in self._judgement.signals(rule, hit, terms):
            if signal.rule_id in wanted and signal.rule_id in self._found:
                self._found[signal.rule_id].append(signal)
                self._held += 1
        while self._held > self._most:
            self._leave_out(max(self._found, key=lambda taker: len(self._found[taker])))

    def _leave_out(self, taker: str) -> None:
        count = self._drop([taker])
        self.errors[taker] = f"matches {count:,} events and more, which is too much to hold; look at a shorter span"

    def _erred(self, rule: Rule, error: ContentError) -> None:
        self.errors[rule.key] = str(error)
        self._drop(self._judgement.takers(rule))

    def _drop(self, takers: Iterable[str]) -> int:
        dropped = sum([len(self._found.pop(taker, ())) for taker in takers])
        self._held -= dropped
        return dropped

    def ahead(self) -> timedelta:
        """How long after its first event an alert may still grow: each episode, and those below it, for a day after
        the first window in which it fires, and as long as its rule suppresses."""
        spans = [(self._spans(taker), self._suppressed(taker)) for taker in self._found]
        return max([LONGEST, *[sum([one + LONGEST for one in below], LONGEST + longer) for below, longer in spans]])

    def unsettled(self, start: datetime, since: datetime) -> set[str]:
        """The takers of which what lies before `start` may decide about alerts from `since` on. Of a rule of new terms
        all that ever was may."""
        return {
            taker
            for taker, signals in self._found.items()
            if reaches(signals, start, since, max([WINDOW, self._suppressed(taker), *self._spans(taker)]))
            or (self._is_of_new_terms(taker) and any(signal.timestamp >= since for signal in signals))
        }

    def _is_of_new_terms(self, taker: str) -> bool:
        """Whatever came before decides what is new."""
        return taker in self._rules and self._rules[taker].new_terms is not None

    def _suppressed(self, taker: str) -> timedelta:
        """For how long one alert keeps others of its rule quiet."""
        rule = self._rules.get(taker) or self._correlations[taker]
        return timedelta() if rule.suppress is None else rule.suppress.span

    def _spans(self, taker: str) -> list[timedelta]:
        """Windows of a correlation, and of those below it; how long an alert takes in what follows its first."""
        one = self._correlations.get(taker) or self._rules[taker]
        held = [one.suppress.span] if one.suppress is not None else []
        if isinstance(one, Rule):
            return held
        return [*held, one.span, *[span for key in one.rules for span in self._spans(key)]]

    def alerts(self, since: datetime, until: datetime) -> list[Alert]:
        """Those whose first event is in the span, oldest first."""
        made = [
            alert
            for taker, signals in self._found.items()
            for alert in self._judgement.settled(taker, sorted(signals, key=_by_time), ())
            if since <= alert.first < until
        ]
        return sorted(made, key=lambda alert: (alert.first, alert.id))


def reaches(signals: Iterable[Signal], start: datetime, since: datetime, gap: timedelta) -> bool:
    """Signals of a group follow each other from `start` to `since` without a longer gap.

    Behind a gap that is longer than every window nothing depends on what was before it: no window has both, no
    episode goes on.
    """
    last: dict[object, datetime | None] = {}
    for signal in sorted(signals, key=_by_time):
        group = folded(signal.group)
        before = last.get(group, start)
        if before is None:
            continue
        if signal.timestamp - before > gap:
            last[group] = None
        elif signal.timestamp >= since:
            return True
        else:
            last[group] = signal.timestamp
    return False


def earlier(time: datetime, span: timedelta) -> datetime:
    """A time before another, or the first that there is."""
    return time - span if time - FIRST > span else FIRST


def later(time: datetime, span: timedelta) -> datetime:
    """A time after another, or the last that there is."""
    return time + span if LAST - time > span else LAST


def _by_time(signal: Signal) -> tuple[datetime, str, str]:
    return signal.timestamp, signal.event_id, signal.matched
