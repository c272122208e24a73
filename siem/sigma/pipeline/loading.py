"""Processing pipelines: files that say how rules are changed before they are read, most often their fields' names.

The format is pySigma's: https://sigmahq-pysigma.readthedocs.io/en/latest/Processing_Pipelines.html. docs/pipelines.md
says what of it is supported. What is not is an error, so that no rule runs without a change that a pipeline asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from siem.documents import Document, documents
from siem.errors import ContentError
from siem.problem import Place, Problem, Problems
from siem.sigma.files import rule_files
from siem.sigma.pipeline import field_transformations as names
from siem.sigma.pipeline import selections, subject
from siem.sigma.pipeline import transformations as rules
from siem.sigma.pipeline import value_transformations as values
from siem.sigma.pipeline.conditions import Linked, ProcessingItemApplied, ProcessingState
from siem.sigma.pipeline.parameters import LINK_KEYS, LINKS, linked, made
from siem.sigma.pipeline.transformations import Nest, SetState, Step

TRANSFORMATIONS: Mapping[str, type[Any]] = {
    "field_name_mapping": names.FieldNameMapping,
    "field_name_prefix_mapping": names.FieldNamePrefixMapping,
    "field_name_transform": names.FieldNameTransform,
    "field_name_prefix": names.FieldNamePrefix,
    "field_name_suffix": names.FieldNameSuffix,
    "add_field": names.AddField,
    "remove_field": names.RemoveField,
    "set_field": names.SetField,
    "strict_field_mapping_failure": names.StrictFieldMappingFailure,
    "add_condition": rules.AddCondition,
    "change_logsource": rules.ChangeLogsource,
    "drop_detection_item": rules.DropDetectionItem,
    "set_custom_attribute": rules.SetCustomAttribute,
    "set_state": rules.SetState,
    "rule_failure": rules.RuleFailure,
    "detection_item_failure": rules.DetectionItemFailure,
    "nest": rules.Nest,
    "replace_string": values.ReplaceString,
    "map_string": values.MapString,
    "set_value": values.SetValue,
    "convert_type": values.ConvertType,
    "case": values.Case,
    "value_placeholders": values.ValuePlaceholders,
    "wildcard_placeholders": values.WildcardPlaceholders,
    "hashes_fields": values.HashesFields,
}
OUTSIDE = "what a rule looks for must stand in content, where it is checked: use `value_placeholders` or a list"
REFUSED = {
    "regex": "it would make a search for a part of what must be equal; text is compared without case anyway",
    "query_expression_placeholders": "it writes text of one store's query language",
    "file_placeholders": OUTSIDE,
    "http_placeholders": OUTSIDE,
    "command_placeholders": OUTSIDE,
    "extract_fields": "it is not supported",
}
KEYS = frozenset(("name", "priority", "vars", "transformations", "allowed_backends", "postprocessing", "finalizers"))


@dataclass(frozen=True)
class Pipeline:
    """Transformations in order. name: as it says, else its path below the folder that was given. file: as given."""

    name: str
    priority: int
    file: str
    line: int
    steps: tuple[Step, ...]
    variables: Mapping[str, Any]

    def applied(
        self, content: Mapping[str, Any], referenced: Sequence[Mapping[str, Any]] | None = None
    ) -> dict[str, Any]:
        """A rule's, correlation's or filter's document after the transformations whose conditions hold.

        referenced: documents of the rules that a correlation names, also through correlations, as pipelines made them;
        a condition on log sources asks them. None: not known.

        Raises:
            Problem: it cannot be applied; says which transformation of which file, and stands where the rule has it.
        """
        given = subject.subject(content, referenced)
        before = {name: selections.state(group) for name, group in given.groups.items()}
        run = subject.Run(self.variables)
        try:
            for step in self.steps:
                step.perform(given, run)
            return subject.written(given, before)
        except Problem as problem:
            raise Problem(f"pipeline `{self.name}`: {problem.message}", problem.place) from problem


def load_pipelines(paths: Iterable[Path]) -> tuple[list[Pipeline], list[ContentError]]:
    """The pipelines of files and folders by priority, then as given, and what is wrong with the others.

    A later path's pipeline replaces an earlier one of the same name, also where the later cannot be used: with the
    earlier, rules would not mean what was wanted.
    """
    found: dict[str, Pipeline | None] = {}
    errors: list[ContentError] = []
    for path in paths:
        taken: dict[str, str] = {}
        for file in rule_files(path):
            label = file.relative_to(path).as_posix() if file != path else file.name
            for document in documents(file, errors):
                name = _name(document, label)
                if document.number > 1:
                    errors.append(document.error("a pipeline is a file of one document"))
                elif name in taken:
                    errors.append(document.error(f"name {name} is taken by {taken[name]}"))
                else:
                    taken[name] = document.file
                    found.pop(name, None)
                    found[name] = _pipeline(document, name, errors)
    usable = [pipeline for pipeline in found.values() if pipeline is not None]
    return sorted(usable, key=lambda pipeline: pipeline.priority), errors


def _name(document: Document, label: str) -> str:
    name = document.content.get("name") if isinstance(document.content, dict) else None
    return name if isinstance(name, str) and name else label


def _pipeline(document: Document, name: str, errors: list[ContentError]) -> Pipeline | None:
    problems = Problems()
    content = document.content if isinstance(document.content, dict) else {}
    if content is not document.content:
        problems.add("a pipeline must be a mapping")
    _head(content, problems)
    steps = tuple(_steps(content.get("transformations"), ("transformations",), document, problems))
    if not problems.found:
        _dangling(steps, problems)
    errors += [document.error(problem.message, problem.place) for problem in problems.found]
    if problems.found:
        return None
    variables = content.get("vars") or {}
    return Pipeline(name, content.get("priority") or 0, document.file, document.line(), steps, variables)


def _head(content: Mapping[Any, Any], problems: Problems) -> None:
    for key in content:
        if key not in KEYS:
            problems.add(f"`{key}` is not known in a pipeline", key)
    for key in ("postprocessing", "finalizers"):
        if content.get(key):
            problems.add(f"`{key}` changes queries of one store, which rules here do not become", key)
    if not isinstance(content.get("name", ""), str):
        problems.add("name must be text", "name")
    if isinstance(content.get("priority") or 0, bool) or not isinstance(content.get("priority") or 0, int):
        problems.add("priority must be a whole number", "priority")
    variables = content.get("vars") or {}
    if not isinstance(variables, dict):
        problems.add("vars must be a map", "vars")
        return
    for key, given in variables.items():
        each = given if isinstance(given, list) else [given]
        if not each or not all(isinstance(value, (str, int, float)) for value in each):
            problems.add(f"`{key}` must be text, a number, or a list of them", "vars", key)


def _steps(given: Any, place: Place, document: Document, problems: Problems) -> Iterator[Step]:
    if given is not None and not isinstance(given, list):
        problems.add("transformations must be a list", *place)
        return
    for position, one in enumerate(given or []):
        here = (*place, position)
        step = problems.attempt(here, partial(_step, one, here, document, problems))
        if step is not None:
            yield step


def _step(given: Any, place: Place, document: Document, problems: Problems) -> Step | None:
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise Problem("a transformation must be a map with a `type`")
    kind, before = given["type"], len(problems.found)
    if kind not in TRANSFORMATIONS:
        raise Problem(f"transformation `{kind}` {_reason(kind)}", ("type",))
    own = {key: value for key, value in given.items() if key not in LINK_KEYS | {"type", "id"}}
    if kind == "nest":
        own["steps"] = tuple(_steps(own.pop("items", None), (*place, "items"), document, problems))
    where = f"{document.file}:{document.line(place)}"
    new = problems.attempt(place, lambda: made(TRANSFORMATIONS[kind], own, f"transformation `{kind}`"))
    links = {name: problems.attempt(place, partial(linked, given, prefix, known)) for name, prefix, known in LINKS}
    if new is not None and not new.by_line:
        for key in sorted(LINK_KEYS.intersection(given)):
            if not key.startswith("rule_"):
                problems.add(f"`{kind}` is about the whole rule, and `{key}` is not asked", *place, key)
    identifier = given.get("id")
    if not isinstance(identifier, (str, type(None))):
        problems.add("id must be text", *place, "id")
    if new is None or len(problems.found) > before:
        return None
    conditions = [link or Linked() for link in links.values()]
    return Step(kind, new, where, identifier or None, *conditions)


def _reason(kind: str) -> str:
    return f"is refused: {REFUSED[kind]}" if kind in REFUSED else "is not known"


def _placed(steps: Iterable[Step], place: Place) -> Iterator[tuple[Step, Place]]:
    for position, step in enumerate(steps):
        yield step, (*place, position)
        if isinstance(step.transformation, Nest):
            yield from _placed(step.transformation.steps, (*place, position, "items"))


def _dangling(steps: Sequence[Step], problems: Problems) -> None:
    """Refuses conditions on what no transformation of this pipeline can have done: they would never hold."""
    placed = list(_placed(steps, ("transformations",)))
    ids = {step.id for step, _ in placed}
    keys = {step.transformation.key for step, _ in placed if isinstance(step.transformation, SetState)}
    for step, place in placed:
        links = (step.for_rule, step.for_item, step.for_field)
        for condition in [condition for link in links for condition in link.conditions.values()]:
            if isinstance(condition, ProcessingItemApplied) and condition.processing_item_id not in ids:
                problems.add(f"no transformation here has the id `{condition.processing_item_id}`", *place)
            if isinstance(condition, ProcessingState) and condition.key not in keys:
                problems.add(f"no transformation here sets the state `{condition.key}`", *place)
