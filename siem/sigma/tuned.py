"""A rule set as a team's settings want it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from siem.errors import ContentError
from siem.sigma.correlation import Correlation
from siem.sigma.correlation.rule import Kind, Threshold
from siem.sigma.loading import RuleSet
from siem.sigma.rule import Rule
from siem.sigma.tuning import Choice, Setting, Tuning

Known = Rule | Correlation
Choices = dict[str, dict[str, Choice]]
"""Key of a rule -> option -> what is chosen."""

PLAIN = ("tier", "channel")
"""Options that a rule holds as they are."""


def tuned(rules: RuleSet, tuning: Tuning, whole: bool = True) -> RuleSet:
    """The rules with the settings applied; those that cannot be are `refused`, those that contradict `doubts`.

    whole: these are all rules in use. Else settings of others are left alone, and none is switched off: these were
    asked for by name.
    """
    choosing = _Choosing(rules, tuning, whole)
    choosing.of_rules()
    choosing.of_tags()
    chosen = choosing.chosen
    off = {key for key, choices in chosen.items() if "enabled" in choices and not choices["enabled"].value}
    made = {one.key: _made(one, chosen.get(one.key, {})) for one in choosing.known}
    found = replace(
        rules,
        rules=tuple([made[one.key] for one in rules.rules]),  # type: ignore[misc]  # of the kind that they were
        correlations=tuple([made[one.key] for one in rules.correlations]),  # type: ignore[misc]
        documents=tuple([(document, made.get(one.key, one)) for document, one in rules.documents]),
        refused=(*rules.refused, *choosing.errors),
        doubts=(*rules.doubts, *choosing.doubts),
        set_at={key: {option: f"{tuning.file}:{one.line}" for option, one in of.items()} for key, of in chosen.items()},
    )
    return switched_off(found, frozenset(off)) if whole and off else found


def switched_off(rules: RuleSet, off: frozenset[str]) -> RuleSet:
    """Without the rules of these keys.

    What a correlation needs stays as its part, and parts of one that is switched off stay silent: nobody who finds a
    correlation too loud wants all that it counted.
    """
    needed: set[str] = set()
    for above in reversed(rules.correlations):
        if above.key not in off or above.key in needed:
            needed.update(above.rules)
    gone = off - needed
    known: list[Known] = [*rules.rules, *rules.correlations]
    parts = [one for one in known if one.key in off & needed]
    return replace(
        rules,
        rules=tuple([one for one in rules.rules if one.key not in gone]),
        correlations=tuple([one for one in rules.correlations if one.key not in gone]),
        withheld=rules.withheld - off,
        disabled=off,
        resting=tuple([one for one in known if one.key in gone]),
        muted=rules.silent | off,
        doubts=(*rules.doubts, *[_stays(one, rules) for one in parts]),
    )


def _stays(one: Known, rules: RuleSet) -> ContentError:
    above = ", ".join([over.title for over in rules.correlations if one.key in over.rules])
    file, _, line = rules.set_at[one.key]["enabled"].rpartition(":")
    message = f"{one.title} is switched off and alerts no more, but is still looked for: it is part of {above}"
    return ContentError(message, file, int(line))


def _made(one: Known, choices: Mapping[str, Choice]) -> Known:
    changes: dict[str, Any] = {name: choices[name].value for name in PLAIN if name in choices}
    if level := choices.get("level"):
        changes |= {"levels": level.value.of, "level": level.value.default or one.level}
    if isinstance(one, Correlation) and one.threshold is not None and (number := choices.get("threshold")):
        ((comparison, _),) = one.threshold.limits
        changes["threshold"] = Threshold(((comparison, number.value),))
    if span := choices.get("timespan"):
        changes["span"] = span.value
    return replace(one, **changes)


class _Choosing:
    """What is chosen for each rule: of what is said of it by name, else the last of what is said of its tags."""

    def __init__(self, rules: RuleSet, tuning: Tuning, whole: bool) -> None:
        self._rules, self._tuning, self._whole = rules, tuning, whole
        self.known: list[Known] = [*rules.rules, *rules.correlations]
        self.chosen: Choices = {}
        self.errors: list[ContentError] = []
        self.doubts: list[ContentError] = []

    def _told(self, message: str, line: int) -> ContentError:
        return ContentError(message, self._tuning.file, line)

    def of_rules(self) -> None:
        lines: dict[str, int] = {}
        withheld = {key.lower(): key for key in self._rules.withheld}
        for setting in self._tuning.rules:
            one = self._rules.called(setting.name)
            key = one.key if one else withheld.get(setting.name.lower())
            if key is None:
                if self._whole:
                    self.errors.append(self._told(f"no rule in use has the id or name {setting.name}", setting.line))
            elif key in lines:
                message = f"{setting.name} is the rule of line {lines[key]} too: say all of it there"
                self.errors.append(self._told(message, setting.line))
            else:
                lines[key] = setting.line
                self.chosen[key] = dict(self._fitting(one, setting) if one else setting.choices)

    def _fitting(self, one: Known, setting: Setting) -> Iterable[tuple[str, Choice]]:
        for option, choice in setting.choices.items():
            if told := misfit(one, option, choice.value):
                self.errors.append(self._told(told, choice.line))
            else:
                yield option, choice

    def of_tags(self) -> None:
        by_name = {key: frozenset(choices) for key, choices in self.chosen.items()}
        for setting in self._tuning.tags:
            having = [one for one in self.known if setting.name.lower() in map(str.lower, one.tags)]
            if not having and self._whole:
                self.errors.append(self._told(f"no rule in use has the tag {setting.name}", setting.line))
            for option, choice in setting.choices.items():
                told = [misfit(one, option, choice.value) for one in having]
                if having and all(told):
                    self.errors.append(self._told(f"no rule with the tag can have it: {told[0]}", choice.line))
                fit = [one for one, why in zip(having, told, strict=True) if not why]
                self._choose([one for one in fit if option not in by_name.get(one.key, ())], option, choice)

    def _choose(self, those: Iterable[Known], option: str, choice: Choice) -> None:
        for one in those:
            choices = self.chosen.setdefault(one.key, {})
            before = choices.get(option)
            if before is not None and before.value != choice.value:
                message = f"{option} of {one.title}: line {before.line} says otherwise, by another tag; this one holds"
                self.doubts.append(self._told(message, choice.line))
            choices[option] = choice


def misfit(one: Known, option: str, value: Any) -> str | None:
    """Why a rule cannot have what is chosen."""
    if option not in ("threshold", "timespan"):
        return None
    if not isinstance(one, Correlation):
        return f"{one.title} is about single events: it has no {option}"
    if option == "timespan":
        return None
    if one.kind is Kind.TEMPORAL_ORDERED:
        return f"{one.title} is an order of all its rules: it has no threshold"
    if one.threshold is None or len(one.threshold.limits) != 1:
        return f"the condition of {one.title} is not one number: it has no threshold"
    if one.kind is Kind.TEMPORAL and not 0 < value <= len(one.rules):
        return f"{one.title} has {len(one.rules)} rules: {value:g} of them cannot be seen"
    return None
