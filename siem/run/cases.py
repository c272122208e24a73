"""A rule's own cases: logs that it must match, or must not; and those of filters, about rules that these are added to.

`NAME.cases.yml` beside `NAME.yml`:

    cases:
      - name: root makes a key          # what the case shows
        match: true                     # false: the rule must stay silent
        log: {eventVersion: "1.11", …}  # one record, a list of them, or the text of a log file with its header
        rule: …                         # id or name, where the file has several rules, or filters of several
        dataset: aws.cloudtrail         # where the rule's log source is answered by several
        key: AWSLogs/…                  # of the object, where the parser reads from it (load balancers: the account)
        logs: [{dataset: …, log: …}, …] # instead of log and dataset: for correlations over several datasets

Those of rules of silence are in `siem.run.sent`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from siem.detect.sources import Sources
from siem.documents import documents
from siem.errors import ContentError
from siem.problem import Problem
from siem.run.sent import heard, moment
from siem.sigma import Correlation, Rule, RuleSet, datasets_of
from siem.sigma.filters import filtered
from siem.store.contract import Heard

SUFFIXES = (".cases.yml", ".cases.yaml")
KEYS = frozenset(("name", "match", "log", "rule", "dataset", "key", "logs", "now"))
OF_LOGS = frozenset(("dataset", "log", "key"))

Tested = Rule | Correlation


@dataclass(frozen=True)
class Log:
    """What a source delivered: records, or the text of a file. key: of the object; None: no matter which."""

    dataset: str
    content: Any
    key: str | None = None


@dataclass(frozen=True)
class Case:
    """One case of a rule's file. rules: the rule, with those that it stands on.

    sent, now: of a rule of silence, which has no logs.
    """

    rule: Tested
    rules: RuleSet
    name: str
    match: bool
    logs: tuple[Log, ...]
    file: str
    sent: tuple[Heard, ...] = ()
    now: datetime | None = None


def cases(rules: RuleSet, sources: Sources, in_use: RuleSet | None = None) -> tuple[list[Case], list[ContentError]]:
    """The cases beside these rules and filters, and what is wrong with their files.

    Those beside a rule are about the rule as its file has it: what a team excepts elsewhere is no fault of the rule.
    in_use: where the rules are that filters name, if not all of them are among these.
    """
    known, rules = in_use or rules, as_written(rules)
    by_file: dict[str, list[Tested]] = {}
    for rule in rules.own:
        by_file.setdefault(rule.file, []).append(rule)
    found: list[Case] = []
    problems: list[ContentError] = []
    for file, own in by_file.items():
        wrong: list[ContentError] = []
        beside = [case for path in beside_of(file) for case in _File(path, own, rules, sources).cases(wrong)]
        if not beside and not wrong:
            wrong = [ContentError("the rule has no cases beside it", file, rule.line) for rule in own]
        found += beside
        problems += wrong
    for file in dict.fromkeys([one.file for one in rules.filters if one.file not in by_file]):
        for path in beside_of(file):
            found += _File(path, _filtered_by(file, known), known, sources).cases(problems)
    return found, problems


def as_written(rules: RuleSet) -> RuleSet:
    """Each rule with those filters alone that stand in its own file."""
    bare = [replace(rule, tree=rule.detection.tree, filters=()) if rule.filters else rule for rule in rules.rules]
    mine = [filtered(rule, [one for one in rules.filters if one.file == rule.file]) for rule in bare]
    return replace(rules, rules=tuple(mine))


def beside_of(file: str) -> list[Path]:
    """The files of cases beside a file."""
    return [path for suffix in SUFFIXES if (path := Path(file).with_suffix(suffix)).is_file()]


def _filtered_by(file: str, known: RuleSet) -> list[Tested]:
    """The rules that filters of a file are added to."""
    place = Path(file).resolve()
    return [rule for rule in known.rules if any(Path(one.file).resolve() == place for one in rule.filters)]


@dataclass(frozen=True)
class _File:
    """A file of cases. own: the rules beside it, or those that the filters beside it are added to."""

    path: Path
    own: Sequence[Tested]
    rules: RuleSet
    sources: Sources

    def cases(self, wrong: list[ContentError]) -> Iterator[Case]:
        """In order. What cannot be read goes to `wrong` and disturbs no other case."""
        for document in documents(self.path, wrong):
            listed = document.content.get("cases") if isinstance(document.content, Mapping) else None
            if not isinstance(listed, list) or not listed:
                wrong.append(document.error("`cases:` must be a list of cases"))
                continue
            for number, entry in enumerate(listed, 1):
                try:
                    yield self._case(number, entry)
                except Problem as problem:
                    wrong.append(document.error(problem.message, ("cases", number - 1)))

    def _case(self, number: int, entry: Any) -> Case:
        """Raises: Problem."""
        is_case = isinstance(entry, Mapping) and isinstance(entry.get("match"), bool)
        if not is_case or ("log" in entry) == ("logs" in entry):
            raise Problem(f"case {number} needs `name`, `match: true|false` and `log` (or `logs`)")
        if unknown := entry.keys() - KEYS:
            raise Problem(f"case {number}: unknown key {', '.join(sorted(map(str, unknown)))}")
        name = str(entry.get("name") or f"case {number}")
        rule = self._rule(name, entry.get("rule"))
        rules = self.rules.alone(rule)
        answered = tuple(dict.fromkeys([d for one in rules.rules for d in datasets_of(one, self.sources.logsources)]))
        if isinstance(rule, Rule) and rule.silence is not None:
            try:
                sent, now = tuple(heard(entry.get("logs"), answered)), moment(entry.get("now"), "now")
            except Problem as problem:
                raise Problem(f"{name}: {problem.message}") from problem
            return Case(rule, rules, name, entry["match"], (), str(self.path), sent, now)
        if "now" in entry:
            raise Problem(f"{name}: `now:` is for rules of silence")
        logs = tuple(self._logs(name, entry, answered))
        return Case(rule, rules, name, entry["match"], logs, str(self.path))

    def _rule(self, name: str, wanted: Any) -> Tested:
        rule = next((rule for rule in self.own if wanted in (None, rule.id, rule.name, rule.key)), None)
        if rule is None or (wanted is None and len(self.own) > 1):
            raise Problem(f"{name}: `rule:` must name one of the file's rules, or one that its filters are added to")
        return rule

    def _logs(self, name: str, entry: Mapping[str, Any], answered: tuple[str, ...]) -> Iterator[Log]:
        given = entry["logs"] if "logs" in entry else [_of_one(entry)]
        if not isinstance(given, list) or not given:
            raise Problem(f"{name}: `logs:` must be a list of `dataset` and `log`")
        for one in given:
            if not isinstance(one, Mapping) or one.keys() - OF_LOGS or "log" not in one:
                raise Problem(f"{name}: `logs:` must be a list of `dataset` and `log`")
            dataset = one.get("dataset") or (answered[0] if len(answered) == 1 else None)
            if not isinstance(dataset, str) or dataset not in self.sources.fields:
                told = ", ".join(answered or self.sources.fields)
                raise Problem(f"{name}: `dataset:` must be one of {told}")
            if not isinstance(key := one.get("key"), str | None):
                raise Problem(f"{name}: `key:` must be the key of an object")
            yield Log(dataset, one["log"], key)


def _of_one(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name in OF_LOGS}
