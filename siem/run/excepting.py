"""An exception from an alert: the filter that keeps what is like its events quiet, and the events as cases of it.

Values come from logs: they are data in YAML, escaped as Sigma wants it, and no part of a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml

from siem.detect.packs import EMITTERS
from siem.detect.sources import Sources
from siem.errors import UsageError
from siem.parsing import Registry
from siem.run.originals import log_of
from siem.run.scaffold import Scaffold
from siem.schema import BY_NAME, Kind
from siem.sigma import Correlation, Reader, Rule, RuleSet, View, condition, datasets_of
from siem.sigma.tree import And, Leaf, Text
from siem.store.contract import Alert, Hit, Store

MOST_VALUES = 50
"""Values of a field that an exception names: what has more is not what these events have in common."""

EARLIER = timedelta(days=2)
"""So long before an alert's first time its events may begin: one that an earlier alert has too is listed by both."""

NAME = re.compile(r"[\w@.\-]+")
SPECIAL = re.compile(r"[\\*?]")
TITLE = 200
"""Characters of the rule's title that the filter's has."""


@dataclass(frozen=True)
class Terms:
    """Who answers for an exception, why, and until when (a date, or RFC 3339)."""

    owner: str
    reason: str
    expires: str


@dataclass(frozen=True)
class Part:
    """What an exception says of an event rule. values: field -> values; hit: the first of the alert's events."""

    rule: Rule
    values: Mapping[str, Sequence[str]]
    hit: Hit


def parts(store: Store, alert: Alert, rules: RuleSet, sources: Sources, fields: Iterable[str] = ()) -> list[Part]:
    """Of each event rule that an alert rests on, what its events have in the alert's group, and in these fields.

    Raises:
        UsageError: there is nothing that an exception could be about, or none of the events is stored any more.
    """
    one = rules.called(alert.rule_id)
    if one is None:
        raise UsageError(f"alert {alert.id}: its rule {alert.rule_id} is not in use any more")
    if isinstance(one, Rule) and one.silence is not None:
        raise UsageError(f"alert {alert.id} is about silence: there are no events that a filter could take away")
    fields = list(fields)
    for name in fields:
        if not NAME.fullmatch(name):
            raise UsageError(f"--field {name}: no name of a field")
    below = stands_on(one, rules, alert.group)
    made = [_part(store, alert, rule, names, fields, sources) for rule, names in below]
    found = [part for part in made if part is not None]
    if not found:
        raise UsageError(f"alert {alert.id}: none of its events is stored any more, or its rule matches them no more")
    return found


def stands_on(one: Rule | Correlation, rules: RuleSet, group: Iterable[str]) -> list[tuple[Rule, dict[str, str]]]:
    """The event rules below, each once, with the field that holds what a name of the group stands for."""
    if isinstance(one, Rule):
        return [(one, {name: name for name in group})]
    known: dict[str, Rule | Correlation] = {rule.key: rule for rule in rules.rules}
    known |= {above.key: above for above in rules.correlations}
    found: dict[str, tuple[Rule, dict[str, str]]] = {}
    for key in one.rules:
        names = {name: one.field_of(name, key) for name in group}
        for rule, below in stands_on(known[key], rules, names.values()):
            found.setdefault(rule.key, (rule, {name: below[held] for name, held in names.items()}))
    return list(found.values())


def _part(
    store: Store, alert: Alert, rule: Rule, names: Mapping[str, str], fields: Sequence[str], sources: Sources
) -> Part | None:
    """None: no event of the alert is the rule's."""
    first: Hit | None = None
    values: dict[str, dict[str, None]] = {field: {alert.group[name]: None} for name, field in names.items()}
    for hit, reader in events(store, alert, rule, names, sources):
        first = first or hit
        for field in fields:
            values.setdefault(field, {}).update(dict.fromkeys(reader.texts(field, hit.document or {})))
    if first is None:
        return None
    for field in fields:
        if not 0 < len(values[field]) <= MOST_VALUES:
            had = f"{len(values[field])} values" if values[field] else "no value"
            raise UsageError(f"--field {field}: the alert's events have {had} in it; name one of 1 to {MOST_VALUES}")
    if not values:
        raise UsageError(
            f"alert {alert.id} is about everything that its rule finds: say --field what it is to be about"
        )
    return Part(rule, {field: list(texts) for field, texts in values.items()}, first)


