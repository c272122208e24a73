"""Lists of values for `|expand`: YAML files of a content folder.

`lists/admin_networks.yml` is the list `admin_networks` when it holds a list of values, or a mapping with `values` (and
a `description`); any other mapping holds several lists by their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from siem.documents import Document, documents
from siem.errors import ContentError
from siem.problem import Place
from siem.sigma.files import rule_files
from siem.sigma.modifiers import Lists


def load_lists(folders: Iterable[Path]) -> tuple[Lists, list[ContentError]]:
    """The lists of all folders, a later one in place of an earlier of the same name; and what cannot be used."""
    found: dict[str, Sequence[str | int]] = {}
    errors: list[ContentError] = []
    for folder in folders:
        for file in rule_files(folder) if folder.is_dir() else []:
            for document in documents(file, errors):
                found |= _lists(document, file.stem, errors)
    return found, errors


def _lists(document: Document, stem: str, errors: list[ContentError]) -> dict[str, Sequence[str | int]]:
    content = document.content
    named: dict[str, tuple[Any, Place]] = {stem: (content, ())}
    if isinstance(content, dict) and isinstance(content.get("values"), list):
        named = {stem: (content["values"], ("values",))}
    elif isinstance(content, dict):
        named = {str(name): (values, (name,)) for name, values in content.items()}
    made: dict[str, Sequence[str | int]] = {}
    for name, (values, place) in named.items():
        if isinstance(values, list) and all(isinstance(value, (str, int, float)) for value in values):
            made[name] = [_value(value) for value in values]
        else:
            errors.append(document.error(f"list {name} must be a list of texts and numbers", place))
    return made


def _value(value: Any) -> str | int:
    """Numbers stay whole numbers; true, false and fractions are texts."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, (str, int)) else repr(value)
