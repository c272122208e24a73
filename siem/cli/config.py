"""`siem config`: the settings in force."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import typer
from pydantic import BaseModel, SecretStr

from siem.cli import options
from siem.cli.output import write
from siem.spans import written
from siem.store import shown

app = typer.Typer(rich_markup_mode=None, help="The settings.", no_args_is_help=True)

HIDDEN = "***"


@app.callback()
def config() -> None:
    """A group, though it has one command."""


@app.command()
def show(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> None:
    """Every setting as it is in force, whatever said so. Secrets are written as ***."""
    write(list(rows(options.settings(store, content))), ("setting", "value"), form)


def rows(model: BaseModel, above: str = "") -> Iterator[dict[str, Any]]:
    for name in type(model).model_fields:
        value, setting = getattr(model, name), f"{above}{name}"
        if isinstance(value, BaseModel):
            yield from rows(value, f"{setting}.")
        else:
            yield {"setting": setting, "value": plainly(setting, value)}


def plainly(setting: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN
    if isinstance(value, timedelta):
        return written(value)
    return shown(value) if setting == "store" else value
