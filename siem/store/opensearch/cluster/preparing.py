"""Prepares a cluster: finds what is missing or was changed, and mends it. Safe to repeat, and for several at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any
from urllib.parse import quote

from siem.errors import ConfigError
from siem.schema import DatasetFields
from siem.schema.mapping import ANALYSIS
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.differences import conflicts, differing, lacking, meets, overridden
from siem.store.opensearch.cluster.differences import names as field_names
from siem.store.opensearch.cluster.templates import (
    CUSTOM,
    PRIORITY,
    PRODUCT,
    VERSION,
    Body,
    Family,
    Templates,
    templates,
)
from siem.store.opensearch.cluster.trouble import cause
from siem.store.opensearch.names import Names, Period

ROUNDS = 6
"""Looks at the cluster until nothing is left to do; two are usual, more only while somebody else prepares it too."""

SETTINGS = "*.settings.index.uuid,*.settings.index.blocks"
"""What is asked of indices."""

SHOWN = 3
"""Names that a sentence lists."""


class Thing(StrEnum):
    """What is prepared, and where it is."""

    COMPONENT = "component template"
    TEMPLATE = "index template"
    INDEX = "index"
    MAPPING = "mapping"

    def path(self, name: str) -> str:
        match self:
            case Thing.COMPONENT:
                return f"/_component_template/{quote(name, safe='@')}"
            case Thing.TEMPLATE:
                return f"/_index_template/{quote(name)}"
            case Thing.INDEX:
                return f"/{quote(name)}"
            case Thing.MAPPING:
                return f"/{quote(name)}/_mapping"


class Step(StrEnum):
    """What has to be done; a conflict only people can resolve."""

    CREATE = "create"
    REPLACE = "replace"
    EXTEND = "extend"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Change:
    """One thing that is not as it has to be. why: for people; of a conflict also what to do."""

    step: Step
    thing: Thing
    name: str
    why: str
    body: Body = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.thing} {self.name}: {self.why}"


def settled(connection: Connection, names: Names) -> Names:
    """The names with the periods that the cluster was prepared with, where none were asked for.

    Raises:
        ConfigError: indices of a dataset span something else. Retention would drop a month for a day, and what comes
            twice would be stored twice.
    """
    prepared = periods(connection, names)
    for dataset, now in names.periods.items():
        before = prepared.get(dataset, now)
        if before is not now and holds_events(connection, names.events(dataset)):
            raise ConfigError(
                f"store {connection.name}: an index of {dataset} spans a {before}, not a {now}: that is fixed once"
                f" events are stored; set opensearch.periods to {before}, or use another opensearch.prefix"
            )
    return replace(names, periods={**prepared, **names.periods})


def periods(connection: Connection, names: Names) -> dict[str, Period]:
    """The period of every dataset that the cluster was prepared for."""
    found = {}
    for body in stored(connection, Thing.TEMPLATE, names).values():
        said = body.get("_meta", {})
        if said.get("product") == PRODUCT and said.get("period") in set(Period):
            found[str(said["dataset"])] = Period(said["period"])
    return found


def prepare(connection: Connection, names: Names, fields: Mapping[str, DatasetFields]) -> list[Change]:
    """Make the cluster ready for these datasets; what was done.

    Raises:
        ConfigError: a newer program prepared it; or something is in the way that only people can take away.
    """
    wanted, done = templates(settled(connection, names), fields), list[Change]()
    for _ in range(ROUNDS):
        found = changes(connection, wanted)
        in_the_way(found, Thing.COMPONENT, Thing.TEMPLATE)
        todo = first_steps(found)
        if not todo:
            break
        for change in todo:
            apply(connection, change)
        done += todo
    else:
        raise ConfigError(f"store {connection.name}: {todo[0]}, again and again; does another program change it?")
    in_the_way(found, Thing.INDEX, Thing.MAPPING)
    return done


def first_steps(found: Iterable[Change]) -> list[Change]:
    """Templates before indices: what stands in the way of those must be seen before an index is made from them."""
    todo = [change for change in found if change.step is not Step.CONFLICT]
    return [change for change in todo if change.thing in (Thing.COMPONENT, Thing.TEMPLATE)] or todo


def in_the_way(found: Iterable[Change], *things: Thing) -> None:
    told = [str(change) for change in found if change.step is Step.CONFLICT and change.thing in things]
    if told:
        raise ConfigError("; ".join(told))


def apply(connection: Connection, change: Change) -> None:
    """Raises `ConfigError` where the cluster will not have it."""
    made = change.step is Step.CREATE
    params: dict[str, Any] = {"create": "true"} if made and change.thing is not Thing.INDEX else {}
    answer = connection.ask("PUT", change.thing.path(change.name), change.body, also=(400,), **params)
    if answer.status == 400 and not (made and "already exists" in cause(answer.body)[1]):  # else another was first
        raise ConfigError(f"store {connection.name}: {change.thing} {change.name}: {cause(answer.body)[1]}")


def changes(connection: Connection, wanted: Templates) -> list[Change]:
    """What is missing, what is not as it has to be, and what is in the way; in the order in which it is to be done.

    Raises:
        ConfigError: a newer program prepared the cluster, or another product.
    """
    components = stored(connection, Thing.COMPONENT, wanted.names)
    indices = stored(connection, Thing.TEMPLATE, wanted.names)
    check_versions(connection, {**components, **indices})
    found = [
        *foreign(connection, wanted),
        *compared(Thing.COMPONENT, wanted.components, components),
        *[
            Change(Step.CREATE, Thing.COMPONENT, name, "is missing; it is for your own settings", {"template": {}})
            for name in wanted.custom
            if name not in components
        ],
        *compared(Thing.TEMPLATE, wanted.indices, indices),
    ]
    if not found:
        found += [change for family in wanted.families if family.dataset for change in effective(connection, family)]
    return [*found, *of_indices(connection, wanted)]


def stored(connection: Connection, thing: Thing, names: Names) -> dict[str, Body]:
    """The templates that have names of this store, by name."""
    kind = "component_template" if thing is Thing.COMPONENT else "index_template"
    answer = connection.ask("GET", f"/_{kind}/{names.prefix}siem-*", also=(404,))
    return {one["name"]: one[kind] for one in answer.body[f"{kind}s"]} if answer.status == 200 else {}


def check_versions(connection: Connection, there: Mapping[str, Body]) -> None:
    """Raises `ConfigError` where a newer program was here, or another product has templates of our names."""
    ours = {name: said for name, body in there.items() if (said := body.get("_meta", {})).get("product") == PRODUCT}
    for name, said in ours.items():
        if said.get("version", 0) > VERSION:
            raise ConfigError(
                f"store {connection.name} was prepared by a newer version of this program (template {name} is of"
                f" version {said['version']}, this program's are of version {VERSION}); upgrade this program"
            )
    if others := [name for name in there if not ours and not name.endswith(CUSTOM)]:
        raise ConfigError(
            f"store {connection.name}: template {others[0]} is of another program; set opensearch.prefix, so that the"
            " names of this store begin with something of their own"
        )


def holds_events(connection: Connection, pattern: str) -> bool:
    return bool(connection.ask("GET", f"/{pattern}/_count", ignore_unavailable="true")["count"])


def compared(thing: Thing, wanted: Mapping[str, Body], there: Mapping[str, Body]) -> Iterator[Change]:
    for name, body in wanted.items():
        if name not in there:
            yield Change(Step.CREATE, thing, name, "is missing", body)
        elif there[name] != body:
            yield Change(Step.REPLACE, thing, name, other(body, there[name]), body)


def other(wanted: Body, there: Body) -> str:
    """Why a template has to be replaced."""
    said = there.get("_meta", {})
    if said.get("product") == PRODUCT and said.get("version") != wanted["version"]:
        return f"is of version {said.get('version')}, not {wanted['version']}"
    return f"was changed: {listed(differing(wanted, there))}"


def foreign(connection: Connection, wanted: Templates) -> Iterator[Change]:
    """Templates of others that take our indices: the one of highest priority takes an index alone."""
    paths = ("name", "index_template.index_patterns", "index_template.priority")
    asked = ",".join(f"index_templates.{path}" for path in paths)
    answer = connection.ask("GET", "/_index_template", filter_path=asked)
    for one in answer.get("index_templates", ()):
        body, name = one["index_template"], one["name"]
        if name in wanted.indices or body.get("priority", 0) < PRIORITY:
            continue
        taken = [f.pattern for f in wanted.families if any(meets(f.pattern, p) for p in body["index_patterns"])]
        if taken:
            told = (
                f"is not ours, and takes {listed(taken)} with priority {body['priority']} (ours have {PRIORITY}): what"
                " is stored there would have none of our fields; delete it, or give it other patterns or a priority"
                f" below {PRIORITY}"
            )
            yield Change(Step.CONFLICT, Thing.TEMPLATE, name, told)


def effective(connection: Connection, family: Family) -> Iterator[Change]:
    """What a new index of the family would be, after what people added of their own."""
    answer = connection.ask("POST", f"/_index_template/_simulate_index/{family.first}")["template"]
    index = answer.get("settings", {}).get("index", {})
    wrong = list(overridden(family.mappings["properties"], answer.get("mappings", {}).get("properties", {})))
    if index.get("analysis", {}).get("normalizer", {}).get("lc") != ANALYSIS["normalizer"]["lc"]:
        wrong.append("index.analysis.normalizer.lc")
    if str(answer.get("mappings", {}).get("dynamic")).lower() != "false":
        wrong.append("dynamic")
    if wrong:
        told = f"a component template gives {listed(wrong)} another meaning, and rules would miss events; take it out"
        yield Change(Step.CONFLICT, Thing.TEMPLATE, family.template, f"{told} of {family.template}@custom")
    if index.get("translog", {}).get("durability", "request") != "request":
        told = "translog.durability is async, which loses acknowledged events when a node dies; take it out"
        yield Change(Step.CONFLICT, Thing.TEMPLATE, family.template, f"{told} of the @custom component templates")


def of_indices(connection: Connection, wanted: Templates) -> Iterator[Change]:
    """Indices that lack fields, or have them as something else; and the first of every family that has none."""
    patterns = ",".join(family.pattern for family in wanted.families)
    every: dict[str, Any] = {"ignore_unavailable": "true", "expand_wildcards": "all"}
    there = connection.ask("GET", f"/{patterns}/_settings", **every, filter_path=SETTINGS)
    marks = "*.mappings._meta,*.mappings.dynamic"  # whole mappings of two years of days are 40 MB
    said = connection.ask("GET", f"/{patterns}/_mapping", **every, filter_path=marks)
    for family in wanted.families:
        as_it_is_now = {"_meta": family.mappings["_meta"], "dynamic": "false"}
        if family.first not in there:
            yield Change(Step.CREATE, Thing.INDEX, family.first, "is missing")
        for name in sorted(there):
            if meets(family.pattern, name) and said.get(name, {}).get("mappings") != as_it_is_now:
                found = of_index(connection, family, name)
                yield from (one for one in found if one.step is Step.CONFLICT or not sealed(there[name]))


def sealed(settings: Body) -> bool:
    """Somebody made the index read-only: no event will come that a new field could be for."""
    blocks = settings["settings"]["index"].get("blocks", {})
    return any(str(blocks.get(kind)) == "true" for kind in ("read_only", "write"))


def of_index(connection: Connection, family: Family, name: str) -> Iterator[Change]:
    answer = connection.ask("GET", Thing.MAPPING.path(name), also=(404,))
    if answer.status == 404:  # dropped meanwhile
        return
    (mapping,) = (one["mappings"] for one in answer.body.values())
    there, wanted = mapping.get("properties", {}), family.mappings["properties"]
    if wrong := list(conflicts(wanted, there)):
        told = listed(f"{path} as {got}, not as {want}" for path, want, got in wrong)
        yield Change(
            Step.CONFLICT,
            Thing.MAPPING,
            name,
            f"has {told}: it was made without our template, and rules would miss its events; reindex it under another"
            " name outside the store, delete it, and reindex it back",
        )
        return
    added = lacking(wanted, there)
    body = {"dynamic": False, "_meta": family.mappings["_meta"], "properties": added}
    why = f"lacks {listed(field_names(added))}" if added else "is of another version"
    yield Change(Step.EXTEND, Thing.MAPPING, name, why, body)


def listed(names: Iterable[str]) -> str:
    """The first few of them."""
    first = list(islice(iter(names), SHOWN + 1))
    return ", ".join(first[:SHOWN]) + (", …" if len(first) > SHOWN else "")
