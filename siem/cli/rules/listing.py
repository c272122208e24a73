"""`siem rules list`: the rules that are in use."""

from __future__ import annotations

from siem.cli import options
from siem.cli.output import write
from siem.sigma import datasets_of


def list_(
    paths: options.RulesArgument = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """The rules, those that are refused with the reason."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content)
    sources = options.sources(settings.content)
    rows = [
        {
            "id": rule.key,
            "title": rule.title,
            "level": rule.level,
            "datasets": list(datasets_of(rule, sources.logsources)),
            "tags": list(rule.tags),
            "file": f"{rule.file}:{rule.line}",
            "refused": None,
        }
        for rule in found.rules
    ]
    rows += [
        {
            "id": None,
            "title": None,
            "level": None,
            "datasets": [],
            "tags": [],
            "file": place,
            "refused": problem.message,
        }
        for problem in found.refused
        for place in [f"{problem.file}:{problem.line}" if problem.line else problem.file]
    ]
    write(rows, ("level", "title", "datasets", "id", "refused"), form)
