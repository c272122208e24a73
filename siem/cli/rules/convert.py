"""`siem rules convert`: the same rules in the language of another SIEM, by sigma-cli."""

from __future__ import annotations

import typer

from siem.run import converting

PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def convert(context: typer.Context) -> None:
    """Hand over to `sigma convert`, with all that follows: convert -t lucene rule.yml. Needs hinomi[convert]."""
    raise typer.Exit(converting.convert(context.args))
