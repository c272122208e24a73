"""`siem rules`: what an analyst does with Sigma rules."""

from __future__ import annotations

import typer

from siem.cli.rules import backtest, changes, check, convert, excepting, explain, listing, new, testing

app = typer.Typer(
    rich_markup_mode=None,
    help="Sigma rules: check, test, backtest, except, list, explain, begin, compare, convert.",
    no_args_is_help=True,
)
app.command(name="check")(check.check)
app.command(name="test")(testing.run_cases)
app.command(name="list")(listing.list_)
app.command(name="explain")(explain.explain)
app.command(name="new")(new.new)
app.command(name="except")(excepting.except_)
app.command(name="changes")(changes.changes_command)
app.command(name="backtest")(backtest.backtest_command)
app.command(name="convert", context_settings=convert.PASSED_ON)(convert.convert)
