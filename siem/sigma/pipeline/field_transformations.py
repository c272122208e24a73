"""Transformations of field names, wherever a rule has them (pySigma: sigma.processing.transformations.fields)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from siem.problem import Problem
from siem.sigma.pipeline import values
from siem.sigma.pipeline.conditions import one_of
from siem.sigma.pipeline.selections import Group, Item, Part
from siem.sigma.pipeline.subject import Run, Subject
from siem.sigma.pipeline.transformations import Names, Step, Transformation, each_line, listed

Rename: TypeAlias = Callable[[str], list[str]]


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


FUNCTIONS: Mapping[str, Callable[[str], str]] = {
    "lower": str.lower, "upper": str.upper, "title": str.title, "snake_case": snake_case,
}  # fmt: skip


def checked(name: Any, place: str) -> None:
    if not isinstance(name, str) or not name or "|" in name:
        raise Problem(f"{name!r} cannot be the name of a field", (place,))


class FieldNames(Transformation):
    """A transformation that gives fields other names."""

    by_line = True

    def new(self, name: str | None) -> Names | None:
        """The name or names that a field has instead, None where it keeps its own; of None: the field of keywords."""
        raise NotImplementedError

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        rename = partial(self._renamed, step=step, run=run)
        if isinstance(given := subject.content.get("fields"), list):
            subject.content["fields"] = _all(given, rename)
        if subject.kind == "correlation" and isinstance(given := subject.content["correlation"], Mapping):
            subject.content["correlation"] = correlation(given, rename)
        each_line(subject, step, run, partial(self._line, rename=rename, step=step, run=run))

    def _renamed(self, name: str, step: Step, run: Run) -> list[str]:
        new = self.new(name)
        if new is None or not step.takes_field(name, run):
            return [name]
        run.rename(name, listed(new), step.id)
        return listed(new)

    def _line(self, item: Item, rename: Rename, step: Step, run: Run) -> Part | None:
        referred = any(step.takes_field(name, run) for name in values.references(item))
        new = self.new(item.field)
        named = new is not None and step.takes_field(item.field, run)
        if new is not None and (named or referred):
            run.mapped |= {item.field, *listed(new)}
        if referred:
            item.values = [name for value in item.values for name in _reference(value, rename)]
        if new is None or not named:
            return item if referred else None
        if item.field is None:
            _inside(item, listed(new)[0])
        if isinstance(new, str):
            item.field = new
            return item
        return Group([Item(name, item.modifiers, item.value, item.place) for name in new], either=True)


def _inside(item: Item, name: str) -> None:
    """Keywords are looked for inside of values, so in a field they need wildcards at both ends."""
    item.field = name
    values.changed(item, lambda value: [values.edged(value)] if isinstance(value, tuple) else None)


def _reference(value: Any, rename: Rename) -> list[Any]:
    if not isinstance(value, str):
        return [value]
    name = "".join(map(str, values.read(value, False)))
    return [value if new == name else values.written((new,)) for new in rename(name)]


def _all(given: list[Any], rename: Rename) -> list[Any]:
    return [new for name in given for new in (rename(name) if isinstance(name, str) else [name])]


def correlation(given: Mapping[str, Any], rename: Rename) -> dict[str, Any]:
    """A correlation with its fields renamed: of aliases, of `group-by` and of the condition; not the aliases."""
    made = dict(given)
    aliases = given.get("aliases")
    if isinstance(aliases, Mapping):
        made["aliases"] = {
            alias: {rule: _one(name, rename, ("aliases", alias, rule)) for rule, name in fields.items()}
            if isinstance(fields, Mapping)
            else fields
            for alias, fields in aliases.items()
        }
    own = frozenset(aliases) if isinstance(aliases, Mapping) else frozenset()

    def spare(name: str) -> list[str]:
        return [name] if name in own else rename(name)

    if group := given.get("group-by"):
        made["group-by"] = _all(group if isinstance(group, list) else [group], spare)
    condition = given.get("condition")
    if isinstance(condition, Mapping) and (field_or_fields := condition.get("field")) is not None:
        named = field_or_fields if isinstance(field_or_fields, list) else [field_or_fields]
        new = [_one(name, spare, ("condition", "field")) for name in named]
        made["condition"] = {**condition, "field": new if isinstance(field_or_fields, list) else new[0]}
    return made


def _one(name: Any, rename: Rename, place: tuple[Any, ...]) -> Any:
    if not isinstance(name, str):
        return name
    new = rename(name)
    if len(new) > 1:
        raise Problem(f"field `{name}` is mapped to several, and here only one can stand", ("correlation", *place))
    return new[0]


@dataclass(frozen=True)
class FieldNameMapping(FieldNames):
    mapping: dict[Any, Any]

    def __post_init__(self) -> None:
        for name, new in self.mapping.items():
            if name is not None:
                checked(name, "mapping")
            if not new:
                raise Problem(f"field `{name}` is mapped to nothing", ("mapping", name))
            for one in new if isinstance(new, list) else [new]:
                checked(one, "mapping")

    def new(self, name: str | None) -> Names | None:
        found: Names | None = self.mapping.get(name)
        return found


@dataclass(frozen=True)
class FieldNamePrefixMapping(FieldNameMapping):
    def __post_init__(self) -> None:
        super().__post_init__()
        if None in self.mapping:
            raise Problem("null is no prefix", ("mapping",))

    def new(self, name: str | None) -> Names | None:
        for prefix, new in self.mapping.items():
            if name is not None and name.startswith(prefix):
                rest = name[len(prefix) :]
                return new + rest if isinstance(new, str) else [one + rest for one in new]
        return None


@dataclass(frozen=True)
class FieldNameTransform(FieldNames):
    """pySigma wants a function, which YAML cannot name: here it has a name."""

    transform_func: str
    mapping: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        one_of(self.transform_func, tuple(FUNCTIONS), "transform_func")
        FieldNameMapping(self.mapping)

    def new(self, name: str | None) -> Names | None:
        return None if name is None else self.mapping.get(name) or FUNCTIONS[self.transform_func](name)


@dataclass(frozen=True)
class FieldNamePrefix(FieldNames):
    prefix: str

    def __post_init__(self) -> None:
        checked(self.prefix, "prefix")

    def new(self, name: str | None) -> str | None:
        return None if name is None else self.prefix + name


@dataclass(frozen=True)
class FieldNameSuffix(FieldNames):
    suffix: str

    def __post_init__(self) -> None:
        checked(self.suffix, "suffix")

    def new(self, name: str | None) -> str | None:
        return None if name is None else name + self.suffix


@dataclass(frozen=True)
class AddField(Transformation):
    field: Names

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        _set(subject, lambda fields: [*fields, *listed(self.field)])


@dataclass(frozen=True)
class RemoveField(Transformation):
    """Of a name that stands twice, pySigma removes the first."""

    field: Names

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        for name in listed(self.field):
            _set(subject, lambda fields, name=name: _less(fields, name))  # type: ignore[misc]


@dataclass(frozen=True)
class SetField(Transformation):
    fields: list[str]

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        _set(subject, lambda fields: list(self.fields))


def _less(fields: list[Any], name: str) -> list[Any]:
    place = fields.index(name) if name in fields else len(fields)
    return fields[:place] + fields[place + 1 :]


def _set(subject: Subject, change: Callable[[list[Any]], list[Any]]) -> None:
    given = subject.content.get("fields") or []
    new = change(given) if isinstance(given, list) and subject.kind != "filter" else given
    if new != given:
        subject.content["fields"] = new


@dataclass(frozen=True)
class StrictFieldMappingFailure(Transformation):
    """Refuses a rule with a field that no transformation before it mapped."""

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        for item in subject.items():
            if item.field is not None and item.field not in run.mapped:
                raise Problem(f"field `{item.field}` is not mapped", item.place)
