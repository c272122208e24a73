"""What rules mean and what stores are asked, as plain objects: for `siem rules explain` and whoever wants to see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from siem.schema import Column, DatasetFields, Entry, Extension, Joined, LogSource, Path, Source
from siem.sigma import duckdb, opensearch
from siem.sigma.correlation import Correlation, wording
from siem.sigma.custom import NewTerms, Silence, Suppress, Whose
from siem.sigma.detection import Detection
from siem.sigma.head import Head
from siem.sigma.loading import RuleSet
from siem.sigma.logsources import datasets_of
from siem.sigma.rule import Rule
from siem.sigma.tree import Node
from siem.sigma.wording import lines, names

Explained = dict[str, Any]
Answering = Mapping[str, Sequence[LogSource]]


def duckdb_query(tree: Node, fields: DatasetFields) -> Explained:
    asked = duckdb.query(tree, fields)
    return {"query": asked.where, "parameters": dict(asked.parameters), "exact": asked.exact}


def opensearch_query(tree: Node, fields: DatasetFields) -> Explained:
    asked = opensearch.clause(tree, fields)
    return {"query": asked.query, "parameters": {}, "exact": asked.exact}


STORES: Mapping[str, Callable[[Node, DatasetFields], Explained]] = {
    "duckdb": duckdb_query,
    "opensearch": opensearch_query,
}
"""What each kind of store is asked. A new emitter is added here."""


class Explaining:
    """Explains the rules of a set.

    fields: what is known of datasets. answering: the log sources that they answer.
    only: look at this dataset, whatever the log source ("": any JSON).
    """

    def __init__(
        self, rules: RuleSet, fields: Mapping[str, DatasetFields], answering: Answering, only: str | None = None
    ) -> None:
        self._rules, self._fields, self._answering, self._only = rules, fields, answering, only
        known: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
        self._known = {one.key: one for one in known}

    def __call__(self, rule: Rule | Correlation) -> Explained:
        return self._event_rule(rule) if isinstance(rule, Rule) else self._correlation(rule)

    def _event_rule(self, rule: Rule) -> Explained:
        return {
            **head(rule, "silence" if rule.silence else "event"),
            "logsource": {name: value for name, value in asdict(rule.logsource).items() if value},
            "datasets": list(datasets_of(rule, self._answering)),
            "alerts": self._alerts(rule),
            "suppress": suppressing(rule.suppress),
            "new_terms": new_terms(rule.new_terms),
            "silence": silence(rule.silence),
            "condition": list(rule.detection.conditions),
            "tree": tree(rule.detection) if rule.silence is None else [],
            "filters": [{**head(one, "filter"), "tree": tree(one.detection)} for one in rule.filters],
            "fields": self._places(rule, sorted(rule.fields)),
            "queries": [
                {"dataset": dataset or "json", "store": store, **asked(rule.tree, self._fields[dataset])}
                for dataset in self._datasets(rule)
                for store, asked in STORES.items()
                if rule.silence is None
            ],
        }

    def _datasets(self, rule: Rule) -> tuple[str, ...]:
        return datasets_of(rule, self._answering) if self._only is None else (self._only,)

    def _places(self, rule: Rule, fields: Iterable[str]) -> list[Explained]:
        return [
            {"field": name, "dataset": dataset or "json", **place}
            for name in fields
            for dataset in self._datasets(rule)
            for place in places(name, self._fields[dataset])
        ]

    def _correlation(self, one: Correlation) -> Explained:
        return {
            **head(one, one.kind),
            "alerts": self._alerts(one),
            "suppress": suppressing(one.suppress),
            "rules": [self._part(one, key) for key in one.rules],
            "group_by": list(one.group_by),
            "window": wording.span(one.span),
            "window_seconds": int(one.span.total_seconds()),
            "condition": wording.condition(one, self._called),
            "generate": one.generate,
        }

    def _part(self, one: Correlation, key: str) -> Explained:
        """A rule of a correlation, and which of its fields are asked for."""
        rule = self._known[key]
        asked = dict.fromkeys([one.field_of(name, key) for name in (*one.group_by, *one.fields)])
        return {
            "id": key,
            "title": rule.title,
            "datasets": list(datasets_of(rule, self._answering)) if isinstance(rule, Rule) else [],
            "group_by": {name: one.field_of(name, key) for name in one.group_by},
            "values": {name: one.field_of(name, key) for name in one.fields},
            "fields": self._places(rule, asked) if isinstance(rule, Rule) else [],
            "alerts": self._alerts(rule),
        }

    def _called(self, key: str) -> str:
        return self._known[key].name or self._known[key].title

    def _alerts(self, rule: Head) -> str:
        """Who alerts where the rule matches."""
        above = [self._called(one.key) for one in self._rules.correlations if rule.key in one.rules]
        if rule.key in self._rules.silent:
            return f"only by {', '.join(above)}"
        return f"by itself, and by {', '.join(above)}" if above else "by itself"


def suppressing(suppress: Suppress | None) -> str | None:
    if suppress is None:
        return None
    same = "of the usual group" if suppress.by is None else f"with the same {', '.join(suppress.by)}"
    return f"all {same} within {wording.span(suppress.span)} of the first are one alert"


def silence(silence: Silence | None) -> str | None:
    if silence is None:
        return None
    whose = {
        Whose.DATASET: "a dataset that has sent",
        Whose.ACCOUNT: "an account that has sent objects of a dataset",
        Whose.SOURCE: "a place that objects of a dataset have come from",
    }
    return f"alerts when {whose[silence.of]} for {wording.span(silence.span)} sends nothing for longer than that"


def new_terms(terms: NewTerms | None) -> str | None:
    if terms is None:
        return None
    among = f" among events with the same {', '.join(terms.by)}" if terms.by else ""
    what = f"alerts of the first event of each value of {', '.join(terms.fields)}{among}"
    return f"{what}, but for the first {wording.span(terms.learning)}"


def head(rule: Head, kind: str) -> Explained:
    named = {"id": rule.key, "name": rule.name, "title": rule.title, "type": str(kind), "level": rule.level}
    return {**named, "status": rule.status, "description": rule.description, "file": f"{rule.file}:{rule.line}"}


def tree(detection: Detection) -> list[str]:
    """The condition as indented lines."""
    return list(lines(detection.tree, names(detection.selections)))


def places(name: str, fields: DatasetFields) -> Iterator[Explained]:
    """Where a field is found in documents of a dataset, and in which stored column."""
    alias = fields.alias(name)
    named = {"way": str(fields.way(name)), "alias_of": alias if isinstance(alias, str) else None}
    for source in fields.sources(name):
        column, path = place(source)
        yield {**named, "column": column or None, "path": path or None}


def place(source: Source) -> tuple[str, str]:
    """The column of a source, and what is taken of it."""
    match source:
        case Column(name):
            return name, ""
        case Path(column=column, within=within):
            return column, within
        case Joined(parts):
            return " + ".join([f"{before}{column}" for before, column in parts]), ""
        case Extension(column):
            return column, "what follows the last dot"
        case Entry(list=Path(column=column, within=within), key=key, value=value, name=name):
            return column, f"{within}[{key}: {name}].{value}".lstrip(".")
