"""Transformations of values (pySigma: transformations.values, transformations.placeholder)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import isfinite
from typing import Any, ClassVar

from siem.problem import Problem
from siem.sigma import modifiers
from siem.sigma.pipeline import values
from siem.sigma.pipeline.conditions import compiled, one_of
from siem.sigma.pipeline.field_transformations import snake_case
from siem.sigma.pipeline.selections import Group, Item, Part
from siem.sigma.pipeline.subject import Run, Subject
from siem.sigma.pipeline.transformations import Step, Transformation, each_line, listed
from siem.sigma.pipeline.values import Piece, Pieces, Placeholder, Value
from siem.sigma.tree import Wild

CASES: Mapping[str, Callable[[str], str]] = {"lower": str.lower, "upper": str.upper, "snake_case": snake_case}
HASHES = {32: "MD5", 40: "SHA1", 64: "SHA256", 128: "SHA512"}
MOST_VALUES = 10_000
"""Values that placeholders of one line may become."""


def number(text: str | float) -> int | float:
    """As pySigma reads a number: from text only whole ones."""
    try:
        as_float, as_int = float(text), int(text)
    except (ValueError, OverflowError) as error:
        raise Problem(f"{text!r} cannot be a number") from error
    if not isfinite(as_float):
        raise Problem(f"{text!r} cannot be a number")
    return as_int if isinstance(text, str) or as_int == text else as_float


def digits(given: float) -> str:
    return str(number(given))


def is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Values(Transformation):
    """A transformation that puts other values in a value's place."""

    by_line = True
    keeps_case: ClassVar[bool] = True

    def new(self, value: Value) -> list[Value] | None:
        """What comes in its place; None: it stays."""
        raise NotImplementedError

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        each_line(subject, step, run, self._line)

    def _line(self, item: Item) -> Item | None:
        try:
            return item if values.changed(item, self.new, self.keeps_case) else None
        except Problem as problem:
            raise Problem(problem.message, item.place) from problem


@dataclass(frozen=True)
class ReplaceString(Values):
    """Numbers become text, as in pySigma."""

    regex: str
    replacement: str
    skip_special: bool = False
    interpret_special: bool = False
    _compiled: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", compiled(self.regex))
        try:
            self._compiled.sub(self.replacement, "")
            re.sub(f"(?:{self.regex})?", self.replacement, "")
        except (re.error, IndexError) as error:
            raise Problem(f"`replacement` cannot be read: {error}", ("replacement",)) from error

    def new(self, value: Value) -> list[Value] | None:
        if is_number(value):
            value = (digits(value),)  # type: ignore[arg-type]
        if not isinstance(value, tuple):
            return None
        if self.skip_special:
            return [values.literals(value, self._part)]
        replaced = self._compiled.sub(self.replacement, values.plain(value))
        return [values.read(re.sub(r"\\(?![*?])", r"\\\\", replaced), values.has_placeholder(value))]

    def _part(self, text: str) -> Sequence[Piece]:
        replaced = self._compiled.sub(self.replacement, text)
        return values.read(replaced, False) if self.interpret_special else [replaced]


@dataclass(frozen=True)
class MapString(Values):
    mapping: dict[str, Any]

    def __post_init__(self) -> None:
        for text, new in self.mapping.items():
            if not isinstance(text, str) or new == [] or not all(isinstance(one, str) for one in _several(new)):
                raise Problem(f"`{text}` must be a text that is mapped to one or more texts", ("mapping", text))

    def new(self, value: Value) -> list[Value] | None:
        if not isinstance(value, tuple) or (found := self.mapping.get(values.plain(value))) is None:
            return None
        return [values.read(text, False) for text in listed(found)]


