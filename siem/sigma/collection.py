"""Which documents are read: those of files and folders, unless others take their place, and those that they name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from siem.documents import Document, documents
from siem.errors import ContentError
from siem.sigma.correlation.reading import named_rules
from siem.sigma.files import rule_files
from siem.sigma.head import key_of, names_of

Labelled = tuple[Document, str]
"""A document, and the label of its file: what its rule is called by where it has no id and no name."""

File = tuple[int, Path, str]
"""Of which of the given paths it is, where it lies, and its label."""


def labelled(paths: Iterable[Path], replacing: bool) -> list[File]:
    """Each file once.

    replacing: of files with one label the last; else the later ones are labelled with the whole path.
    """
    found: dict[str, tuple[int, Path]] = {}
    seen: set[Path] = set()
    for root, path in enumerate(paths):
        for file in rule_files(path):
            if (real := file.resolve()) in seen:
                continue
            seen.add(real)
            label = file.relative_to(path).as_posix() if file != path else file.name
            found[file.as_posix() if label in found and not replacing else label] = (root, file)
    return [(root, file, label) for label, (root, file) in found.items()]


def collected(files: Iterable[File], replacing: bool, refused: list[ContentError]) -> list[Labelled]:
    """The documents of the files. What is no YAML goes to `refused`.

    replacing: without those that have the id or name of one of a later path.
    """
    given = [(root, document, label) for root, file, label in files for document in documents(file, refused)]
    newest = {key_of(document, label).lower(): root for root, document, label in given}
    return [
        (document, label)
        for root, document, label in given
        if not replacing or newest[key_of(document, label).lower()] == root
    ]


def lent(given: Sequence[Labelled], others: Sequence[Path]) -> list[Labelled]:
    """The documents of other files that correlations name and the given ones do not have, and those that these name."""
    known = {name for one in given for name in _called(one)}
    wanted = [name for document, _ in given for name in named_rules(document.content)]
    if known.issuperset(map(str.lower, wanted)):
        return []
    shelf: dict[str, Labelled] = {}
    for one in collected(labelled(others, replacing=True), True, []):
        for name in _called(one):
            shelf.setdefault(name, one)
    found: list[Labelled] = []
    for name in wanted:  # which grows
        taken = shelf.get(name.lower())
        if taken is None or name.lower() in known or key_of(*taken).lower() in known:
            continue
        known |= _called(taken)
        found.append(taken)
        wanted += named_rules(taken[0].content)
    return found


def _called(one: Labelled) -> set[str]:
    return {name.lower() for name in (key_of(*one), *names_of(one[0].content))}
