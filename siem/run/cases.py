"""A rule's own cases: logs that it must match, or must not. They run the whole way: parser, schema, rule.

`NAME.cases.yml` beside `NAME.yml`:

    cases:
      - name: root makes a key          # what the case shows
        match: true                     # false: the rule must stay silent
        log: {eventVersion: "1.11", …}  # one record, a list of them, or the text of a log file with its header
        rule: …                         # id or name, where the file has several rules
        dataset: aws.cloudtrail         # where the rule's log source is answered by several
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import yaml

from siem.config import Limits
from siem.detect.hunting import ENGINES, Hunt
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.run.reading import read
from siem.schema import SourceObject
from siem.sigma import Rule, RuleSet, datasets_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEYS = frozenset(("name", "match", "log", "rule", "dataset"))


@dataclass(frozen=True)
class Case:
    """One case of a rule's file."""

    rule: Rule
    name: str
    match: bool
    log: Any
    dataset: str
    file: str


@dataclass(frozen=True)
class Verdict:
    """How a case went. why: empty where it went as it should."""

    case: Case
    matched: bool
    why: str = ""

    @property
    def ok(self) -> bool:
        return not self.why


def cases(rules: Iterable[Rule], sources: Sources) -> tuple[list[Case], list[ContentError]]:
    """The cases beside these rules, and what is wrong with their files."""
    by_file: dict[str, list[Rule]] = {}
    for rule in rules:
        by_file.setdefault(rule.file, []).append(rule)
    found: list[Case] = []
    problems: list[ContentError] = []
    for file, own in by_file.items():
        path = Path(file).with_suffix(".cases.yml")
        if not path.is_file():
            problems += [ContentError("the rule has no cases beside it", file, rule.line) for rule in own]
            continue
        try:
            found += _read(path, own, sources)
        except ContentError as error:
            problems.append(error)
    return found, problems


def _read(path: Path, rules: Sequence[Rule], sources: Sources) -> Iterator[Case]:
    try:
        content = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContentError(f"no YAML: {' '.join(str(error).split())}", str(path)) from error
    listed = content.get("cases") if isinstance(content, Mapping) else None
    if not isinstance(listed, list) or not listed:
        raise ContentError("`cases:` must be a list of cases", str(path))
    for number, entry in enumerate(listed, 1):
        yield _case(path, number, entry, rules, sources)


def _case(path: Path, number: int, entry: Any, rules: Sequence[Rule], sources: Sources) -> Case:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("match"), bool) or "log" not in entry:
        raise ContentError(f"case {number} needs `name`, `match: true|false` and `log`", str(path))
    if unknown := entry.keys() - KEYS:
        raise ContentError(f"case {number}: unknown key {', '.join(sorted(map(str, unknown)))}", str(path))
    name = str(entry.get("name") or f"case {number}")
    wanted = entry.get("rule")
    rule = next((rule for rule in rules if wanted in (None, rule.id, rule.name, rule.key)), None)
    if rule is None or (wanted is None and len(rules) > 1):
        raise ContentError(f"{name}: `rule:` must name one of the file's rules", str(path))
    answered = datasets_of(rule, sources.logsources)
    dataset = entry.get("dataset") or (answered[0] if len(answered) == 1 else None)
    if dataset not in sources.fields:
        raise ContentError(f"{name}: `dataset:` must be one of {', '.join(answered or sources.fields)}", str(path))
    return Case(rule, name, entry["match"], entry["log"], str(dataset), str(path))


def verdict(case: Case, registry: Registry, sources: Sources) -> Verdict:
    """Run a case, by every engine: they have to agree."""
    source = SourceObject("cases", f"{case.rule.key}/{case.name}")
    reading = read(source, Delivered(raw(case.log), Limits()), registry, Limits(), NOW, case.dataset)
    batches, rejected = [], []
    for parsed in reading:
        batches += [parsed.batch] if parsed.batch is not None else []
        rejected += [reject.reason for reject in parsed.rejects]
    if rejected or not batches:
        return Verdict(
            case, False, f"the log came to no event: {'; '.join(rejected) or reading.reason or 'it is empty'}"
        )
    found = {}
    for engine in ENGINES:
        hunt = Hunt(RuleSet((case.rule,)), sources, engine)
        found[engine] = sorted({match.event_id for batch in batches for match in hunt.batch(batch)})
    matched = bool(found[ENGINES[0]])
    if len({tuple(ids) for ids in found.values()}) > 1:
        return Verdict(case, matched, f"the engines disagree: {found}")
    if matched == case.match:
        return Verdict(case, matched)
    return Verdict(case, matched, "must match and does not" if case.match else "must not match and does")


def raw(log: Any) -> bytes:
    """The bytes of an object as the source would deliver them: records in their document, or text as it is."""
    if isinstance(log, str):
        return log.encode()
    return orjson.dumps({"Records": log if isinstance(log, list) else [log]}, default=str)
