"""Looks whether a cluster is there, is well, and is as it was prepared. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from siem.config import Settings
from siem.errors import ConfigError, Refused, SiemError, Unavailable
from siem.schema import DatasetFields
from siem.store.checks import Check, Verdict
from siem.store.opensearch.cluster.clients import cautions, check_product, connect, names_of
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.preparing import Change, Step, changes, listed, settled
from siem.store.opensearch.cluster.scanning import document
from siem.store.opensearch.cluster.templates import templates
from siem.store.opensearch.commit.log import APPLIED, Pointer, entry_id
from siem.store.opensearch.commit.rows import ENTRY
from siem.store.opensearch.names import Names, States

PATIENCE = 5.0
"""Seconds: who asks a doctor wants to know soon that nobody is at home."""

LITTLE, TOO_LITTLE = 85, 95
"""Percent of a disk in use: from the first on no new shards come to a node, at the second its indices become
read-only. https://docs.opensearch.org/latest/install-and-configure/configuring-opensearch/cluster-settings/"""

APART = timedelta(seconds=30)
"""How far clocks may differ."""

INIT = "run `siem store init`; with --dry-run it says what it would do"


def checks(settings: Settings, fields: Mapping[str, DatasetFields], clock: Callable[[], datetime]) -> list[Check]:
    """Every check, unless the cluster cannot be asked at all."""
    brief = settings.opensearch.model_copy(update={"patience": min(PATIENCE, settings.opensearch.patience)})
    try:
        connection = connect(settings.model_copy(update={"opensearch": brief}))
    except ConfigError as error:
        return [Check("settings", Verdict.FAILURE, str(error), "mend the setting")]
    try:
        version = check_product(connection)
        found = [Check("connection", Verdict.OK, f"{connection.name}, OpenSearch {version}")]
        found += [Check("connection", Verdict.WARNING, told, "see docs/settings.md") for told in cautions(settings)]
        return found + list(of_cluster(connection, names_of(settings), fields, clock))
    except SiemError as error:
        return [Check("connection", Verdict.FAILURE, str(error), advice(error))]
    finally:
        connection.close()


def of_cluster(
    connection: Connection, names: Names, fields: Mapping[str, DatasetFields], clock: Callable[[], datetime]
) -> Iterator[Check]:
    """One that cannot be made does not keep the others from being made."""
    looks: dict[str, Callable[[], Iterator[Check]]] = {
        "health": lambda: health(connection, names),
        "index": lambda: closed(connection, names),
        "disk": lambda: disk(connection, names),
        "clock": lambda: clocks(connection, clock),
        "templates": lambda: prepared(connection, names, fields),
        "state": lambda: agreement(connection, names),
    }
    for what, look in looks.items():
        try:
            yield from list(look())
        except SiemError as error:
            yield Check(what, Verdict.FAILURE, str(error), advice(error))


def advice(error: SiemError) -> str:
    match error:
        case Unavailable():
            return "start it, or mend the address or the way to it"
        case Refused():
            return "see the cluster's log"
        case _:
            return "see the message and docs/settings.md"


def ours(names: Names) -> str:
    return f"{names.every_event()},{names.prefix}siem-*"


def health(connection: Connection, names: Names) -> Iterator[Check]:
    said = connection.ask("GET", f"/_cluster/health/{ours(names)}")
    away, status, nodes = said["unassigned_shards"], said["status"], said["number_of_nodes"]
    if status == "red":
        told = f"{away} shards are away: events cannot be read or written"
        yield Check("health", Verdict.FAILURE, told, "bring the missing nodes back, or restore a snapshot")
    elif status == "yellow":
        told = f"{away} copies of shards are missing: the loss of a node would lose events"
        yield Check("health", Verdict.WARNING, told, "bring the missing nodes back, or wait until copies are made")
    else:
        yield Check("health", Verdict.OK, f"{nodes} node{'s' if nodes > 1 else ''}, every shard is there")


def closed(connection: Connection, names: Names) -> Iterator[Check]:
    """Indices that nobody can read; the cluster's health says nothing of them."""
    asked: dict[str, Any] = {"format": "json", "h": "index,status", "s": "index", "expand_wildcards": "all"}
    found = connection.ask("GET", f"/_cat/indices/{ours(names)}", **asked)
    if there := [one["index"] for one in found if one["status"] == "close"]:
        told = f"closed: {listed(there)}: what is in there cannot be read or written"
        yield Check("index", Verdict.FAILURE, told, "open them: POST /<index>/_open")


