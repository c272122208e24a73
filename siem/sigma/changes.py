"""What became of rules between two sets of them, and what of a team's own touches these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from siem.sigma.correlation import Correlation
from siem.sigma.loading import RuleSet
from siem.sigma.rule import Filter, Rule
from siem.sigma.tuning import Tuning

Known = Rule | Correlation

NEW, REMOVED, MEANING, LEVEL, TITLE = "new", "removed", "meaning", "level", "title"


@dataclass(frozen=True)
class Change:
    """What became of a rule. kinds: `new`, `removed`, or which of `meaning`, `level` and `title` are others."""

    kinds: tuple[str, ...]
    before: Known | None
    after: Known | None

    @property
    def both(self) -> list[Known]:
        """The rule as it is and as it was, as far as there are."""
        return [one for one in (self.after, self.before) if one is not None]


def changes(before: RuleSet, after: RuleSet) -> list[Change]:
    """The rules and correlations that differ: those that were removed first, then in the order that they have now."""
    old, new = _by_key(before), _by_key(after)
    gone = [Change((REMOVED,), one, None) for key, one in old.items() if key not in new]
    found = [Change(_kinds(old.get(key), one), old.get(key), one) for key, one in new.items()]
    return [*gone, *[change for change in found if change.kinds]]


def _by_key(rules: RuleSet) -> dict[str, Known]:
    return {one.key.lower(): one for one in rules.own}


def _kinds(before: Known | None, after: Known) -> tuple[str, ...]:
    if before is None:
        return (NEW,)
    same = {
        MEANING: meaning(before) == meaning(after),
        LEVEL: before.level == after.level,
        TITLE: before.title == after.title,
    }
    return tuple([kind for kind, holds in same.items() if not holds])


def meaning(one: Known) -> str:
    """The fingerprint, whatever the level."""
    return replace(one, level=None).fingerprint


@dataclass(frozen=True)
class Team:
    """What is a team's own: settings; keys of rules in lower case -> the rule in their place; filters; correlations."""

    tuning: Tuning
    rules: dict[str, Known]
    filters: tuple[Filter, ...]
    correlations: tuple[Correlation, ...]

    def touching(self, change: Change) -> Iterator[str]:
        """What touches the rule: file, line, and how."""
        names = {name.lower() for one in change.both for name in (one.key, one.id, one.name) if name}
        tags = {tag.lower() for one in change.both for tag in one.tags}
        for setting in self.tuning.rules:
            if setting.name.lower() in names:
                yield f"{self.tuning.file}:{setting.line} sets {', '.join(setting.choices)}"
        for setting in self.tuning.tags:
            if setting.name.lower() in tags:
                yield f"{self.tuning.file}:{setting.line} sets {', '.join(setting.choices)} by the tag {setting.name}"
        for one in [self.rules[name] for name in sorted(names & self.rules.keys())]:
            yield f"{one.file}:{one.line} stands in its place"
        for added in self.filters:
            if any(isinstance(one, Rule) and added.applies(one) for one in change.both):
                yield f"{added.file}:{added.line} filters it"
        for above in self.correlations:
            if names & set(map(str.lower, above.rules)):
                yield f"{above.file}:{above.line} counts it"
