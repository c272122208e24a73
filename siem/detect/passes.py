"""Detection over the store: objects that a rule has not judged yet, rules over them, signals, alerts.

Every rule has a mark for each dataset: the turn up to which it has judged the objects. So rules that are run apart,
refused for a while, or added later take nothing from each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from siem.detect.alerts import alert_id
from siem.detect.circumstances import USUAL, Circumstances
from siem.detect.correlated import Group
from siem.detect.judgement import Judgement
from siem.detect.packs import Erred, Found, Packs, Span, by_span
from siem.detect.silence import silences
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.sigma import Rule, RuleSet
from siem.store.contract import Again, Judged, Progress, Signal, Store

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
    left_out: of these correlations and rules, how many events had no value to be grouped by.
    events: of the objects. oldest: when the first object was committed of those that are being judged.
    """

    objects: int = 0
    events: int = 0
    oldest: datetime | None = None
    signals: int = 0
    alerts: set[str] = field(default_factory=set)  # ids that are new or grew
    errors: dict[str, str] = field(default_factory=dict)
    owed: dict[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)


def _silent(done: Passed) -> None:
    """Nobody listens."""


def detect(
    store: Store,
    rules: RuleSet,
    sources: Sources,
    progress: Callable[[Passed], None] = _silent,
    everything: bool = False,
    among: Circumstances = USUAL,
    now: datetime | None = None,
) -> Passed:
    """Judge what each rule has not judged yet. A crash anywhere is harmless: a new pass does it again.

    now: who is silent at this time is told too; None: nobody listens for that.

    progress: told before and after each part, which is marked as a whole; an exception that it raises ends the pass.

    everything: these are all rules that are in use. A rule that the store does not know begins where the last such pass
    ended (else with all that is stored), and so will those withheld, refused now, whenever they are corrected. Marks of
    those that are switched off move with such passes: switched on again they begin with what comes then.

    Raises:
        Unavailable: the store is away; what was marked stays so.
    """
    running = _Pass(store, rules, sources, among)
    state = store.progress()
    for dataset in sources.fields:
        if state.owing:
            for _ in running.pay(dataset):
                progress(running.done)
        for _ in running.advance(dataset, everything, state):
            progress(running.done)
        if state.owing or running.done.errors:
            running.count(dataset)
    if now is not None:
        running.listen(now)
    return running.done


def again(
    store: Store,
    rules: RuleSet,
    sources: Sources,
    since: datetime | None,
    until: datetime | None,
    among: Circumstances = USUAL,
) -> Passed:
    """Judge stored events of a span again, whatever was marked; what a rule finds now replaces what it had found there.

    Raises:
        Unavailable: the store is away; the rules that were done stay so.
    """
    running = _Pass(store, rules, sources, among)
    running.again(Span(None, since, until))
    return running.done


def hits(
    store: Store,
    rules: Sequence[Rule],
    sources: Sources,
    span: Span,
    columns: Mapping[str, Collection[str]],
    erred: Erred,
) -> Iterator[Found]:
    """The stored events that rules match, dataset by dataset, in order of time.

    columns: dataset -> what of the documents is wanted.
    """
    for dataset, fields in sources.fields.items():
        mine = sources.rules_for(dataset, rules)
        yield from Packs(fields, store.dialect).found(store, mine, span, columns[dataset], erred)


