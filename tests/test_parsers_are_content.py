"""Parsers are content: loaded, never imported, and standing on two rooms alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PARSERS = sorted((Path(__file__).parents[1] / "parsers").glob("*.py"))


@pytest.mark.parametrize("path", PARSERS, ids=lambda path: path.stem)
def test_a_parser_imports_only_parsing_and_schema_of_ours(path: Path) -> None:
    tree = ast.parse(path.read_text())
    named = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    named += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    ours = {name for name in named if name.partition(".")[0] in ("siem", "parsers")}
    assert {".".join(name.split(".")[:2]) for name in ours} <= {"siem.parsing", "siem.schema"}


def test_there_are_parsers() -> None:
    assert len(PARSERS) >= 4
