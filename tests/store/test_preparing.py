"""A cluster is prepared once, by whoever comes first; what others did to it is found, and told."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from opensearchpy import OpenSearch

from siem.config import load_settings
from siem.errors import ConfigError
from siem.parsing import Registry
from siem.schema import DatasetFields, additions, decoded
from siem.schema.mapping import ANALYSIS
from siem.store import existing_store
from siem.store.opensearch.cluster import preparing
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.cluster.preparing import Step, Thing, changes, periods, prepare, settled
from siem.store.opensearch.cluster.templates import VERSION, templates
from siem.store.opensearch.names import Names, Period, States

pytestmark = pytest.mark.slow

FIELDS = {name: DatasetFields(name) for name in ("aws.trail", "aws.flow")}
PARSERS = Path(__file__).parents[1] / "parsers"
NUMBERS = count()
INDEX = "events-aws.trail-2026.11"


def connected(url: str) -> Connection:
    return Connection(OpenSearch([url], serializer=Json()), url)


@pytest.fixture
def cluster_(opensearch: str) -> Iterator[Connection]:
    connection = connected(opensearch)
    yield connection
    connection.close()


@pytest.fixture
def names(cluster_: Connection) -> Iterator[Names]:
    """Of a store of its own, which is taken away again."""
    prefix = f"prep{os.getpid()}x{next(NUMBERS)}-"
    yield Names(prefix)
    for index in cluster_.ask("GET", f"/{prefix}*/_settings", filter_path="*.settings.index.uuid"):
        cluster_.ask("DELETE", f"/{index}")
    for kind in ("index", "component"):
        cluster_.ask("DELETE", f"/_{kind}_template/{prefix}*", also=(404,))


def mapping(connection: Connection, index: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = connection.ask("GET", f"/{index}/_mapping")[index]["mappings"]
    return found


def left(connection: Connection, names: Names) -> list[tuple[Step, Thing, str]]:
    wanted = templates(settled(connection, names), FIELDS)
    return [(change.step, change.thing, change.name) for change in changes(connection, wanted)]


def test_nothing_is_left_to_do_after_it(cluster_: Connection, names: Names) -> None:
    assert len(left(cluster_, names)) == len(prepare(cluster_, names, FIELDS)) > 20
    assert left(cluster_, names) == []
    assert prepare(cluster_, names, FIELDS) == []


def test_every_pattern_has_an_index(cluster_: Connection, names: Names) -> None:
    prepare(cluster_, names, FIELDS)
    for dataset in FIELDS:
        (index,) = cluster_.ask("GET", f"/{names.events(dataset)}/_mapping")
        assert mapping(cluster_, index)["properties"]["source"]["properties"]["ip"]["type"] == "ip"
    for kind in States:
        assert mapping(cluster_, names.state(kind))["dynamic"] == "false"


def test_an_event_is_counted_once_by_pattern_and_alias(cluster_: Connection, names: Names) -> None:
    prepare(cluster_, names, FIELDS)
    for dataset in FIELDS:
        cluster_.ask("PUT", f"/{names.prefix}events-{dataset}-2026.11/_doc/1", {"event.id": "1"}, refresh="true")
    asked = (names.every_event(), f"{names.prefix}events", f"{names.prefix}events*", f"{names.events('aws.trail')}")
    counts = [cluster_.ask("GET", f"/{pattern}/_count")["count"] for pattern in asked]
    assert counts == [2, 2, 2, 1]
    both = f"{names.every_event()},{names.prefix}events"
    assert cluster_.ask("GET", f"/{both}/_count")["count"] == 2


def _prepares(url: str, names: Names, begin: Any) -> None:
    begin.wait()
    prepare(connected(url), names, FIELDS)


def test_several_may_prepare_it_at_once(cluster_: Connection, names: Names, opensearch: str) -> None:
    spawning = multiprocessing.get_context("spawn")
    begin = spawning.Barrier(3)
    processes = [spawning.Process(target=_prepares, args=(opensearch, names, begin)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert left(cluster_, names) == []


def test_what_people_set_survives(cluster_: Connection, names: Names) -> None:
    prepare(cluster_, names, FIELDS)
    own = {"template": {"settings": {"index": {"number_of_shards": "2", "routing.allocation.require.kind": "hot"}}}}
    custom = f"{names.prefix}siem-events-aws.trail@custom"
    cluster_.ask("PUT", f"/_component_template/{custom}", own)
    assert prepare(cluster_, names, FIELDS) == []
    cluster_.ask("PUT", f"/{names.prefix}{INDEX}", wait_for_active_shards="0")
    made = cluster_.ask("GET", f"/{names.prefix}{INDEX}/_settings")[f"{names.prefix}{INDEX}"]["settings"]["index"]
    assert made["number_of_shards"] == "2"
    assert made["codec"] == "best_compression"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ({"mappings": {"properties": {"source": {"properties": {"ip": {"type": "keyword"}}}}}}, "source.ip"),
        ({"mappings": {"properties": {"event": {"properties": {"action": {"type": "keyword"}}}}}}, "event.action"),
        ({"mappings": {"dynamic": True}}, "dynamic"),
        ({"settings": {"analysis": {"normalizer": {"lc": {"type": "custom", "filter": []}}}}}, "normalizer.lc"),
        ({"settings": {"index.translog.durability": "async"}}, "loses acknowledged events"),
    ],
    ids=["type", "case", "dynamic", "normalizer", "durability"],
)
def test_what_would_change_the_meaning_of_rules_is_refused(
    cluster_: Connection, names: Names, template: Mapping[str, Any], told: str
) -> None:
    prepare(cluster_, names, FIELDS)
    cluster_.ask("PUT", f"/_component_template/{names.prefix}siem-events@custom", {"template": template})
    with pytest.raises(ConfigError, match=f"(?s){told}.*@custom"):
        prepare(cluster_, names, FIELDS)


def test_what_somebody_broke_or_deleted_is_mended(cluster_: Connection, names: Names) -> None:
    prepare(cluster_, names, FIELDS)
    trail, flow = (f"{names.prefix}siem-events-{dataset}" for dataset in FIELDS)
    body = dict(cluster_.ask("GET", f"/_index_template/{trail}")["index_templates"][0]["index_template"])
    cluster_.ask("PUT", f"/_index_template/{trail}", {**body, "composed_of": []})
    cluster_.ask("DELETE", f"/_index_template/{flow}")
    cluster_.ask(
        "PUT", f"/_component_template/{names.prefix}siem-states", {"template": {"settings": {"analysis": ANALYSIS}}}
    )
    cluster_.ask("DELETE", f"/{names.state(States.LOG)}")
    done = {change.name: str(change) for change in prepare(cluster_, names, FIELDS)}
    assert done == {
        f"{names.prefix}siem-states": f"component template {names.prefix}siem-states: was changed: _meta,"
        " template.settings.index.auto_expand_replicas, template.settings.index.codec, …",
        trail: f"index template {trail}: was changed: composed_of",
        flow: f"index template {flow}: is missing",
        names.state(States.LOG): f"index {names.state(States.LOG)}: is missing",
    }
    assert left(cluster_, names) == []


def older(connection: Connection, names: Names, without: str) -> None:
    """Prepare the cluster as a program would have that did not know a field yet."""
    old = templates(names, FIELDS, version=0)
    for thing, bodies in ((Thing.COMPONENT, old.components), (Thing.TEMPLATE, old.indices)):
        if thing is Thing.TEMPLATE:
            for custom in old.custom:
                connection.ask("PUT", Thing.COMPONENT.path(custom), {"template": {}})
        for name, body in bodies.items():
            body.get("template", {}).get("mappings", {}).get("properties", {}).pop(without, None)
            connection.ask("PUT", thing.path(name), body)
    connection.ask("PUT", f"/{names.prefix}{INDEX}")


def test_an_upgrade_gives_new_fields_to_indices_that_are_there(cluster_: Connection, names: Names) -> None:
    older(cluster_, names, without="network")
    assert "network" not in mapping(cluster_, f"{names.prefix}{INDEX}")["properties"]
    done = {change.name: change for change in prepare(cluster_, names, FIELDS)}
    assert done[f"{names.prefix}siem-events"].why == f"is of version 0, not {VERSION}"
    assert done[f"{names.prefix}{INDEX}"].why.startswith("lacks network.")
    assert mapping(cluster_, f"{names.prefix}{INDEX}")["properties"]["network"]["properties"]["bytes"] == {
        "type": "long",
        "ignore_malformed": True,
    }
    assert left(cluster_, names) == []


def test_what_a_newer_program_prepared_is_left_alone(
    cluster_: Connection, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(cluster_, names, FIELDS)
    monkeypatch.setattr(preparing, "VERSION", 0)
    with pytest.raises(ConfigError, match=rf"newer version.*version {VERSION}, this program's are .* 0\); upgrade"):
        prepare(cluster_, names, FIELDS)


def test_another_programs_templates_are_left_alone(cluster_: Connection, names: Names) -> None:
    body = {"template": {"settings": {"number_of_shards": 3}}}
    cluster_.ask("PUT", f"/_component_template/{names.prefix}siem-events", body)
    with pytest.raises(ConfigError, match=r"siem-events is of another program; set opensearch\.prefix"):
        prepare(cluster_, names, FIELDS)


@pytest.mark.parametrize("pattern", ["events-*", "events-aws.trail-2026*", "siem-*", "*"])
@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_template_that_would_take_our_indices_is_told_of(
    cluster_: Connection, names: Names, pattern: str, before: bool
) -> None:
    if not before:
        prepare(cluster_, names, FIELDS)
    theirs = {"index_patterns": [f"{names.prefix}{pattern}"], "priority": 900, "template": {}}
    cluster_.ask("PUT", f"/_index_template/{names.prefix}greedy", theirs)
    with pytest.raises(
        ConfigError, match=f"index template {names.prefix}greedy: is not ours, and takes .*priority 900"
    ):
        prepare(cluster_, names, FIELDS)
    assert before is not bool(cluster_.ask("GET", f"/{names.every_event()}/_settings"))
    cluster_.ask("PUT", f"/_index_template/{names.prefix}greedy", {**theirs, "priority": 499})
    prepare(cluster_, names, FIELDS)
    assert left(cluster_, names) == []


def test_an_index_that_was_made_without_the_template_is_told_of(cluster_: Connection, names: Names) -> None:
    index = f"{names.prefix}{INDEX}"
    cluster_.ask("PUT", f"/{index}/_doc/1", {"source": {"ip": "192.0.2.1"}})
    with pytest.raises(ConfigError, match=rf"{index}: has source\.ip as text, not as ip: .*reindex"):
        prepare(cluster_, names, FIELDS)
    assert left(cluster_, names) == [(Step.CONFLICT, Thing.MAPPING, index)]  # all else is as it has to be


@pytest.mark.parametrize("block", ["read_only", "write"])
def test_an_index_that_is_read_only_gets_new_fields_once_it_is_not(
    cluster_: Connection, names: Names, block: str
) -> None:
    older(cluster_, names, without="network")
    index = f"{names.prefix}{INDEX}"
    cluster_.ask("PUT", f"/{index}/_settings", {f"index.blocks.{block}": True})
    prepare(cluster_, names, FIELDS)
    assert left(cluster_, names) == []
    assert "network" not in mapping(cluster_, index)["properties"]
    cluster_.ask("PUT", f"/{index}/_settings", {f"index.blocks.{block}": None})
    assert [change.name for change in prepare(cluster_, names, FIELDS)] == [index]
    assert "network" in mapping(cluster_, index)["properties"]


class TestPeriods:
    def test_they_are_remembered(self, cluster_: Connection, names: Names) -> None:
        assert periods(cluster_, names) == {}
        prepare(cluster_, replace(names, periods={"aws.flow": Period.DAY}), FIELDS)
        assert periods(cluster_, names) == {"aws.flow": Period.DAY, "aws.trail": Period.MONTH}
        assert prepare(cluster_, names, FIELDS) == []
        assert settled(cluster_, names).period("aws.flow") is Period.DAY

    def test_another_is_refused_once_something_is_stored(self, cluster_: Connection, names: Names) -> None:
        prepare(cluster_, names, FIELDS)
        daily = replace(names, periods={"aws.trail": Period.DAY})
        cluster_.ask("PUT", f"/{names.prefix}{INDEX}/_doc/1", {"event.id": "1"}, refresh="true")
        with pytest.raises(ConfigError, match=r"aws\.trail spans a month, not a day: .*opensearch\.periods"):
            prepare(cluster_, daily, FIELDS)
        assert periods(cluster_, names)["aws.trail"] is Period.MONTH

    def test_nobody_opens_a_store_with_another(self, cluster_: Connection, names: Names) -> None:
        """Of a limit in the middle of a month retention would drop the month, if it was for days."""
        prepare(cluster_, names, FIELDS)
        cluster_.ask("PUT", f"/{names.prefix}{INDEX}/_doc/1", {"event.id": "1"}, refresh="true")
        options = {"prefix": names.prefix, "periods": {"aws.trail": "day", "aws.flow": "day"}}
        with pytest.raises(ConfigError, match=r"aws\.trail spans a month, not a day: "):
            existing_store(load_settings(store=cluster_.name, opensearch=options))

    def test_another_is_taken_while_nothing_is(self, cluster_: Connection, names: Names) -> None:
        prepare(cluster_, names, FIELDS)
        prepare(cluster_, replace(names, periods={"aws.trail": Period.DAY}), FIELDS)
        assert periods(cluster_, names)["aws.trail"] is Period.DAY

    def test_those_of_another_prefix_are_not_ours(self, cluster_: Connection, names: Names) -> None:
        prepare(cluster_, replace(names, prefix=f"{names.prefix}a-"), FIELDS)
        assert periods(cluster_, names) == {}


Documents = list[tuple[str, dict[str, Any]]]
"""Each with its dataset."""


@pytest.fixture
def refused(cluster_: Connection, names: Names, registry: Registry) -> Callable[[Documents], list[Any]]:
    """Writes documents into indices that the templates made; what the cluster refuses of them."""
    fields = {dataset: parser.fields for dataset, parser in registry.parsers.items()}
    prepare(cluster_, names, fields)

    def written(documents: Documents) -> list[Any]:
        lines = []
        for number, (dataset, document) in enumerate(documents):
            where = {"create": {"_index": f"{names.prefix}events-{dataset}-2026.11", "_id": f"{number}"}}
            own = {"siem.object": "o", "siem.seq": number}
            whole = {**document, **additions(decoded(json.dumps(document)), fields[dataset]), **own}
            lines += [json.dumps(where), json.dumps(whole)]
        answer = cluster_.ask("POST", "/_bulk", ("\n".join(lines) + "\n").encode(), refresh="true")
        assert len(answer["items"]) == len(documents)
        return [item["create"] for item in answer["items"] if item["create"]["status"] != 201]

    return written


def test_the_events_of_every_sample_are_taken(refused: Callable[[Documents], list[Any]]) -> None:
    documents: Documents = []
    for file in sorted(PARSERS.glob("*/*/expected.ndjson")):
        events = [orjson.loads(line) for line in file.read_bytes().splitlines()]
        documents += [(event["event.dataset"], event) for event in events]
    assert {dataset for dataset, _ in documents} == {"aws.cloudtrail", "aws.elb", "aws.vpcflow", "aws.waf"}
    assert refused(documents) == []


TYPES: tuple[Any, ...] = (
    "text",
    1,
    1.5,
    True,
    None,
    {"b": {"c": "d"}},
    ["x", 1, {"y": 2}],
    [],
    {},
    "x" * 40_000,
    [[1]],
)


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"k": [value]}
    return value


TORTURE: dict[str, Any] = {
    "unknown fields": [{"unknown": value, "also.unknown.here": value, "source.unknown": value} for value in TYPES],
    "types that change": [
        {"aws.cloudtrail": {top: {f"path{number}": value}, f"field{number}": value}}
        for top in ("requestParameters", "responseElements", "additionalEventData")
        for number in range(20)
        for value in TYPES
    ],
    "records of any type": [{"aws.cloudtrail": value} for value in TYPES],
    "payloads of any type": [{"aws.cloudtrail": {"requestParameters": value}} for value in TYPES],
    "long strings": [
        {
            "event.action": letter * 40_000,
            "source.address": letter * 40_000,
            "aws.cloudtrail": {"x" * 40_000: letter * 40_000},
        }
        for letter in ("x", "é", "\uffff", "😀")
    ],
    "longest strings": [{"event.action": "\uffff" * 8191, "aws.cloudtrail": {"a": "\uffff" * 8189}}],
    "thousands of keys": [
        {"aws.cloudtrail": {f"key{number}.{page}": {"x": number} for number in range(5_000)}, f"unknown{page}": page}
        for page in range(4)
    ],
    "depth": [
        {"aws.cloudtrail": nested(30), "unknown": nested(30)},
        {"aws.cloudtrail": {"requestParameters": nested(90)}},
    ],
    "no addresses": [{"source.ip": value} for value in ("AWS Internal", "-", "", "10.0.0.1:443", "999.1.1.1", ["x"])],
    "no numbers": [{"source.port": value} for value in ("-", "", "x", "1e400", 1.5, 10**30, "99999999999999999999")],
    "edges of time": [{"@timestamp": f"{time}Z"} for time in ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999")],
}


@pytest.mark.parametrize("torture", TORTURE)
def test_whatever_a_record_holds_the_event_is_taken_and_nothing_becomes_a_field(
    cluster_: Connection, names: Names, refused: Callable[[Documents], list[Any]], torture: str
) -> None:
    index = f"{names.prefix}events-aws.cloudtrail-2026.11"
    cluster_.ask("PUT", f"/{index}")
    before = mapping(cluster_, index)
    assert refused([("aws.cloudtrail", document) for document in TORTURE[torture]]) == []
    assert mapping(cluster_, index) == before
    assert cluster_.ask("GET", f"/{index}/_count")["count"] == len(TORTURE[torture])


def test_a_key_that_no_node_reads_is_refused_and_has_to_be_a_reject(refused: Callable[[Documents], list[Any]]) -> None:
    """The one thing in a record that the mapping cannot help: nodes read names of up to 50,000 bytes."""
    (refusal,) = refused(
        [("aws.cloudtrail", {"aws.cloudtrail": {"k" * 70_000: 1}}), ("aws.cloudtrail", {"event.id": "e"})]
    )
    assert refusal["_id"] == "0"
    assert refusal["status"] == 400
    assert "maximum allowed (50000" in json.dumps(refusal["error"])
