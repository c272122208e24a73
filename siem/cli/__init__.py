"""The command `siem`: one module per noun."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import pyarrow as pa
import typer

from siem import __version__
from siem.cli import alerts, demo, detect, ingest, parse, rejects, rules, store
from siem.cli.output import errors
from siem.errors import SiemError

app = typer.Typer(
    name="siem",
    help="Hinomi: logs from S3 into one schema, Sigma rules over them, and proof that nothing was lost.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(name="demo")(demo.demo)
app.command(name="parse")(parse.parse)
app.command(name="ingest")(ingest.command)
app.command(name="detect")(detect.detect_command)
app.command(name="hunt")(detect.hunt)
app.add_typer(rules.app, name="rules")
app.add_typer(alerts.app, name="alerts")
app.add_typer(rejects.app, name="rejects")
app.add_typer(store.app, name="store")


@app.command()
def version() -> None:
    """The version."""
    sys.stdout.write(f"hinomi {__version__}\n")


def main() -> None:
    """Run a command; an error that we know is one line on stderr and its exit code."""
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own returns pages early: 1.6 × the time
    try:
        app(args=list(spread(sys.argv[1:])))
    except SiemError as error:
        errors.print(f"siem: {error}")
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def spread(arguments: Iterable[str]) -> Iterable[str]:
    """`--on A B C` as `--on A --on B --on C`: the option takes any number of files."""
    inside = False
    for argument in arguments:
        if argument.startswith("--"):
            inside = argument == "--on"
            if not inside:
                yield argument
        elif inside:
            yield from ("--on", argument)
        else:
            yield argument
