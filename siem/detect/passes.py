"""Detection over the store: objects that a rule has not judged yet, rules over them, signals, alerts.

Every rule has a mark for each dataset: the turn up to which it has judged the objects. So rules that are run apart,
refused for a while, or added later take nothing from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from siem.detect.judgement import Judgement
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.sigma import Rule, RuleSet, compiled, query
from siem.store.contract import Again, Hit, Judged, Signal, Store

TOGETHER = 200
"""Objects that are judged and marked at a time."""

MOST_ERRORS = 16
"""How often a rule may err in a pass on objects that it owes; more than halving 200 objects down to one takes."""

ALL = ""
"""In place of a rule's key: the mark of passes of all rules that are in use."""


@dataclass
class Passed:
    """What a pass did. errors: rules that could not be run, and why; they disturb no other rule.

    owed: of these rules, how many objects those that erred have yet to judge; later passes try again.
    """

    objects: int = 0
    signals: int = 0
    alerts: set[str] = field(default_factory=set)  # ids that are new or grew
    errors: dict[str, str] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Span:
    """Which events: of these objects (None: all), since <= time < until."""

    objects: Sequence[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


def _silent(done: Passed) -> None:
    """Nobody listens."""


def detect(
    store: Store,
    rules: RuleSet,
    sources: Sources,
    progress: Callable[[Passed], None] = _silent,
    everything: bool = False,
) -> Passed:
    """Judge what each rule has not judged yet. A crash anywhere is harmless: a new pass does it again.

    everything: these are all rules that are in use. A rule that the store does not know begins where the last such pass
    ended (else with all that is stored), and so will those withheld, refused now, whenever they are corrected.

    Raises:
        Unavailable: the store is away; what was marked stays so.
    """
    running = _Pass(store, rules, sources)
    for dataset in sources.fields:
        running.pay(dataset)
        for _ in running.advance(dataset, everything):
            progress(running.done)
        running.count(dataset)
    return running.done


def again(store: Store, rules: RuleSet, sources: Sources, since: datetime | None, until: datetime | None) -> Passed:
    """Judge stored events of a span again, whatever was marked; what a rule finds now replaces what it had found there.

    Raises:
        Unavailable: the store is away; the rules that were done stay so.
    """
    running = _Pass(store, rules, sources)
    running.again(Span(None, since, until))
    return running.done


def hits(store: Store, rule: Rule, sources: Sources, span: Span) -> Iterator[Hit]:
    """The stored events that a rule matches, with their documents, dataset by dataset, in order of time."""
    for dataset in sources.fields:
        if sources.rules_for(dataset, [rule]):
            yield from _hits_in(dataset, store, rule, sources, span)


def _hits_in(dataset: str, store: Store, rule: Rule, sources: Sources, span: Span) -> Iterator[Hit]:
    asked, judge = query(rule.tree, sources.fields[dataset]), compiled(rule.tree, sources.fields[dataset])
    for hit in store.search(asked, span.objects, span.since, span.until, documents=True):
        if hit.document is not None and (asked.exact or judge(hit.document)):
            yield hit


class _Pass:
    """Rules on their way through the store.

    A *taker* is what an event rule's hits become signals of: the rule itself, unless only correlations look at it, and
    every correlation that stands on it and alerts. Each taker has marks of its own.
    """

    def __init__(self, store: Store, rules: RuleSet, sources: Sources) -> None:
        self._store, self._sources, self._withheld = store, sources, rules.withheld
        self._rules = {rule.key: rule for rule in rules.rules}
        self._judgement = Judgement(rules, sources)
        self.done = Passed()

    def advance(self, dataset: str, everything: bool) -> Iterator[None]:
        """Judge the dataset's objects from the marks on; stops after every part that is marked."""
        takers = {rule.key: self._judgement.takers(rule) for rule in self._of(dataset)}
        marks = self._store.marks(dataset)
        start = marks.get(ALL, 0) if everything else 0
        known = {key for rule, keys in takers.items() for key in (rule, *keys)} | ({ALL} if everything else set())
        at = {key: marks.get(key, start) for key in known}
        stay = {(key, dataset): start for key in self._withheld if everything and key not in marks}
        while at and (objects := self._store.pending(dataset, min(at.values()), TOGETHER)):
            signals: list[Signal] = []
            owed: list[tuple[str, str]] = []
            for key, keys in takers.items():
                behind = {taker: {of.object for of in objects if of.turn > at[taker]} for taker in keys}
                mine = [of.object for of in objects if any(of.object in missed for missed in behind.values())]
                found = self._judged_in(dataset, self._rules[key], mine) if mine else []
                signals += [signal for signal in found or [] if signal.object in behind[signal.rule_id]]
                owed += [(key, object_) for object_ in mine if found is None]
            at = {key: max(turn, objects[-1].turn) for key, turn in at.items()}
            reached = {(key, dataset): turn for key, turn in at.items()}
            self._mark(Judged(signals, marks=stay | reached, owed=owed))
            self.done.objects += len(objects)
            yield

    def pay(self, dataset: str) -> None:
        """Try again what rules owe. Where one errs on many objects they are halved: those without fault get judged."""
        owed = self._store.owed(dataset)
        for rule in self._of(dataset):
            mine = owed.get(rule.key, [])
            parts = [mine[start : start + TOGETHER] for start in range(0, len(mine), TOGETHER)]
            errors = 0
            while parts and errors < MOST_ERRORS:
                part = parts.pop(0)
                found = self._judged_in(dataset, rule, part)
                if found is not None:
                    self._mark(Judged(found, paid=[(rule.key, object_) for object_ in part]))
                    continue
                errors += 1
                half = len(part) // 2
                parts += [part[:half], part[half:]] if half else []

    def count(self, dataset: str) -> None:
        """Note what is owed in the end."""
        owed = self._store.owed(dataset)
        for rule in self._of(dataset):
            if rule.key in owed:
                self.done.owed[rule.key] = self.done.owed.get(rule.key, 0) + len(owed[rule.key])

    def again(self, span: Span) -> None:
        """Judge a span again, taker by taker; a correlation only where none of its rules erred."""
        turn = self._store.turn()
        found: dict[str, list[Signal]] = {}
        erred: set[str] = set()
        for rule in self._rules.values():
            takers = self._judgement.takers(rule)
            signals = self._judged(rule, hits(self._store, rule, self._sources, span))
            erred.update(takers if signals is None else ())
            for taker in takers:
                found.setdefault(taker, []).extend([one for one in signals or [] if one.rule_id == taker])
        for taker, signals in found.items():
            if taker not in erred:
                of = Again(taker, tuple(self._sources.fields), span.since, span.until, turn)
                self._mark(Judged(signals, again=of))

    def _of(self, dataset: str) -> list[Rule]:
        return self._sources.rules_for(dataset, self._rules.values())

    def _judged_in(self, dataset: str, rule: Rule, objects: Sequence[str]) -> list[Signal] | None:
        return self._judged(rule, _hits_in(dataset, self._store, rule, self._sources, Span(objects)))

    def _judged(self, rule: Rule, found: Iterable[Hit]) -> list[Signal] | None:
        """Signals of all its takers; None: the rule erred."""
        try:
            return [signal for hit in found for signal in self._judgement.signals(rule, hit)]
        except ContentError as error:
            self.done.errors[rule.key] = str(error)
            return None

    def _mark(self, judged: Judged) -> None:
        self.done.alerts |= self._store.mark(judged, self._judgement.settled)
        self.done.signals += len(judged.signals)
