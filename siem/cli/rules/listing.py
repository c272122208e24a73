"""`siem rules list`: the rules that are in use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from siem.cli import options
from siem.cli.output import write
from siem.cli.rules import health
from siem.detect.sources import Sources
from siem.errors import ContentError
from siem.run.team import tuned_set
from siem.sigma import Correlation, Filter, Refused, Rule, RuleSet, datasets_of

COLUMNS = ("type", "level", "enabled", "tier", "title", "datasets", "id", "file", "refused")


def list_(
    paths: options.RulesArgument = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Rules, correlations, filters, and those that are refused with the reason; as the team's settings want them. Where
    there is a store, with the alerts of the last 90 days, how they were closed, and what is amiss."""
    settings = options.settings(store, content)
    found = tuned_set(options.rules(paths, settings.content, told=False), settings.content, whole=not paths)
    made = rows(found, options.sources(settings.content))
    known = health.looked_up(settings)
    if known is None:
        write(made, COLUMNS, form)
    else:
        write(health.joined(made, known), (*COLUMNS, *health.COLUMNS), form)


def rows(found: RuleSet, sources: Sources) -> Iterator[dict[str, Any]]:
    """A row each: what they are, by `type`; `refused` is null but for those that are, whose type is then null."""
    datasets: dict[str, list[str]] = {}
    for one in [*found.rules, *found.correlations, *found.resting]:
        if isinstance(one, Rule):
            datasets[one.key] = list(datasets_of(one, sources.logsources))
        else:
            datasets[one.key] = list(dict.fromkeys([name for key in one.rules for name in datasets[key]]))
    for one in [*found.own, *found.resting]:
        kind = one.kind if isinstance(one, Correlation) else "silence" if one.silence else "event"
        yield _row(one, kind, datasets[one.key], one.key not in found.disabled, found.set_at.get(one.key, {}))
    for added in found.filters:
        yield _row(added, "filter")
    for over in found.expired:
        yield _row(over, "filter", enabled=False)
    for problems in by_document(found.refused):
        yield _refused(problems)


def by_document(refused: Iterable[ContentError]) -> list[list[ContentError]]:
    """What is wrong, together where it is of one document."""
    found: dict[object, list[ContentError]] = {}
    for problem in refused:
        number = problem.number if isinstance(problem, Refused) else 0
        found.setdefault((problem.file, number) if problem.file else problem, []).append(problem)
    return list(found.values())


def _row(
    one: Rule | Correlation | Filter,
    kind: str,
    datasets: Sequence[str] = (),
    enabled: bool = True,
    set_at: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    return {
        "id": one.key,
        "title": one.title,
        "type": str(kind),
        "level": one.level,
        "datasets": list(datasets),
        "tags": list(one.tags),
        "file": f"{one.file}:{one.line}",
        "refused": None,
        "enabled": enabled,
        "levels": dict(one.levels),
        "after_hours": one.after_hours,
        "tier": one.tier,
        "channel": one.channel,
        "set_at": dict(set_at),
        "expires": one.expires if isinstance(one, Filter) else None,
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
        **dict.fromkeys(("enabled", "levels", "after_hours", "tier", "channel", "set_at", "expires")),
    }
