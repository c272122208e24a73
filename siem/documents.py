"""YAML files as documents that know on which lines their parts stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from siem.errors import ContentError
from siem.problem import Place

DIRECTIVES = re.compile(r"\s*+(?:[%#].*+\s*+)++")
"""What may stand before the first `---`; every document is read as YAML 1.1 all the same."""
MOST_VALUES = 200_000
"""Values of a document, those that aliases repeat counted again: a few lines can name a billion."""
SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)


class _Loader(yaml.CSafeLoader):
    """Refuses a key that stands twice in one mapping, and leaves dates as they are written."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (as PyYAML declares it)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    raise yaml.MarkedYAMLError(problem=f"key `{key.value}` stands twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class Refused(ContentError):
    """Something wrong with a document. id, title: of it, as far as they can be read; without an id its name.

    number: which of the file's documents it is.
    """

    def __init__(
        self,
        message: str,
        file: str,
        line: int,
        id: str | None = None,  # noqa: A002
        title: str | None = None,
        number: int = 1,
    ) -> None:
        super().__init__(message, file, line)
        self.id, self.title, self.number = id, title, number


@dataclass(frozen=True)
class Document:
    """One YAML document of a file. number: from 1, empty ones not counted. content: whatever it holds."""

    file: str
    number: int
    content: Any
    start: int
    node: yaml.Node = field(repr=False)

    def line(self, place: Place = ()) -> int:
        """The line, from 1, on which the value at `place` stands, or the last that can be found on the way there."""
        node, mark = self.node, self.node.start_mark
        for step in place:
            below = _below(node, step)
            if below is None:
                break
            node, mark = below
        return int(mark.line) + self.start

    def below(self, place: Place) -> yaml.Node | None:
        """What is written at `place`; None where nothing is, as where a pipeline has put it."""
        node: yaml.Node | None = self.node
        for step in place:
            found = _below(node, step) if node is not None else None
            node = found[0] if found else None
        return node

    def error(self, message: str, place: Place = ()) -> Refused:
        given = self.content if isinstance(self.content, dict) else {}
        named = [text for text in (given.get("id"), given.get("name")) if isinstance(text, str)]
        title = given.get("title")
        id_ = next(iter(named), None)
        return Refused(message, self.file, self.line(place), id_, title and str(title), self.number)


def _below(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Mark] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((value, key.start_mark) for key, value in node.value if key.value == str(step)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step], node.value[step].start_mark
    return None


def documents(path: Path, errors: list[ContentError]) -> Iterator[Document]:
    """The documents of a file. One that is no YAML goes to `errors` and disturbs no other."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        errors.append(ContentError(f"cannot be read: {error.strerror}", str(path)))
        return
    except UnicodeDecodeError:
        errors.append(ContentError("is not UTF-8", str(path)))
        return
    number = 0
    for start, part in parts(text):
        if DIRECTIVES.fullmatch(part):
            continue
        try:
            document = read(str(path), number + 1, start, part)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            said = getattr(error, "problem", None) or str(error).replace("\n", " ")
            errors.append(ContentError(f"not YAML: {said}", str(path), start + (mark.line if mark else 0)))
            number += 1
            continue
        except (RecursionError, ValueError) as error:
            errors.append(ContentError(f"not YAML that can be used: {error}", str(path), start))
            number += 1
            continue
        if document is not None:
            number += 1
            yield document


def mapping(path: Path, errors: list[ContentError]) -> Document | None:
    """The document of a file that holds one mapping; None where it holds nothing.

    What else it holds goes to `errors`, and then it is None too.
    """
    before = len(errors)
    found = list(documents(path, errors))
    if len(errors) > before or not found:
        return None
    for document in found:
        if document.number > 1 or not isinstance(document.content, dict):
            errors.append(document.error("the file must be one mapping"))
            return None
    return found[0]


def parts(text: str) -> Iterator[tuple[int, str]]:
    """The text between lines of `---`, with the number of its first line."""
    cuts = [0, *(found.end() for found in SEPARATOR.finditer(text))]
    for position, cut in enumerate(cuts):
        end = cuts[position + 1] - 3 if position + 1 < len(cuts) else len(text)
        yield text.count("\n", 0, cut) + 1, text[cut:end]


def read(file: str, number: int, start: int, text: str) -> Document | None:
    """One document; None where there is none (comments alone)."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if values(node, {}) > MOST_VALUES:
            raise ValueError(f"its aliases make more than {MOST_VALUES:,} values of it")
        return Document(file, number, loader.construct_document(node), start, node)
    finally:
        loader.dispose()


def values(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, aliases followed.

    Raises:
        ValueError: it holds itself.
    """
    if id(node) not in known:
        known[id(node)] = 0
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        inner = [part for pair in below for part in pair] if isinstance(node, yaml.MappingNode) else below
        known[id(node)] = 1 + sum([values(part, known) for part in inner])
    elif not known[id(node)]:
        raise ValueError("an alias stands inside what it names")
    return known[id(node)]
