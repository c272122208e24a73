"""Finds the parser of an object. Parsers are files: a folder is read, nothing is registered by hand."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from siem.errors import ContentError
from siem.parsing.parser import Parser
from siem.schema import BY_NAME, DatasetFields, LogSource

KINDS: dict[str, type] = {"dataset": str, "version": str, "key": re.Pattern, "logsources": tuple, "unique_ids": bool}
"""What every parser has, whatever its shape; see `Parser`."""


@dataclass(frozen=True)
class Registry:
    """All parsers, by dataset."""

    parsers: dict[str, Parser]

    @property
    def fields(self) -> dict[str, DatasetFields]:
        """What documents of each dataset hold."""
        return {dataset: parser.fields for dataset, parser in self.parsers.items()}

    def claiming(self, key: str) -> list[Parser]:
        """The parsers that take an object of this key for theirs; content decides between several."""
        return [parser for parser in self.parsers.values() if parser.claims(key)]


def load_parsers(folders: Iterable[Path]) -> tuple[Registry, list[ContentError]]:
    """Load every `*.py` of the folders; a later folder replaces a parser of the same file name.

    A file that cannot be used is one error and disturbs no other. One that was to replace another leaves its dataset
    without a parser: its objects are read when it is mended, rather than now by a parser that was not wanted.
    """
    files: dict[str, Path] = {}
    replaced: dict[str, Path] = {}
    for folder in folders:
        found = {path.stem: path for path in sorted(folder.glob("*.py")) if not path.stem.startswith("_")}
        replaced |= {stem: files[stem] for stem in found if stem in files}
        files |= found
    parsers: dict[str, Parser] = {}
    errors: list[ContentError] = []
    for stem, path in files.items():
        try:
            parser = _load(path)
        except ContentError as error:
            instead = f" (it stands in place of {replaced[stem]})" if stem in replaced else ""
            errors.append(ContentError(f"{error.message}{instead}", error.file, error.line))
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
        parser: Parser | None = getattr(module, "PARSER", None)
        wrong = "defines no PARSER" if parser is None else _wrong(parser, path.stem)
    except (Exception, SystemExit) as error:  # a private parser may fail in any way, and alone
        message = " ".join(f"{type(error).__name__}: {error}".split())
        raise ContentError(message, str(path), _line(error, spec.origin or str(path))) from error
    if parser is None or wrong:
        raise ContentError(wrong, str(path))
    return parser


def _wrong(parser: Parser, stem: str) -> str:
    """What keeps a parser from being used; empty where nothing does. May fail in any way itself."""
    for name, kind in KINDS.items():
        if not isinstance(getattr(parser, name, None), kind):
            return f"PARSER has no `{name}` that is a {kind.__name__}; it is a {type(parser).__name__}"
    if not all(isinstance(source, LogSource) for source in parser.logsources):
        return "PARSER's `logsources` must be a tuple of LogSource"
    if parser.dataset.rpartition(".")[2] != stem:
        return f"dataset {parser.dataset} must be in a file {parser.dataset.rpartition('.')[2]}.py"
    if unknown := parser.fields.filled - BY_NAME.keys():
        return f"PARSER fills fields that the schema does not have: {', '.join(sorted(unknown))}"
    parser.claims("")
    parser.recognises(b"")
    return ""


def _line(error: BaseException, file: str) -> int | None:
    """Where in the file it went wrong. file: as Python calls it, which is its whole path."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else None
