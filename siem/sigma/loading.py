"""Rule files to rules that can be run: each document read by its kind, filters added, correlations bound to rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from siem.documents import Document
from siem.errors import ContentError
from siem.problem import Problem, Problems
from siem.sigma.collection import collected, labelled, lent
from siem.sigma.correlation import Correlation, binding
from siem.sigma.correlation.reading import correlation
from siem.sigma.filters import event_filter, filtered, negates
from siem.sigma.head import Head, key_of, names_of
from siem.sigma.modifiers import Lists
from siem.sigma.piped import piped
from siem.sigma.pipeline import Pipeline
from siem.sigma.rule import TOO_DEEP, Filter, Rule, event_rule

NO_LISTS: Lists = MappingProxyType({})


@dataclass(frozen=True)
class RuleSet:
    """rules, correlations: those that can be run, a correlation behind those that it names.

    refused: why the others cannot, with file and line, in order of the files.
    withheld: the keys of those others, as far as their files can be read.
    filters: those that rules got, and those that reach none. expired: those that rules do not get any more.
    doubts: what is allowed and yet perhaps not meant, with file and line.
    documents: what each of them was read from, if it was asked for.
    lent: keys of those that were not asked for, and are here because correlations name them.
    disabled: keys of those that settings switch off. They alert no more; what correlations need of them is here still.
    resting: those of them that no correlation needs, so that they are not among the rules and correlations.
    muted: keys of those that alert no more, or did not before settings switched a correlation off.
    set_at: key -> option of the settings -> the file and line that say it.
    """

    rules: tuple[Rule, ...]
    refused: tuple[ContentError, ...] = ()
    withheld: frozenset[str] = frozenset()
    correlations: tuple[Correlation, ...] = ()
    filters: tuple[Filter, ...] = ()
    expired: tuple[Filter, ...] = ()
    doubts: tuple[ContentError, ...] = ()
    documents: tuple[tuple[Document, Rule | Correlation | Filter], ...] = ()
    lent: frozenset[str] = frozenset()
    disabled: frozenset[str] = frozenset()
    resting: tuple[Rule | Correlation, ...] = ()
    muted: frozenset[str] = frozenset()
    set_at: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def own(self) -> list[Rule | Correlation]:
        """The rules and correlations that were asked for."""
        known: list[Rule | Correlation] = [*self.rules, *self.correlations]
        return [one for one in known if one.key not in self.lent]

    @property
    def silent(self) -> frozenset[str]:
        """Keys of those that raise no alerts of their own: correlations name them, or settings say so."""
        loud = {key for one in self.correlations if one.generate for key in one.rules}
        return frozenset(self.lent.union(*[one.rules for one in self.correlations]) - loud) | self.muted

    def called(self, name: str) -> Rule | Correlation | None:
        """What has this key, id or name; a key before the name of another."""
        wanted = name.lower()
        known: list[Rule | Correlation] = [*self.rules, *self.correlations]
        for place in range(3):
            for one in known:
                if ((one.key, one.id, one.name)[place] or "").lower() == wanted:
                    return one
        return None

    def alone(self, one: Rule | Correlation) -> RuleSet:
        """A rule or correlation with all that it stands on, and nothing else; so it alerts."""
        wanted = {one.key}
        for above in reversed(self.correlations):
            wanted.update(above.rules if above.key in wanted else ())
        rules = tuple([rule for rule in self.rules if rule.key in wanted])
        return RuleSet(rules, correlations=tuple([above for above in self.correlations if above.key in wanted]))


def load_rules(
    paths: Iterable[Path],
    lists: Lists = NO_LISTS,
    pipelines: Sequence[Pipeline] = (),
    replacing: bool = False,
    others: Sequence[Path] = (),
    now: datetime | None = None,
) -> RuleSet:
    """The rules of files and folders. What is wrong with one is told completely and disturbs no other.

    lists: values for `|expand`, by the placeholder's name. pipelines: applied to each document in this order.
    replacing: a file takes the place of one with the same path in an earlier folder, and a rule that of one with the
    same id there, also where it is refused: what it replaces is not what its authors want in use.
    others: files and folders that lend rules which correlations name and the paths do not have; replacing.
    now: filters that have expired by then are not applied; without it all are.
    """
    loading = _Loading(lists, now)
    files = labelled(paths, replacing)
    given = collected(files, replacing, loading.refused)
    added = lent(given, others)
    for document, label in piped([*given, *added], pipelines, loading.refuse):
        loading.take(document, label)
    loading.lent.update([key_of(document, label) for document, label in added])
    order = {str(file): place for place, (_, file, _) in enumerate(files)}
    found = loading.ruleset()
    refused = sorted(found.refused, key=lambda one: (order.get(one.file or "", len(order)), one.line or 0))
    return replace(found, refused=tuple(refused))


@dataclass
class _Loading:
    """What was read so far. called: id, name or key, in lower case -> the document that has it, and how it went."""

    lists: Lists
    now: datetime | None = None
    refused: list[ContentError] = field(default_factory=list)
    withheld: set[str] = field(default_factory=set)
    doubts: list[ContentError] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    filters: dict[str, Filter] = field(default_factory=dict)
    drafts: dict[str, tuple[Correlation, Document]] = field(default_factory=dict)
    called: dict[str, Head | ContentError] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    lent: set[str] = field(default_factory=set)

    def take(self, document: Document, label: str) -> None:
        """Read a document; nothing of it is kept where anything is wrong with it."""
        problems = Problems()
        made: Head | None = None
        try:
            made = self._read(document, label, problems)
        except Problem as problem:
            problems.found.append(problem)
        except RecursionError:
            problems.add(TOO_DEEP)
        errors = [document.error(problem.message, problem.place) for problem in problems.found]
        if made is None or errors:
            self._refused(document, label, errors)
        else:
            self._keep(made, document)

    def _read(self, document: Document, label: str, problems: Problems) -> Head:
        """By the section that only its kind has."""
        content = document.content
        if not isinstance(content, dict):
            raise Problem("not a rule: a document must be a mapping")
        if "action" in content:
            raise Problem("`action` documents belong to an older Sigma: write each rule out", ("action",))
        if "correlation" in content:
            return correlation(document, label, problems)
        if "filter" in content:
            return event_filter(document, label, self.lists, problems)
        return event_rule(document, label, self.lists, problems)

    def refuse(self, document: Document, label: str, problem: Problem) -> None:
        self._refused(document, label, [document.error(problem.message, problem.place)])

    def _refused(self, document: Document, label: str, errors: Sequence[ContentError]) -> None:
        self.refused += errors
        self.withheld.add(key_of(document, label))
        for name in names_of(document.content):
            self.called.setdefault(name.lower(), errors[0])

    def _keep(self, made: Head, document: Document) -> None:
        """The first of two with one key stays. A name means the first that has it."""
        if isinstance(first := self.called.get(made.key.lower()), Head) and first.key.lower() == made.key.lower():
            what = "id" if made.key == made.id else "name"
            message = f"{what} {made.key} is taken by {first.file}:{first.line}"
            self.refused.append(document.error(message))
            return
        for name in {name.lower(): name for name in (made.key, *names_of({"name": made.name}))}.values():
            if isinstance(first := self.called.get(name.lower()), Head):
                message = f"name {name} means {first.file}:{first.line}, which has it too"
                self.doubts.append(ContentError(message, made.file, made.line))
            else:
                self.called[name.lower()] = made
        self.documents[made.key] = document
        match made:
            case Correlation():
                self.drafts[made.key] = (made, document)
            case Filter():
                self.filters[made.key] = made
            case Rule():
                self.rules[made.key] = made

    def ruleset(self) -> RuleSet:
        filters = [one for one in self.filters.values() if not self._expired(one)]
        rules = {key: filtered(rule, filters) for key, rule in self.rules.items()}
        for one in filters:
            self._doubt(one)
        bound, errors = binding.bound(self.drafts, rules, self.called)
        self.withheld |= {key for key in self.drafts if key not in bound}
        withheld = frozenset(self.withheld - rules.keys() - bound.keys())
        kept: list[Rule | Correlation | Filter] = [*rules.values(), *bound.values(), *self.filters.values()]
        return RuleSet(
            rules=tuple(rules.values()),
            refused=(*self.refused, *errors),
            withheld=withheld,
            correlations=tuple(bound.values()),
            filters=tuple(filters),
            expired=tuple(filter(self._expired, self.filters.values())),
            doubts=tuple(self.doubts),
            documents=tuple([(self.documents[one.key], one) for one in kept if one.key not in self.lent]),
            lent=frozenset(self.lent),
        )

    def _expired(self, one: Filter) -> bool:
        return self.now is not None and one.expires is not None and one.expires <= self.now

    def _doubt(self, one: Filter) -> None:
        """A filter that keeps only what it describes, or that reaches no rule."""

        def add(message: str) -> None:
            self.doubts.append(ContentError(message, one.file, one.line))

        if not negates(one.tree):
            add("the filter's condition has no `not`: its rules match nothing but what it describes")
        for name in sorted(one.rules or ()):
            if not isinstance(self.called.get(name), Rule):
                add(f"the filter names {name}, which is no rule here")
        for rule in self.rules.values():
            if one.rules is not None and one.names(rule) and not one.applies(rule):
                add(f"the filter names {rule.key}, whose log source does not have all that the filter's has")
