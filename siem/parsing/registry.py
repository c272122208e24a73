"""Finds the parser of an object. Parsers are files: a folder is read, nothing is registered by hand."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from siem.errors import ContentError
from siem.parsing.parser import Parser


@dataclass(frozen=True)
class Registry:
    """All parsers, by dataset."""

    parsers: dict[str, Parser]

    def claiming(self, key: str) -> list[Parser]:
        """The parsers that take an object of this key for theirs; content decides between several."""
        return [parser for parser in self.parsers.values() if parser.claims(key)]


def load_parsers(folders: Iterable[Path]) -> tuple[Registry, list[ContentError]]:
    """Load every `*.py` of the folders; a later folder replaces a parser of the same file name.

    A file that cannot be used is one error and disturbs no other.
    """
    files: dict[str, Path] = {}
    for folder in folders:
        files |= {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}
    parsers: dict[str, Parser] = {}
    errors: list[ContentError] = []
    for path in files.values():
        try:
            parser = _load(path)
        except ContentError as error:
            errors.append(error)
            continue
        parsers[parser.dataset] = parser
    return Registry(parsers), errors


def _load(path: Path) -> Parser:
    # A name per file: a team's parser must not take the place of the shipped one that it is named like.
    name = f"siem_content_{path.stem}_{hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ContentError("cannot be loaded as Python", str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where msgspec looks the names of annotations up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a private parser may fail in any way, and alone
        raise ContentError(f"{type(error).__name__}: {error}", str(path)) from error
    parser: Parser | None = getattr(module, "PARSER", None)
    if parser is None:
        raise ContentError("defines no PARSER", str(path))
    if parser.dataset.rpartition(".")[2] != path.stem:
        raise ContentError(
            f"dataset {parser.dataset} must be in a file {parser.dataset.rpartition('.')[2]}.py", str(path)
        )
    return parser
