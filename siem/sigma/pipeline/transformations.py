"""What the transformations of a processing pipeline do to a whole rule, and what all of them have in common.

pySigma: sigma.processing.transformations. Those of field names are in `field_transformations`, those of values in
`value_transformations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Template
from typing import Any, ClassVar, TypeAlias

from siem.problem import Problem
from siem.sigma.pipeline import selections
from siem.sigma.pipeline.conditions import Linked
from siem.sigma.pipeline.selections import Group, Item, Part
from siem.sigma.pipeline.subject import Run, Subject
from siem.sigma.pipeline.values import references

Names: TypeAlias = str | list[str]
HEAD = frozenset(
    ("title", "id", "name", "taxonomy", "related", "status", "description", "license", "author", "references", "date",
     "modified", "logsource", "detection", "correlation", "filter", "fields", "falsepositives", "level", "tags",
     "scope")
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A transformation with its conditions. where: file and line. id: None where it has none.

    for_rule, for_item, for_field: its conditions; of lines both of the latter must hold.
    """

    type: str
    transformation: Transformation
    where: str
    id: str | None = None
    for_rule: Linked = field(default_factory=Linked)
    for_item: Linked = field(default_factory=Linked)
    for_field: Linked = field(default_factory=Linked)

    def takes(self, item: Item, run: Run) -> bool:
        """Whether its conditions on lines and on field names hold of a line."""
        return bool(
            self.for_item.holds(lambda condition: condition.of_item(item, run))
            and self.for_field.holds(lambda condition: _of_line(condition, item, run))
        )

    def takes_field(self, name: str | None, run: Run) -> bool:
        return bool(self.for_field.holds(lambda condition: condition.of_field(name, run)))

    def perform(self, subject: Subject, run: Run) -> None:
        """Change the subject, if the conditions hold.

        Raises:
            Problem: it cannot be applied; names file, line and transformation.
        """
        try:
            holds = self.for_rule.holds(lambda condition: condition.of_rule(subject, run))
            if self.for_rule.conditions and holds is None:
                raise Problem(f"a {subject.kind} alone does not tell whether its rule_conditions hold")
            if self.for_rule.conditions and not holds:
                return
            self.transformation.apply(subject, self, run)
            run.applied |= {self.id} if self.id and self.transformation.concerns(subject) else set()
        except Problem as problem:
            raise Problem(f"{self.type} ({self.where}): {problem.message}", problem.place) from problem


def _of_line(condition: Any, item: Item, run: Run) -> bool:
    if hasattr(condition, "of_line"):
        return bool(condition.of_line(item, run))
    return any(condition.of_field(name, run) for name in (item.field, *references(item)))


@dataclass(frozen=True)
class Transformation:
    """by_line: it looks at conditions on lines and on field names."""

    by_line: ClassVar[bool] = False

    def concerns(self, subject: Subject) -> bool:
        """Whether conditions can say that it was applied to it."""
        return True

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        raise NotImplementedError


Make: TypeAlias = Callable[[Item], Part | None]


def each_line(subject: Subject, step: Step, run: Run, make: Make) -> None:
    """Put what `make` returns in a line's place, where the step's conditions hold of the line; None: it stays."""
    for group in subject.groups.values():
        _each_line(group, step, run, make)


def _each_line(group: Group, step: Step, run: Run, make: Make) -> None:
    for place, part in enumerate(group.parts):
        if isinstance(part, Group):
            _each_line(part, step, run, make)
        elif step.takes(part, run) and (new := make(part)) is not None:
            group.parts[place] = new
            for item in selections.items(new):
                item.applied |= {step.id} if step.id else set()


def listed(names: Names) -> list[str]:
    return [names] if isinstance(names, str) else names


