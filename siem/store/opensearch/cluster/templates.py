"""How the indices of a store are made: templates as values, all of them derived from the schema.

events-<dataset>-*    settings and schema from `siem-events`, the dataset's record from `siem-events-<dataset>`
siem-log, …           settings from `siem-states`, fields from the table below

Two component templates belong to the people who run the cluster: `siem-events@custom`, for the events of all datasets,
and `siem-events-<dataset>@custom`. They are made empty, and never written again: what stands there (more shards, other
replicas, where shards live) wins, and survives an upgrade.
https://docs.opensearch.org/latest/im-plugin/index-templates/
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeAlias

import orjson

from siem.errors import ConfigError
from siem.schema import BY_NAME, CLAIM, LEAVES, OVERSIZE, SEQ, DatasetFields
from siem.schema.mapping import ANALYSIS, EXACT, FOLDED, READ, RECORD, properties, put
from siem.store.opensearch.names import OTHER, Names, States

Body: TypeAlias = Mapping[str, Any]

PRODUCT = "hinomi"

VERSION = 3
"""Of the templates: raised with every change of them. A program leaves alone what a newer one prepared."""

CUSTOM = "@custom"
"""How the names of component templates end that are for people."""

PRIORITY = 500
"""Of templates that take the same index the highest takes it alone; those that ship with OpenSearch stay below 300."""

SETTINGS: Body = {
    "number_of_shards": "1",  # two cost a third more work per event on one node
    "auto_expand_replicas": "0-1",
    "codec": "best_compression",  # a third less disk
    "translog": {"durability": "request"},  # `async` lost 2,000 of 2,000 acknowledged events when a node was killed
}
"""Of every index: text values in nested groups, as OpenSearch tells them."""

EVENT_SETTINGS: Body = {
    **SETTINGS,
    "refresh_interval": "10s",
    "mapping": {"total_fields": {"limit": "600"}, "depth": {"limit": "20"}},
    "analysis": ANALYSIS,
}

STATE_SETTINGS: Body = {**SETTINGS, "refresh_interval": "1s", "analysis": ANALYSIS}

LONG = {"type": "long"}
FLAG = {"type": "boolean"}
TIME = {"type": "date", "ignore_malformed": True}
"""For people and ranges: the exact time, to the microsecond, is in `_source`."""
SHOWN = {**FOLDED, "fields": {"raw": EXACT}}
UNSEARCHED = {"type": "keyword", "index": False, "doc_values": False}

TIMES = ("first", "last", "committed")
COUNTS = ("records", "events", "rejects", "skipped", "duplicates")


def exact(*names: str) -> dict[str, Body]:
    return dict.fromkeys(names, EXACT)


def whole(*names: str) -> dict[str, Body]:
    """Objects that are kept, and not looked into: no key in them becomes a field."""
    return dict.fromkeys(names, RECORD)


STATE_FIELDS: Mapping[States, Mapping[str, Body]] = {
    States.LOG: {"number": LONG, **whole("entry")},
    States.LEDGER: {
        **exact("object", "bucket", "key", "version", "sha256", "state", "dataset", "token", "reason"),
        **exact("row_state", "place", "account"),
        **dict.fromkeys(("turn", "position", "bytes", *COUNTS), LONG),
        "again": {"type": "boolean"},
        **dict.fromkeys(TIMES, TIME),
        "micros": {"properties": dict.fromkeys(TIMES, LONG)},
    },
    States.REJECTS: {
        **exact("object", "bucket", "key", "dataset", "parser_version", "reason", "sha256"),
        **dict.fromkeys(("ordinal", "turn", "size"), LONG),
        **whole("raw"),
    },
    States.SIGNALS: {
        **exact("rule_id", "event_id", "object", "dataset", "fingerprint", "grouping", "matched", "part"),
        "micros": LONG,
        "timestamp": TIME,
        **whole("group", "values"),
    },
    States.ALERTS: {
        **exact("id", "rule_id", "level", "tags", "grouping", "state", "merged_into"),
        **exact("tier", "channel", "disposition", "author"),
        "title": SHOWN,
        **dict.fromkeys(("micros_first", "micros_last", "micros_changed", "count"), LONG),
        **dict.fromkeys(("first", "last", "changed"), TIME),
        **dict.fromkeys(("after_hours", "history"), FLAG),
        **whole("group", "values"),
        "about": SHOWN,
        "events": UNSEARCHED,
    },
    States.ACTIONS: {
        **exact("id", "alert", "rule_id", "verb", "author", "disposition"),
        "micros": LONG,
        "time": TIME,
    },
    States.NEWS: {**exact("alert"), "number": LONG},
    States.OUTBOX: {
        **exact("key", "channel", "kind"),
        **dict.fromkeys(("created", "due", "sent"), LONG),
        "failed": FLAG,
    },
    States.STATE: {**exact("kind", "dataset", "rule_id", "object"), "turn": LONG, **whole("body")},
}
"""grouping: of signals and alerts, hash of the group without case. about: of alerts, items `name=value` of the group.
Everything that is not named here is in `_source` alone."""


@dataclass(frozen=True)
class Family:
    """The indices that one index template is for.

    template: its name. pattern: of the indices' names. first: the index that is there from the beginning, so that
    every pattern that people and dashboards ask for has one. mappings: what its components come to.
    dataset: "" for state.
    """

    template: str
    pattern: str
    first: str
    mappings: Body
    dataset: str = ""


@dataclass(frozen=True)
class Templates:
    """Everything that a cluster is prepared with. components, indices: name -> body. custom: those of the people."""

    components: Mapping[str, Body]
    custom: tuple[str, ...]
    indices: Mapping[str, Body]
    families: tuple[Family, ...]
    names: Names


def templates(names: Names, fields: Mapping[str, DatasetFields], version: int = VERSION) -> Templates:
    """The templates of a store for these datasets; `names.periods` has the period of each that is not monthly.

    Raises:
        ConfigError: a dataset has a name that no index can have, or that means another's indices or fields.
    """
    check_datasets(fields)
    base, states = f"{names.prefix}siem-events", f"{names.prefix}siem-states"
    components: dict[str, Body] = {
        base: component(version, EVENT_SETTINGS, base_mappings()),
        states: component(version, STATE_SETTINGS),
    }
    custom, indices, families = [f"{base}{CUSTOM}"], {}, []
    for dataset, known in fields.items():
        family = events_family(names, known, version)
        own = family.template
        components[own] = component(version, None, {**record(known), "_meta": family.mappings["_meta"]})
        custom.append(f"{own}{CUSTOM}")
        indices[own] = {
            **index_template(family, version, [base, own, custom[0], custom[-1]]),
            "template": {"aliases": {f"{names.prefix}events": {}, f"{names.prefix}events-{dataset}": {}}},
            "_meta": {**meta(version), "dataset": dataset, "period": str(names.period(dataset))},
        }
        families.append(family)
    for kind in States:
        family = state_family(names, kind, version)
        indices[family.template] = {
            **index_template(family, version, [states]),
            "template": {"mappings": family.mappings},
        }
        families.append(family)
    return Templates(components, tuple(custom), indices, tuple(families), names)


def events_family(names: Names, fields: DatasetFields, version: int) -> Family:
    tree = base_mappings()
    put(tree["properties"], fields.dataset, dict(RECORD))
    return Family(
        f"{names.prefix}siem-events-{fields.dataset}",
        names.events(fields.dataset),
        f"{names.prefix}events-{fields.dataset}-{OTHER}",
        tree | {"_meta": marked(tree, version)},
        fields.dataset,
    )


def state_family(names: Names, kind: States, version: int) -> Family:
    tree: dict[str, Any] = {"dynamic": False, "date_detection": False, "properties": STATE_FIELDS[kind]}
    name = names.state(kind)
    return Family(name, name, name, tree | {"_meta": marked(tree, version)})


def base_mappings() -> dict[str, Any]:
    """What the events of every dataset have: the schema, and what the store adds."""
    tree = properties()
    put(tree, LEAVES, dict(FOLDED))
    put(tree, OVERSIZE, dict(EXACT))
    put(tree, SEQ, dict(READ))
    return {"dynamic": False, "date_detection": False, "properties": tree}


def record(fields: DatasetFields) -> dict[str, Any]:
    """Below the dataset's name is what the source wrote, of whatever type: an object that is not looked into. Columns
    of delimited logs, flat keys below that name, go the same way."""
    tree: dict[str, Any] = {}
    put(tree, fields.dataset, dict(RECORD))
    return {"properties": tree}


def component(version: int, settings: Body | None, mappings: Body | None = None) -> Body:
    template = {"settings": {"index": settings}} if settings else {}
    return {
        "template": template | ({"mappings": mappings} if mappings else {}),
        "version": version,
        "_meta": meta(version),
    }


def index_template(family: Family, version: int, composed_of: list[str]) -> dict[str, Any]:
    return {
        "index_patterns": [family.pattern],
        "composed_of": composed_of,
        "priority": PRIORITY,
        "version": version,
        "_meta": meta(version),
    }


def meta(version: int) -> dict[str, Any]:
    return {"product": PRODUCT, "version": version}


def marked(mappings: Body, version: int) -> dict[str, Any]:
    """What an index says of its mapping, so that nobody has to read hundreds of them to see that they are current."""
    written = orjson.dumps(mappings, option=orjson.OPT_SORT_KEYS)
    return meta(version) | {"digest": hashlib.sha256(written).hexdigest()[:16]}


OURS = (*BY_NAME, LEAVES, OVERSIZE, SEQ, CLAIM)

ALLOWED = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
"""Names of datasets: part of names of indices, of aliases and of paths."""


def check_datasets(datasets: Iterable[str]) -> None:
    for dataset in datasets:
        if not ALLOWED.fullmatch(dataset) or dataset.endswith("."):
            raise ConfigError(
                f"dataset {dataset!r}: no index can have that name; use lower case letters, digits, `.` and `_`"
            )
        if taken := [name for name in OURS if f"{name}.".startswith(f"{dataset}.") or dataset.startswith(f"{name}.")]:
            raise ConfigError(f"dataset {dataset}: its records would stand where the schema has {taken[0]}; rename it")
    for one, other in permutations(datasets, 2):
        if other.startswith(f"{one}-"):
            raise ConfigError(f"datasets {one} and {other}: events-{one}-* means the indices of both; rename one")
