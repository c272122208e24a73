"""Chains made up at random, as rules are written, and events for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import yaml
from brute_force_chains import Event

from siem.sigma import RuleSet, load_rules
from siem.testing.deliveries import START

STEP = timedelta(minutes=2.5)
"""Between times. Spans are some of them, so windows end on events."""

SPANS = ("150s", "5m", "15m", "1h", "2d")
BASE = ("a", "b", "c")
FIELDS = ("requestParameters.u", "requestParameters.v")
FIGURE = "requestParameters.n"
USERS = ("ann", "Ann", "É", "é")

Document = dict[str, Any]


def chain(chance: Random) -> list[Document]:
    """Three rules, correlations over them, over these, and over all."""
    documents = [named(name) for name in BASE]
    grouped: dict[str, list[str]] = {}
    for layer, count in enumerate((chance.choice([1, 2, 2, 3]), chance.choice([1, 2]), chance.choice([0, 1]))):
        inner = list(grouped)
        for number in range(count):
            name = f"m{layer}{number}"
            documents.append(correlation(chance, name, inner if layer else [], grouped))
            grouped[name] = documents[-1]["correlation"]["group-by"]
    chance.shuffle(documents)
    return documents


def named(name: str) -> Document:
    """An event rule; it matches events that name it."""
    detection = {"selection": {"requestParameters.rule": name}, "condition": "selection"}
    logsource = {"product": "aws", "service": "cloudtrail"}
    return {"title": name, "name": name, "logsource": logsource, "detection": detection}


def correlation(chance: Random, name: str, inner: Sequence[str], grouped: dict[str, list[str]]) -> Document:
    """A correlation; over one of these correlations at least, if there are any."""
    rules = [chance.choice(inner)] if inner else []
    rules += [chance.choice([*BASE, *inner, *inner]) for _ in range(chance.choice([0, 1, 1, 2]) + (not rules))]
    chance.shuffle(rules)
    kind, condition = looked_for(chance, rules, bool(inner))
    if kind != "temporal_ordered":
        rules = list(dict.fromkeys(rules))
    most = min([2, *[len(grouped[rule]) for rule in rules if rule in grouped]])
    group_by, aliases = [], {}
    for number in range(chance.randint(0, most)):
        fields = {rule: chance.choice(grouped.get(rule, FIELDS)) for rule in rules}
        alike = len(set(fields.values())) == 1 and fields[rules[0]] not in group_by
        group_by.append(fields[rules[0]] if alike else f"{name}_{number}")
        aliases |= {} if alike else {group_by[-1]: fields}
    section = {"type": kind, "rules": rules, "group-by": group_by, "aliases": aliases, "timespan": chance.choice(SPANS)}
    section |= {"generate": True} if chance.random() < 0.3 else {}
    section |= {"condition": condition} if condition else {}
    return {"title": name, "name": name, "correlation": section, "custom": {"ties": chance.random() < 0.3}}


def looked_for(chance: Random, rules: list[str], firings: bool) -> tuple[str, Any]:
    """A kind and its condition. firings: nothing that asks for values."""
    different = list(dict.fromkeys(rules))
    count = {chance.choice(["gte", "gte", "gte", "lte", "eq", "neq"]): chance.choice([1, 1, 2, 2, 3])}
    words = different[0] + "".join([f" {chance.choice(['and', 'or', 'and not'])} {rule}" for rule in different[1:]])
    kinds: list[tuple[str, Any]] = [
        ("event_count", count),
        ("event_count", {"gte": 1}),
        ("temporal", None),
        ("temporal", words),
        ("temporal", {"gte": 1}),
        ("temporal_ordered", None),
        ("temporal_ordered", None),
    ]
    if not firings:
        kinds += [("value_count", count | {"field": FIGURE}), ("value_sum", {"gte": 3, "field": FIGURE})]
        kinds += [("value_count", {"gte": 2, "field": [FIGURE, FIELDS[0]]})]
    return chance.choice(kinds)


def happened(chance: Random, count: int) -> list[Event]:
    """Events, many of them at the same time, over some hours or days; some ids come again at another time."""
    day = chance.choice([0, 300, 577])
    events: list[Event] = []
    for number in range(count):
        id_ = f"e{chance.randrange(10**4):04}-{number}"
        if events and chance.random() < 0.08:
            id_ = chance.choice(events).id
        time = START + STEP * (chance.randrange(24) + day * chance.randrange(3))
        if any((event.id, event.time) == (id_, time) for event in events):
            continue
        rules = frozenset(chance.sample(BASE, chance.choice([1, 1, 1, 2])))
        values = {name: tuple(chance.sample(USERS[::2], chance.choice([0, 1, 1, 1, 2]))) for name in FIELDS}
        values = {name: tuple([chance.choice([text, text.swapcase()]) for text in one]) for name, one in values.items()}
        values[FIGURE] = tuple(chance.sample(["1", "2", "2.5", "x"], chance.choice([0, 1, 1, 2])))
        events.append(Event(id_, time, rules, values))
    return events


def parameters(event: Event) -> Document:
    """What an event says, as a log has it."""
    held = {name.rpartition(".")[2]: list(texts) for name, texts in event.values.items() if texts}
    return {"rule": sorted(event.rules), **held}


def loaded(folder: Path, documents: Sequence[Document]) -> RuleSet:
    file = folder / "chain.yml"
    file.write_text(yaml.safe_dump_all(documents, allow_unicode=True, sort_keys=False))
    found = load_rules([file])
    assert not found.refused, found.refused
    return found
