"""`siem rules list`: the rules that are in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from siem.cli import options
from siem.cli.output import write
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.sigma import Correlation, Filter, Refused, Rule, RuleSet, datasets_of

COLUMNS = ("type", "level", "title", "datasets", "id", "file", "refused")


def list_(
    paths: options.RulesArgument = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Rules, correlations, filters, and those that are refused with the reason."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content, told=False)
    write(rows(found, options.sources(settings.content)), COLUMNS, form)


def rows(found: RuleSet, sources: Sources) -> Iterator[dict[str, Any]]:
    """A row each: what they are, by `type`; `refused` is null but for those that are, whose type is then null."""
    datasets: dict[str, list[str]] = {}
    for rule in found.rules:
        datasets[rule.key] = list(datasets_of(rule, sources.logsources))
    for above in found.correlations:
        datasets[above.key] = list(dict.fromkeys([name for key in above.rules for name in datasets[key]]))
    for one in found.own:
        yield _row(one, one.kind if isinstance(one, Correlation) else "event", datasets[one.key])
    for added in found.filters:
        yield _row(added, "filter", [])
    for problems in by_document(found.refused):
        yield _refused(problems)


def by_document(refused: Iterable[ContentError]) -> list[list[ContentError]]:
    """What is wrong, together where it is of one document."""
    found: dict[object, list[ContentError]] = {}
    for problem in refused:
        number = problem.number if isinstance(problem, Refused) else 0
        found.setdefault((problem.file, number) if problem.file else problem, []).append(problem)
    return list(found.values())


def _row(one: Rule | Correlation | Filter, kind: str, datasets: list[str]) -> dict[str, Any]:
    return {
        "id": one.key,
        "title": one.title,
        "type": str(kind),
        "level": one.level,
        "datasets": datasets,
        "tags": list(one.tags),
        "file": f"{one.file}:{one.line}",
        "refused": None,
    }


def _refused(problems: Sequence[ContentError]) -> dict[str, Any]:
    """The row of a document, at the line of the first of its problems."""
    problem = problems[0]
    known = problem if isinstance(problem, Refused) else None
    return {
        "id": known and known.id,
        "title": known and known.title,
        "type": None,
        "level": None,
        "datasets": [],
        "tags": [],
        "file": f"{problem.file}:{problem.line}" if problem.line else problem.file,
        "refused": "; ".join(dict.fromkeys([one.message for one in problems])),
    }