def _several(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


@dataclass(frozen=True)
class SetValue(Values):
    keeps_case = False
    value: str | int | float | bool | None
    force_type: str | None = None

    def __post_init__(self) -> None:
        one_of(self.force_type or "str", ("str", "num"), "force_type")
        if self.force_type and self.value is None:
            raise Problem("force_type is for text and numbers", ("force_type",))
        self.new(None)

    def new(self, value: Value) -> list[Value] | None:
        if self.force_type == "num":
            return [number(self.value)]  # type: ignore[arg-type]
        if self.force_type == "str" or isinstance(self.value, str):
            return [values.read(str(self.value), False)]
        return [self.value]


@dataclass(frozen=True)
class ConvertType(Values):
    target_type: str

    def __post_init__(self) -> None:
        one_of(self.target_type, ("str", "num"), "target_type")

    def new(self, value: Value) -> list[Value] | None:
        if self.target_type == "num" and isinstance(value, tuple):
            return [number(values.plain(value))]
        return [(digits(value),)] if self.target_type == "str" and is_number(value) else None  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case(Values):
    method: str = "lower"

    def __post_init__(self) -> None:
        one_of(self.method, tuple(CASES), "method")

    def new(self, value: Value) -> list[Value] | None:
        if not isinstance(value, tuple):
            return None
        return [values.literals(value, lambda text: [CASES[self.method](text)])]


@dataclass(frozen=True)
class Placeholders(Transformation):
    """A transformation that resolves `%name%` of lines with `expand`; `include` and `exclude` say of which names."""

    by_line = True
    include: list[str] | None = None
    exclude: list[str] | None = None

    def __post_init__(self) -> None:
        if self.include is not None and self.exclude is not None:
            raise Problem("include and exclude cannot stand together")

    def resolved(self, name: str, run: Run) -> list[Pieces]:
        """What may stand in the place of a name."""
        raise NotImplementedError

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        each_line(subject, step, run, partial(self._line, run=run))

    def _handles(self, piece: object) -> bool:
        if not isinstance(piece, Placeholder):
            return False
        return piece.name in self.include if self.include is not None else piece.name not in (self.exclude or ())

    def _line(self, item: Item, run: Run) -> Item | None:
        is_regex = "re" in item.modifiers
        read = regex_read if is_regex else partial(values.read, expand=True)
        if "expand" not in item.modifiers:
            return None
        before = [read(value) if isinstance(value, str) else value for value in item.values]
        if not any(isinstance(value, tuple) and any(map(self._handles, value)) for value in before):
            return None
        try:
            after = [new for value in before for new in self._new(value, run, is_regex)]
        except Problem as problem:
            raise Problem(problem.message, item.place) from problem
        if len(after) > MOST_VALUES:
            raise Problem(f"placeholders make more than {MOST_VALUES:,} values of this", item.place)
        left = any(isinstance(value, tuple) and values.has_placeholder(value) for value in after)
        write = partial(regex_written, expand=left) if is_regex else partial(values.written, expand=left)
        item.values = [write(value) if isinstance(value, tuple) else value for value in after]
        if not left:
            item.modifiers = tuple(name for name in item.modifiers if name != "expand")
        return item

    def _new(self, value: Any, run: Run, is_regex: bool) -> Iterator[Any]:
        if not isinstance(value, tuple):
            yield value
            return
        choices: list[list[Pieces]] = []
        for piece in value:
            if not self._handles(piece):
                choices.append([(piece,)])
                continue
            given = self.resolved(piece.name, run)
            if is_regex and any(isinstance(one, Wild) for pieces in given for one in pieces):
                raise Problem(f"placeholder %{piece.name}% has wildcards, and stands in a regular expression")
            choices.append([(values.plain(pieces),) for pieces in given] if is_regex else given)
        for count, chosen in enumerate(product(*choices)):
            if count > MOST_VALUES:
                raise Problem(f"placeholders make more than {MOST_VALUES:,} values of this")
            yield tuple(piece for pieces in chosen for piece in pieces)


def regex_read(value: str) -> Pieces:
    return tuple([Placeholder(text) if is_name else text for text, is_name in modifiers.regex_pieces(value)])


def regex_written(pieces: Pieces, expand: bool) -> str:
    made = ""
    for piece in pieces:
        if isinstance(piece, Placeholder):
            made += f"%{piece.name}%"
        elif isinstance(piece, str):  # an expression has no wildcards
            made += piece.replace("%", r"\%") if expand else piece
    return made


@dataclass(frozen=True)
class ValuePlaceholders(Placeholders):
    def resolved(self, name: str, run: Run) -> list[Pieces]:
        if name not in run.variables:
            raise Problem(f"placeholder %{name}% is not resolved: `vars` has no {name}")
        return [values.read(str(value), False) for value in _several(run.variables[name])]


@dataclass(frozen=True)
class WildcardPlaceholders(Placeholders):
    def resolved(self, name: str, run: Run) -> list[Pieces]:
        return [(Wild.ANY,)]


@dataclass(frozen=True)
class HashesFields(Transformation):
    """`Hashes: MD5=…` as `MD5: …`: one of the fields has one of its values."""

    by_line = True
    valid_hash_algos: list[str]
    field_prefix: str = ""
    drop_algo_prefix: bool = False
    field_to_parse: list[str] = field(default_factory=lambda: ["Hashes", "Hash"])

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        each_line(subject, step, run, self._line)

    def _line(self, item: Item) -> Part | None:
        if item.field not in self.field_to_parse:
            return None
        texts = [values.plain(value) for value in values.compared(item) if isinstance(value, tuple)]
        if len(texts) < len(item.values):
            return None
        if "neq" in item.modifiers or ("all" in item.modifiers and len(texts) > 1):
            raise Problem("hashes with `neq` or `all` would be looked for as if one was enough", item.place)
        found: dict[str, list[str]] = {}
        for kind, text in map(self._hash, texts):
            if kind in self.valid_hash_algos and (name := self.field_prefix + ("" if self.drop_algo_prefix else kind)):
                found.setdefault(name, []).append(text)
        if not found:
            raise Problem(f"none of {', '.join(self.valid_hash_algos)} is here", item.place)
        lines: list[Part] = [
            Item(None if name == "keyword" else name, (), given if len(given) > 1 else given[0], item.place)
            for name, given in found.items()
        ]
        return Group(lines, either=True)

    @staticmethod
    def _hash(text: str) -> tuple[str, str]:
        parts = text.split("|" if "|" in text else "=")
        if len(parts) == 2:
            return parts[0].lstrip("*").upper(), parts[1].strip("*?")
        value = parts[0].strip("*?")
        return HASHES.get(len(value), ""), value