class _Pass:
    """Rules on their way through the store.

    A *taker* is what an event rule's hits become signals of: the rule itself, unless only correlations look at it, and
    every correlation that stands on it and alerts. Each taker has marks of its own.
    """

    def __init__(self, store: Store, rules: RuleSet, sources: Sources, among: Circumstances) -> None:
        self._store, self._sources = store, sources
        self._withheld, self._disabled = rules.withheld, rules.disabled
        self._rules = {rule.key: rule for rule in rules.rules}
        self._judgement = Judgement(rules, sources, among)
        self._packs = {dataset: Packs(fields, store.dialect) for dataset, fields in sources.fields.items()}
        self.done = Passed(left_out=self._judgement.left_out)

    def advance(self, dataset: str, everything: bool, state: Progress) -> Iterator[None]:
        """Judge the dataset's objects from the marks on; stops before every part, and after it is marked."""
        takers = {rule.key: self._takers(rule) for rule in self._of(dataset)}
        marks, last = state.marks.get(dataset, {}), state.last.get(dataset, 0)
        start = marks.get(ALL, 0) if everything else 0
        known = frozenset[str]().union(*takers.values())
        known |= {ALL, *takers} if everything else set()  # one that is only a part here may alert elsewhere
        at = {key: marks.get(key, start) for key in known}
        stay = {(key, dataset): start for key in self._withheld if everything and key not in marks}
        idle = {key: marks[key] for key in self._disabled if everything and key in marks}
        while at and min(at.values()) < last:
            objects = self._store.pending(dataset, min(at.values()), TOGETHER)
            if not objects:
                return
            self.done.oldest = objects[0].committed
            yield
            behind = {
                taker: {of.object for of in objects if of.turn > at[taker]}
                for keys in takers.values()
                for taker in keys
            }
            mine = {
                key: [of.object for of in objects if any(of.object in behind[taker] for taker in keys)]
                for key, keys in takers.items()
            }
            signals: list[Signal] = []
            owed: list[tuple[str, str]] = []
            for part, rules in by_span((self._rules[key], mine[key]) for key in takers).items():
                for key, found in self._judged(dataset, rules, Span(part)).items():
                    signals += [signal for signal in found or [] if signal.object in behind[signal.rule_id]]
                    owed += [(key, object_) for object_ in part if found is None]
            at = {key: max(turn, objects[-1].turn) for key, turn in at.items()}
            past = {(key, dataset): max(turn, at[ALL]) for key, turn in idle.items()}
            reached = {(key, dataset): turn for key, turn in at.items()}
            self._mark(Judged(signals, marks=stay | reached, passed=past, owed=owed))
            self.done.objects += len(objects)
            self.done.events += sum([of.events for of in objects])
            self.done.oldest = None
            yield

    def pay(self, dataset: str) -> Iterator[None]:
        """Try again what rules owe. Where one errs on many objects they are halved: those without fault get judged.
        Stops after every part."""
        owed = self._store.owed(dataset)
        for rule in self._of(dataset):
            mine = owed.get(rule.key, [])
            parts = [mine[start : start + TOGETHER] for start in range(0, len(mine), TOGETHER)]
            errors = 0
            while parts and errors < MOST_ERRORS:
                part = parts.pop(0)
                found = self._judged(dataset, [rule], Span(part))[rule.key]
                if found is not None:
                    self._mark(Judged(found, paid=[(rule.key, object_) for object_ in part]))
                    yield
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

    def listen(self, now: datetime) -> None:
        """Note who is silent, and was not known to be."""
        rules = [rule for rule in self._rules.values() if rule.silence is not None]
        heard = self._store.heard() if rules else []
        found = [
            signal
            for signal in silences(rules, self._sources, heard, now)
            if self._store.alert(alert_id(signal.rule_id, signal.group, signal.timestamp, "")) is None
        ]
        if found:
            self._mark(Judged(found))

    def again(self, span: Span) -> None:
        """Judge a span again. Rules of new terms go on to the end: a term that is not new in the span any more may be
        new later."""
        lasting = {key for key, rule in self._rules.items() if rule.new_terms is not None}
        self._again({key for key, rule in self._rules.items() if rule.silence is None} - lasting, span)
        self._again(lasting, replace(span, until=None))

    def _again(self, keys: Collection[str], span: Span) -> None:
        """Taker by taker; a correlation only where none of its rules erred."""
        turn = self._store.progress().turn
        found: dict[str, list[Signal]] = {taker: [] for key in keys for taker in self._takers(self._rules[key])}
        erred: set[str] = set()
        for dataset in self._sources.fields if keys else ():
            rules = [rule for rule in self._of(dataset) if rule.key in keys]
            for key, signals in self._judged(dataset, rules, span).items():
                erred.update(self._takers(self._rules[key]) if signals is None else ())
                for signal in signals or []:
                    found[signal.rule_id].append(signal)
        for taker, signals in found.items():
            if taker not in erred:
                of = Again(taker, tuple(self._sources.fields), span.since, span.until, turn)
                self._mark(Judged(signals, again=of))

    def _of(self, dataset: str) -> list[Rule]:
        return self._sources.rules_for(dataset, self._rules.values())

    def _judged(self, dataset: str, rules: Sequence[Rule], span: Span) -> dict[str, list[Signal] | None]:
        """Signals of all takers of each rule; None: the rule erred."""
        signals: dict[str, list[Signal] | None] = {rule.key: [] for rule in rules}

        def erred(rule: Rule, error: ContentError) -> None:
            self.done.errors[rule.key] = str(error)
            signals[rule.key] = None

        columns = frozenset[str]().union(*[self._judgement.columns(rule, dataset) for rule in rules])
        terms: dict[str, set[Group]] = {rule.key: set() for rule in rules if rule.new_terms is not None}
        for found in self._packs[dataset].found(self._store, rules, span, columns, erred):
            for rule in found.rules:
                if (made := signals[rule.key]) is not None:
                    made += self._judgement.signals(rule, found.hit, terms.get(rule.key))
        return signals

    def _takers(self, rule: Rule) -> tuple[str, ...]:
        return self._judgement.takers(rule)

    def _mark(self, judged: Judged) -> None:
        self.done.alerts |= self._store.mark(judged, self._judgement.settle)
        self.done.signals += len(judged.signals)
