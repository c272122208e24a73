"""`siem rules new`: a first rule and its cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from siem.cli import options
from siem.cli.output import tell, write
from siem.run.scaffold import place, scaffold


def new(
    name: Annotated[str, typer.Argument(help="Lower case letters, digits and _.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where the files are made.")] = Path(),
    dataset: Annotated[str, typer.Option("--dataset", help="What the rule is about.")] = "aws.cloudtrail",
    correlation: Annotated[bool, typer.Option("--correlation", help="With a correlation that counts.")] = False,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Make NAME.yml and NAME.cases.yml, which pass as they are. Nothing is overwritten."""
    parsers = options.registry(options.settings(None, content).content)
    options.check_dataset(dataset, parsers)
    made = scaffold(name, parsers.parsers[dataset], (str(uuid4()), str(uuid4())), options.now().date(), correlation)
    paths = place(folder, name, made)
    write([{"file": str(path)} for path in paths], ("file",), form)
    tell(f"Now: siem rules test {paths[0]}")