def events(
    store: Store, alert: Alert, rule: Rule, names: Mapping[str, str], sources: Sources
) -> Iterator[tuple[Hit, Reader]]:
    """The alert's events that a rule matches, with their documents. names: of the group -> the rule's fields."""
    wanted = frozenset(alert.events)
    about = [Leaf(field, Text((alert.group[name],) if alert.group[name] else ())) for name, field in names.items()]
    tree = And((rule.tree, *about))
    holds = condition(tree)
    for dataset in datasets_of(rule, sources.logsources):
        reader = Reader(sources.fields[dataset])
        asked = EMITTERS[store.dialect](tree, sources.fields[dataset])
        until = alert.last + timedelta.resolution
        for hit in store.search([asked], since=alert.first - EARLIER, until=until, documents=True):
            if hit.event_id in wanted and (not hit.unsure or holds(View(reader, hit.document or {}))):
                yield hit, reader


def exception(
    alert: Alert, parts: Sequence[Part], terms: Terms, ids: Sequence[str], parsers: Registry, keys: Mapping[str, str]
) -> Scaffold:
    """The filter's file and that of its cases. ids: one for each part. keys: object -> its key."""
    made = [_filter(alert, part, terms, id_) for part, id_ in zip(parts, ids, strict=True)]
    cases = [_case(alert, part, parsers, keys) for part in parts]
    return Scaffold("---\n".join([_yaml(one) for one in made]), _yaml({"cases": cases}))


def _filter(alert: Alert, part: Part, terms: Terms, id_: str) -> dict[str, Any]:
    rule = part.rule
    if (called := rule.id or rule.name) is None:
        raise UsageError(f"{rule.file}:{rule.line}: give the rule an id: a filter names it by that")
    source = rule.logsource
    named = {"category": source.category, "product": source.product, "service": source.service}
    values = {field: _given(field, texts) for field, texts in part.values.items()}
    return {
        "title": f"Exception: {rule.title[:TITLE]}",
        "id": id_,
        "description": f"Written for the alert {alert.id}.",
        "logsource": {name: value for name, value in named.items() if value},
        "filter": {"rules": [called], "excepted": values, "condition": "not excepted"},
        "custom": {"owner": terms.owner, "reason": terms.reason, "expires": terms.expires},
    }


def _given(field: str, texts: Sequence[str]) -> Any:
    values = [value_of(field, text) for text in texts]
    return values[0] if len(values) == 1 else values


def value_of(field: str, text: str) -> str | int:
    """A value as a rule has to write it to mean just that."""
    if field in BY_NAME and BY_NAME[field].kind is Kind.LONG and text.isdecimal() and str(int(text)) == text:
        return int(text)
    return SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def _case(alert: Alert, part: Part, parsers: Registry, keys: Mapping[str, str]) -> dict[str, Any]:
    """The event as a log that the rule must not match any more."""
    hit = part.hit
    log = log_of(hit.document or {}, parsers.parsers[hit.dataset])
    key = keys.get(hit.object) if log.by_key else None
    shown = _Lines(log.content) if isinstance(log.content, str) else log.content
    named = {"name": f"of the alert {alert.id}", "rule": part.rule.id or part.rule.name, "match": False}
    return named | {"dataset": hit.dataset} | ({"key": key} if key else {}) | {"log": shown}


class _Lines(str):
    """A text that is written line by line, where nothing in it is lost so."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Writes data as data, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """What cannot be seen is written as escapes: YAML takes U+0085 for the end of a line, and a space for it."""
    visible = text.isprintable()
    lines = isinstance(text, _Lines) and all(line.isprintable() for line in text.split("\n"))
    style = None if visible else "|" if lines else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Lines, _text)


def _yaml(value: Mapping[str, Any]) -> str:
    return yaml.dump(dict(value), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
