"""A store that is restored from snapshots, as docs/operations.md says, is the same store, and goes on as one."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opensearch import Node, Nodes, NoNode, asked
from stores import connected, prepared, removed, shipped_fields

from siem.cli import options
from siem.config import Settings
from siem.detect.passes import Passed, detect
from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.run.ingest import Ingested, ingest
from siem.schema import Clause
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.names import Names
from siem.store.opensearch.search.counting import counted

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 2, tzinfo=UTC)
FIELDS = shipped_fields()


@dataclass(frozen=True)
class Cluster:
    """A store at a URL. location: of snapshots, a folder."""

    url: str
    prefix: str
    location: Path

    @property
    def names(self) -> Names:
        return Names(self.prefix)

    def opened(self) -> closing[OpenSearchStore]:
        return closing(OpenSearchStore(connected(self.url), self.names, FIELDS))

    def taken_in(self, place: Path, registry: Registry) -> tuple[Ingested, Passed]:
        """Objects of the place, and a detection pass over what is new."""
        with self.opened() as store:
            done = ingest([str(place)], store, registry, Settings(), lambda: NOW)
            return done, detect(store, options.rules(None, None), Sources.of(registry), everything=True)

    def seen(self) -> dict[str, Any]:
        """All that has to be the same; what the ledger says of events is proven."""
        with self.opened() as store, closing(connected(self.url)) as connection:
            rows = store.ledger()
            visible = counted(connection, self.names, list(rows))
            assert visible == {id_: row.events - row.duplicates for id_, row in rows.items()}
            events = {
                dataset: [(hit.timestamp, hit.event_id, hit.object) for hit in store.search([every(dataset)])]
                for dataset in FIELDS
            }
            sums = [replace(one, bytes=0) for one in store.stats()]
            return {"rows": rows, "events": events, "sums": sums, "alerts": store.alerts(merged=True)}

    def repository(self, **settings: Any) -> None:
        body = {"type": "fs", "settings": {"location": str(self.location), **settings}}
        told(self.url, "PUT", "/_snapshot/drill", body)

    def snapshot(self, name: str) -> None:
        body = {"indices": f"{self.prefix}{name.rpartition('-')[0]}-*", "include_global_state": False}
        done = told(self.url, "PUT", f"/_snapshot/drill/{name}?wait_for_completion=true", body)
        assert done["snapshot"]["state"] == "SUCCESS"

    def restore(self, prefix: str, *snapshots: str) -> None:
        """What a store of that prefix was. It is prepared then."""
        renamed = {"rename_pattern": f"{prefix}(.+)", "rename_replacement": f"{self.prefix}$1"}
        aliases = {f"rename_alias_{key.removeprefix('rename_')}": text for key, text in renamed.items()}
        for name in snapshots:
            body = {"include_global_state": False, **renamed, **aliases}
            done = told(self.url, "POST", f"/_snapshot/drill/{name}/_restore?wait_for_completion=true", body)
            assert done["snapshot"]["shards"]["failed"] == 0
        prepared(self.url, self.names, FIELDS)


def told(url: str, method: str, path: str, body: dict[str, Any]) -> Any:
    answer = asked(url, method, path, json.dumps(body))
    assert "error" not in answer, answer
    return answer


def every(dataset: str) -> Clause:
    return Clause(dataset, {"match_all": {}})


@dataclass(frozen=True)
class Original:
    """A store, what it was when its snapshots were taken, and what it came to with more objects."""

    cluster: Cluster
    then: dict[str, Any]
    later: dict[str, Any]


@pytest.fixture(scope="module")
def original(opensearch: str, samples: Path, registry: Registry) -> Iterator[Original]:
    name = f"drill{secrets.token_hex(4)}-"
    (node,) = asked(opensearch, "GET", "/_nodes/_local/settings")["nodes"].values()
    paths = node["settings"]["path"].get("repo")
    assert paths, "the node has no path.repo, so no snapshots of it can be taken"
    cluster = Cluster(opensearch, name, Path(paths if isinstance(paths, str) else paths[0]) / name)
    prepared(opensearch, cluster.names, FIELDS)
    cluster.taken_in(samples / "bucket", registry)
    cluster.repository()
    cluster.snapshot("siem-1")
    cluster.snapshot("events-1")
    then = cluster.seen()
    assert then["alerts"]
    cluster.taken_in(samples / "cloudtrail-invictus", registry)
    cluster.snapshot("events-2")
    yield Original(cluster, then, cluster.seen())
    removed(opensearch, cluster.names)
    asked(opensearch, "DELETE", "/_snapshot/drill/*")
    asked(opensearch, "DELETE", "/_snapshot/drill")
    shutil.rmtree(cluster.location, ignore_errors=True)


@pytest.fixture
def other_node(nodes: Nodes, original: Original) -> Iterator[Node]:
    settings = {"discovery.type": "single-node", "path.repo": str(original.cluster.location)}
    try:
        node = nodes.begin(f"restored-{secrets.token_hex(4)}", settings, heap="512m")
        node.wait_for(1)
    except NoNode as why:
        pytest.fail(str(why), pytrace=False)
    yield node
    node.kill()


def test_under_another_prefix(original: Original, samples: Path, registry: Registry) -> None:
    beside = replace(original.cluster, prefix=f"other{original.cluster.prefix}")
    try:
        assert_goes_on(beside, original, samples, registry)
        aliases = asked(beside.url, "GET", f"/_alias/{beside.prefix}events")
        assert aliases
        assert all(index.startswith(beside.prefix) for index in aliases)
        assert original.cluster.seen() == original.later
    finally:
        removed(beside.url, beside.names)


def test_on_another_cluster(other_node: Node, original: Original, samples: Path, registry: Registry) -> None:
    elsewhere = replace(original.cluster, url=other_node.url)
    elsewhere.repository(readonly=True)
    assert_goes_on(elsewhere, original, samples, registry)


def test_events_that_are_ahead_of_the_ledger_are_found_in_their_place(
    original: Original, samples: Path, registry: Registry
) -> None:
    ahead = replace(original.cluster, prefix=f"ahead{original.cluster.prefix}")
    try:
        ahead.restore(original.cluster.prefix, "siem-1", "events-2")
        assert ahead.seen()["rows"] == original.then["rows"]
        ahead.taken_in(samples / "cloudtrail-invictus", registry)
        assert ahead.seen() == original.later
    finally:
        removed(ahead.url, ahead.names)


def assert_goes_on(restored: Cluster, original: Original, samples: Path, registry: Registry) -> None:
    restored.restore(original.cluster.prefix, "siem-1", "events-1")
    assert restored.seen() == original.then
    again, passed = restored.taken_in(samples / "bucket", registry)
    assert (again.objects, again.known) == (0, len(original.then["rows"]))
    assert (passed.objects, passed.signals) == (0, 0)
    assert restored.seen() == original.then
    new, passed = restored.taken_in(samples / "cloudtrail-invictus", registry)
    assert new.objects > 0
    assert passed.objects > 0
    assert restored.seen() == original.later
