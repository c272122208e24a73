"""`siem rules test`: the cases beside the rules."""

from __future__ import annotations

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.detect.sources import Sources
from siem.run.cases import cases
from siem.run.verdicts import Trial


def run_cases(
    paths: options.RulesArgument = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Run the cases beside the rules, through parser, schema and every engine. Exit code 1 where one fails."""
    settings = options.settings(store, content)
    found = options.rules(paths, settings.content)
    registry = options.registry(settings.content)
    sources = Sources.of(registry)
    in_use = options.rules(None, settings.content, told=False, after=paths) if paths and found.filters else found
    own, problems = cases(found, sources, in_use)
    options.refused(problems)
    trial = Trial(registry, sources)
    verdicts = [trial.verdict(case) for case in own]
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
    tell(f"{len(verdicts)} cases of {len(found.own)} rules, {failed} failed")
    if failed or problems or found.refused:
        raise typer.Exit(1)
