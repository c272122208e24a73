"""The command `siem`: one module per noun."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import typer

from siem import __version__
from siem.allocator import settle
from siem.cli import (
    alerts,
    config,
    demo,
    detect,
    dlq,
    doctor,
    hunt,
    ingest,
    notify,
    parse,
    rejects,
    reparse,
    rules,
    scheduler,
    store,
    verify,
    worker,
)
from siem.cli.output import tell
from siem.cli.streams import Closed, guard
from siem.errors import SiemError, Unavailable, UsageError

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
app.command(name="worker")(worker.worker)
app.command(name="reparse")(reparse.command)
app.command(name="detect")(detect.detect_command)
app.command(name="scheduler")(scheduler.scheduler)
app.command(name="hunt")(hunt.hunt)
app.command(name="verify")(verify.command)
app.command(name="doctor")(doctor.doctor)
app.add_typer(rules.app, name="rules")
app.add_typer(alerts.app, name="alerts")
app.add_typer(notify.app, name="notify")
app.add_typer(dlq.app, name="dlq")
app.add_typer(rejects.app, name="rejects")
app.add_typer(store.app, name="store")
app.add_typer(config.app, name="config")


@app.command()
def version() -> None:
    """The version."""
    sys.stdout.write(f"hinomi {__version__}\n")


WrongCall: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What a call that cannot be understood raises; Typer brings its own click, or not, by its version."""

INTERRUPTED = 130


def main() -> None:
    settle()
    guard()
    sys.exit(ended(sys.argv[1:]))


def ended(arguments: list[str]) -> int:
    """Run a command; returns its exit code. An error that we know is one line on stderr, never a traceback."""
    try:
        try:
            code = app(args=list(spread(filled(arguments))), prog_name="siem", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except Closed:
        return 0
    except SiemError as error:
        tell(f"siem: {error}")
        return error.exit_code
    except WrongCall as error:
        return wrong(error)
    except typer.Abort:
        return INTERRUPTED
    except OSError as error:
        tell(f"siem: {error}")
        return Unavailable.exit_code
    return code if isinstance(code, int) else 0


def wrong(error: Any) -> int:
    """A call that cannot be understood: how to call it, and what is wrong."""
    context = getattr(error, "ctx", None)
    message = error.format_message().splitlines()
    if context is not None and len(message) == 1:  # else it is the whole help
        message = [context.get_usage(), *message, f"Try '{context.command_path} --help'."]
    for line in message:
        tell(line)
    return UsageError.exit_code


def spread(arguments: list[str]) -> Iterable[str]:
    """`--on A B C` as `--on A --on B --on C`: the option takes any number of files, but not none.

    Raises:
        UsageError: `--on` has no file.
    """
    inside = False
    for argument, after in pairwise([*arguments, "--"]):
        if argument.startswith("--"):
            inside = argument == "--on"
            if inside and after.startswith("--"):
                raise UsageError("--on: name the files")
            if not inside:
                yield argument
        elif inside:
            yield from ("--on", argument)
        else:
            yield argument


def filled(arguments: list[str]) -> list[str]:
    """The arguments, none of them empty, as one of a variable that is not set: that never means this folder.

    Raises:
        UsageError: one is empty.
    """
    for before, argument in pairwise(["siem", *arguments]):
        name, equals, value = argument.partition("=")
        if not argument:
            raise UsageError(f"the argument after {before} is empty")
        if name.startswith("--") and equals and not value:
            raise UsageError(f"{name} is empty")
    return arguments