def disk(connection: Connection, names: Names) -> Iterator[Check]:
    yield from fullness(connection.ask("GET", "/_cat/allocation", format="json", h="node,disk.percent"))
    yield from blocks(connection.ask("GET", f"/{ours(names)}/_settings", filter_path="*.settings.index.blocks"))


def fullness(nodes: Iterable[Mapping[str, Any]]) -> Iterator[Check]:
    """Of `_cat/allocation`: nodes whose disks fill."""
    for node in nodes:
        used = int(node.get("disk.percent") or 0)
        if used >= LITTLE:
            verdict = Verdict.FAILURE if used >= TOO_LITTLE else Verdict.WARNING
            yield Check("disk", verdict, f"of node {node['node']}: {used} % in use", "drop old periods, or add disk")


def blocks(indices: Mapping[str, Any]) -> Iterator[Check]:
    """Of settings: indices that nobody can write, because a disk was full or because somebody said so."""
    blocked = {name: body["settings"]["index"]["blocks"] for name, body in sorted(indices.items())}
    flooded = [name for name, kinds in blocked.items() if "read_only_allow_delete" in kinds]
    others = [name for name in blocked if name not in flooded]
    if flooded:
        told = f"read-only, because a disk was full: {listed(flooded)}"
        yield Check("disk", Verdict.FAILURE, told, "free disk; the block goes by itself")
    if others:
        yield Check("disk", Verdict.WARNING, f"somebody blocked {listed(others)}", "take index.blocks.* out of them")
    if not blocked:
        yield Check("disk", Verdict.OK, "every index can be written")


def clocks(connection: Connection, clock: Callable[[], datetime]) -> Iterator[Check]:
    """Every node's, against ours."""
    before = clock()
    wanted = "nodes.*.name,nodes.*.os.timestamp"
    nodes = connection.ask("GET", "/_nodes/stats/os", filter_path=wanted).get("nodes", {}).values()
    after = clock()
    told = {node["name"]: datetime.fromtimestamp(node["os"]["timestamp"] / 1000, UTC) for node in nodes}
    apart = {name: max(before - there, there - after, timedelta()) for name, there in told.items()}
    wrong = [
        f"{name} by {difference.total_seconds():.0f} s" for name, difference in apart.items() if difference > APART
    ]
    if wrong:
        yield Check("clock", Verdict.WARNING, f"differs from ours: {listed(wrong)}", "run NTP on both machines")
    else:
        yield Check("clock", Verdict.OK, f"within {APART.total_seconds():.0f} s of ours")


def prepared(connection: Connection, names: Names, fields: Mapping[str, DatasetFields]) -> Iterator[Check]:
    """What is not as `siem store init` left it, or would leave it: a line for each sort, and for each conflict."""
    found = changes(connection, templates(settled(connection, names), fields))
    sorts = {(change.step, change.thing): list[Change]() for change in found}
    for change in found:
        sorts[change.step, change.thing].append(change)
    for (step, thing), alike in sorts.items():
        if step is Step.CONFLICT:
            yield from (Check(thing, Verdict.FAILURE, f"{one.name} {one.why}", "see what it says") for one in alike)
        else:
            told = f"{len(alike)} to {step}: {listed(f'{one.name} {one.why}' for one in alike)}"
            yield Check(thing, Verdict.FAILURE, told, INIT)
    if not found:
        yield Check("templates", Verdict.OK, f"as prepared, for {len(fields)} datasets")


def agreement(connection: Connection, names: Names) -> Iterator[Check]:
    """The ledger follows the log. Indices of several snapshots, or of one that was taken while somebody wrote, may have
    rows of entries that the log has not: others would take their numbers, and their rows would stay as they are."""
    pointer = Pointer.of(document(connection.ask("GET", f"/{names.state(States.STATE)}/_doc/{APPLIED}", also=(404,))))
    last = {"size": 0, "aggs": {"last": {"max": {"field": "position"}}}}
    found = connection.ask("POST", f"/{names.state(States.LEDGER)}/_search", last, also=(404,))
    position = found.body["aggregations"]["last"]["value"] if found.status == 200 else None
    entry = max(pointer.applied, int(float(position or 0)) // ENTRY)
    if found.status == 404 or not entry:
        return
    there = connection.ask("GET", f"/{names.state(States.LOG)}/_doc/{entry_id(entry)}", also=(404,))
    if there.status == 404:
        told = f"the ledger has entry {entry:,} of the log, and the log has not: they are not of one moment"
        advice = "restore every siem-* index from one snapshot, of a time when nothing was written"
        yield Check("state", Verdict.FAILURE, told, advice)
    else:
        yield Check("state", Verdict.OK, f"the ledger follows the log, up to entry {entry:,}")
