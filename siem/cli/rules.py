"""`siem rules`: check, test and list them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.detect.sources import Sources
from siem.run.cases import cases, verdict
from siem.sigma import Rule, datasets_of

app = typer.Typer(rich_markup_mode=None, help="Sigma rules: check, test, list.", no_args_is_help=True)

Paths = Annotated[list[Path] | None, typer.Argument(metavar="[PATH…]", help="Rules; without any all that are in use.")]


@app.command()
def check(
    paths: Paths = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Every error of every rule, with file and line, and what is perhaps not meant. Exit code 1 where there is an
    error."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content, told=False)
    sources = options.sources(settings.content)
    errors = [("error", error.file, error.line, error.message) for error in found.refused]
    warnings = [("warning", rule.file, rule.line, doubt) for rule in found.rules for doubt in doubts(rule, sources)]
    rows = [
        {"severity": severity, "place": f"{file}:{line}" if line else file, "file": file, "line": line, "problem": text}
        for severity, file, line, text in [*errors, *warnings]
    ]
    write(rows, ("severity", "place", "problem"), form)
    tell(f"{len(found.rules)} rules are good, {len(errors)} refused")
    if errors:
        raise typer.Exit(1)


def doubts(rule: Rule, sources: Sources) -> list[str]:
    """What is allowed and yet perhaps not meant."""
    if not datasets_of(rule, sources.logsources):
        return ["no dataset answers this log source: the rule never matches"]
    return [] if rule.level else ["no level: its alerts are medium"]


@app.command(name="list")
def list_(
    paths: Paths = None,
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


@app.command(name="test")
def run_cases(
    paths: Paths = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Run the cases beside the rules, through parser, schema and every engine. Exit code 1 where one fails."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content)
    registry = options.registry(settings.content)
    sources = Sources.of(registry)
    own, problems = cases(found.rules, sources)
    options.refused(problems)
    verdicts = [verdict(case, registry, sources) for case in own]
    rows = [
        {
            "rule_id": v.case.rule.key,
            "case": v.case.name,
            "expected": v.case.match,
            "matched": v.matched,
            "ok": v.ok,
            "file": v.case.file,
            "why": v.why or None,
        }
        for v in verdicts
    ]
    write(rows, ("ok", "case", "expected", "matched", "why"), form)
    failed = sum(not v.ok for v in verdicts)
    tell(f"{len(verdicts)} cases of {len(found.rules)} rules, {failed} failed")
    if failed or problems or found.refused:
        raise typer.Exit(1)
