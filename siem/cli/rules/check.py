"""`siem rules check`: what is wrong with rules, and what is perhaps not meant."""

from __future__ import annotations

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.sigma import Doubting


def check(
    paths: options.RulesArgument = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Every error of every rule, with file and line, and what is perhaps not meant. Exit code 1 where there is an
    error."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content, told=False)
    sources = options.sources(settings.content)
    doubting = Doubting(found, sources.fields, sources.logsources, options.lists(settings.content))
    errors = [("error", error.file, error.line, error.message) for error in found.refused]
    warnings = [("warning", doubt.file, doubt.line, doubt.message) for doubt in doubting.all()]
    rows = [
        {"severity": severity, "place": f"{file}:{line}" if line else file, "file": file, "line": line, "problem": text}
        for severity, file, line, text in [*errors, *warnings]
    ]
    write(rows, ("severity", "place", "problem"), form)
    tell(f"{len(found.own)} rules are good, {len(errors)} refused")
    if errors:
        raise typer.Exit(1)
