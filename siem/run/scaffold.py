"""A first rule and its cases, made from a log that the parser knows: they pass as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from siem.errors import UsageError
from siem.parsing import Example, Parser
from siem.schema import LogSource

NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
GROUP = "source.ip"
TIMES = 5
"""Events that the correlation of a first rule wants."""

RULE = """\
# What it finds, in a few words: the first that people see of an alert.
title: {title}
id: {id}
{name}status: experimental  # test or stable once it has run for a while
description: Why that matters, and what to do about it.
author: Your team
date: {date}
# tags: [attack.persistence, attack.t1098]  # https://attack.mitre.org
logsource:
{logsource}
detection:
  # All lines of a selection have to hold; of a list of values one. Fields have the names that the source gives them,
  # or those of the schema.
  selection:
{selection}
  # and, or, not, brackets; 1 of name*, all of name*
  condition: selection
falsepositives:
  - Who does the same for good reasons
level: {level}  # informational, low, medium, high, critical
"""

CORRELATION = """\
---
# The rule above raises no alerts of its own now; `generate: true` below would let it.
title: {title}, {times} times
id: {id}
name: {name}
status: experimental
description: Why that matters, and what to do about it.
author: Your team
date: {date}
correlation:
  type: event_count
  rules: {base}
{group}  timespan: 10m  # s, m, h, d
  condition:
    gte: {times}
level: medium
"""

CASES = """\
# Logs as the source writes them. match: true: the rule must find it; false: it must stay silent.
cases:
- name: {title}
{about}  match: true
  log: &log{log}
- name: something like it that is fine
{about}  match: false
  log:{quiet}
"""


@dataclass(frozen=True)
class Scaffold:
    """The text of both files."""

    rule: str
    cases: str


def scaffold(name: str, parser: Parser, ids: Sequence[str], today: date, correlated: bool = False) -> Scaffold:
    """A rule over the parser's dataset; correlated: and a correlation over it. ids: one for each.

    Raises:
        UsageError: the name cannot be one, or the parser has no example.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name}: a rule is named with lower case letters, digits and _, at most 64")
    if (example := parser.example) is None:
        raise UsageError(f"the parser of {parser.dataset} has no `example`: a first rule is made from one")
    base, title = f"{name}_event", name.replace("_", " ").capitalize()
    rule = RULE.format(
        title=title,
        id=ids[0],
        name=f"name: {base}\n" if correlated else "",
        date=today,
        logsource=indent(_logsource(parser.logsources[0]), "  "),
        selection=indent(_yaml(dict(example.selection)), "    "),
        level="low" if correlated else "medium",
    )
    cases = CASES.format(
        title=title,
        about=(f"  rule: {base}\n" if correlated else "") + _dataset(parser),
        log=_log(example.log),
        quiet=_quiet(example),
    )
    if not correlated:
        return Scaffold(rule, cases)
    grouped = f"  group-by: {GROUP}\n" if GROUP in parser.fields.filled else ""
    rule += CORRELATION.format(title=title, times=TIMES, id=ids[1], name=name, date=today, base=base, group=grouped)
    return Scaffold(rule, cases + _correlated_cases(f"  rule: {name}\n{_dataset(parser)}", example))


def _dataset(parser: Parser) -> str:
    """What the logs of a case are, where the rule's log source alone does not tell it: a category has many."""
    return "" if parser.logsources[0].service else f"  dataset: {parser.dataset}\n"


def _correlated_cases(about: str, example: Example) -> str:
    made = ""
    for count, match in ((TIMES, "true"), (TIMES - 1, "false")):
        log = f" [{', '.join(['*log'] * count)}]"
        if isinstance(example.log, str):
            log = _log(repeated(example.log, count))
        made += f"- name: {count} times\n{about}  match: {match}\n  log:{log}\n"
    return made


def repeated(text: str, count: int) -> str:
    """A file with its last line several times."""
    *before, last = text.splitlines(keepends=True)
    return "".join([*before, *[last] * count])


def _logsource(source: LogSource) -> str:
    named = {"category": source.category, "product": source.product, "service": source.service}
    return _yaml({name: value for name, value in named.items() if value})


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=1000).rstrip()


def _log(log: Mapping[str, Any] | str) -> str:
    """Behind `log:`: a block of text, or a mapping below."""
    if isinstance(log, str):
        return " |\n" + indent(log.rstrip("\n"), "    ")
    return "\n" + indent(_yaml(log), "    ")


def _quiet(example: Example) -> str:
    """A record as what it says otherwise than the first."""
    log, quiet = example.log, example.quiet
    if isinstance(log, str) or isinstance(quiet, str) or log.keys() - quiet.keys():
        return _log(quiet)
    others = {name: value for name, value in quiet.items() if name not in log or log[name] != value}
    return "\n    <<: *log" + _log(others)


def vacant(folder: Path, name: str) -> list[Path]:
    """Where the two files go.

    Raises:
        UsageError: one of them is there.
    """
    paths = [folder / f"{name}.yml", folder / f"{name}.cases.yml"]
    for path in paths:
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already")
    return paths


def place(folder: Path, name: str, made: Scaffold) -> list[Path]:
    """Write both files; what is there is never overwritten.

    Raises:
        UsageError: one of them is there.
    """
    paths = vacant(folder, name)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, (made.rule, made.cases), strict=True):
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    return paths