@dataclass(frozen=True)
class AddCondition(Transformation):
    """One more selection that has to hold (`negated`: must not). template: $category, $product, $service in values."""

    conditions: dict[str, Any]
    name: str | None = None
    template: bool = False
    negated: bool = False

    def __post_init__(self) -> None:
        if selections.read(self.conditions, ()) is None:
            raise Problem("`conditions` must be a map of fields and values", ("conditions",))
        if self.name is not None and not self.name.replace("-", "_").isidentifier():
            raise Problem("`name` must be one word", ("name",))

    def concerns(self, subject: Subject) -> bool:
        return subject.kind != "correlation"

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        if subject.kind != "rule" or not isinstance(subject.content.get("detection"), Mapping):
            return  # a filter becomes part of a rule, which has the condition then
        section = subject.content["detection"]
        name = self._name(section)
        group = selections.read({key: self._filled(value, subject) for key, value in self.conditions.items()}, ())
        assert group is not None  # noqa: S101  (read when it was made)
        for item in selections.items(group):
            item.place, item.applied = ("detection",), {step.id} if step.id else set()
        subject.content["detection"] = {**section, name: None}
        subject.groups[name] = group
        sign = "not " if self.negated else ""
        subject.conditions = [
            f"{sign}{name} and ({text})" if isinstance(text, str) and text.strip() else text
            for text in subject.conditions
        ]

    def _name(self, section: Mapping[str, Any]) -> str:
        if self.name is not None and self.name in section:
            raise Problem(f"the rule has a selection `{self.name}` of its own", ("detection", self.name))
        number = 0
        while (name := self.name or f"_added_{number}") in section:
            number += 1
        return name

    def _filled(self, value: Any, subject: Subject) -> Any:
        if isinstance(value, list):
            return [self._filled(one, subject) for one in value]
        if not self.template or not isinstance(value, str):
            return value
        source = subject.content.get("logsource")
        named = {name: text for name, text in source.items() if text} if isinstance(source, Mapping) else {}
        known = {name: named.get(name) for name in ("category", "product", "service")}
        missing = [name for name in Template(value).get_identifiers() if name in known and known[name] is None]
        if missing:
            raise Problem(f"the rule's log source has no {missing[0]}, which the template names", ("logsource",))
        return Template(value).safe_substitute(known)


@dataclass(frozen=True)
class ChangeLogsource(Transformation):
    category: str | None = None
    product: str | None = None
    service: str | None = None

    def __post_init__(self) -> None:
        if not self._source():
            raise Problem("it needs a category, product or service")

    def _source(self) -> dict[str, str]:
        named = {"category": self.category, "product": self.product, "service": self.service}
        return {name: value for name, value in named.items() if value}

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        if subject.kind == "filter":
            raise Problem("rules of this filter get another log source, and then it is not known which it is for")
        if subject.kind == "rule":
            subject.content["logsource"] = self._source()


@dataclass(frozen=True)
class SetCustomAttribute(Transformation):
    attribute: str
    value: Any

    def __post_init__(self) -> None:
        if self.attribute in HEAD:
            raise Problem(f"`{self.attribute}` is no custom attribute", ("attribute",))

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        subject.content[self.attribute] = self.value


@dataclass(frozen=True)
class SetState(Transformation):
    key: str
    val: Any

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        run.state[self.key] = self.val


@dataclass(frozen=True)
class RuleFailure(Transformation):
    message: str

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        raise Problem(self.message)


@dataclass(frozen=True)
class DetectionItemFailure(Transformation):
    by_line = True
    message: str

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        each_line(subject, step, run, self._fail)

    def _fail(self, item: Item) -> None:
        raise Problem(self.message, item.place)


@dataclass(frozen=True)
class DropDetectionItem(Transformation):
    by_line = True

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        each_line(subject, step, run, lambda item: Group([]))


@dataclass(frozen=True)
class Nest(Transformation):
    steps: tuple[Step, ...]

    def apply(self, subject: Subject, step: Step, run: Run) -> None:
        inner = run.nested()
        for below in self.steps:
            below.perform(subject, inner)
        run.merge(inner)
