"""Ledger against store: one event, one alert, one ledger row that is deleted behind our back is named."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from opensearch import asked
from stores import connected, prepared, removed, shipped_fields

from siem.config import Limits, Settings
from siem.detect.judgement import Judgement
from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.parsing import Registry
from siem.prove.keys import Given
from siem.prove.place import place_of
from siem.prove.proof import Proof, Verdict
from siem.run.content import content_folders
from siem.run.ingest import ingest
from siem.run.verify import Kept, verify
from siem.sigma import RuleSet, load_rules
from siem.store import open_folder
from siem.store.contract import Store
from siem.store.handling import Action, Disposition, Verb
from siem.store.opensearch.names import Names
from siem.store.opensearch.store import OpenSearchStore

NOW = datetime(2026, 11, 2, tzinfo=UTC)
TRAIL = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01"


class Behind(Protocol):
    """Whoever changes a store without asking it."""

    def event(self, id_: str) -> None: ...
    def alert(self, id_: str) -> None: ...
    def closed(self, id_: str) -> None: ...
    def row(self, object_: str) -> None: ...


@dataclass
class InFolder:
    folder: Path

    def event(self, id_: str) -> None:
        for path in self.folder.glob("events/*/*/*.parquet"):
            events = pq.ParquetFile(path).read()
            left = events.filter(pc.not_equal(events["event.id"], id_))
            if len(left) < len(events):
                pq.write_table(left, path)

    def alert(self, id_: str) -> None:
        self._delete("alerts", "id", id_)

    def closed(self, id_: str) -> None:
        with sqlite3.connect(self.folder / "ledger.sqlite") as connection:
            (body,) = connection.execute("SELECT body FROM alerts WHERE id = ?", (id_,)).fetchone()
            changed = json.dumps(json.loads(body) | {"state": "closed"}).encode()
            connection.execute("UPDATE alerts SET state = 'closed', body = ? WHERE id = ?", (changed, id_))

    def row(self, object_: str) -> None:
        self._delete("objects", "object", object_)

    def _delete(self, table: str, column: str, value: str) -> None:
        with sqlite3.connect(self.folder / "ledger.sqlite") as connection:
            assert connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (value,)).rowcount == 1


@dataclass
class InCluster:
    url: str
    prefix: str

    def event(self, id_: str) -> None:
        self._delete("events-*", f'{{"event.id": "{id_}"}}')

    def alert(self, id_: str) -> None:
        self._delete("siem-alerts", f'{{"id": "{id_}"}}')

    def closed(self, id_: str) -> None:
        changed = '{"doc": {"state": "closed"}}'
        assert (
            asked(self.url, "POST", f"/{self.prefix}siem-alerts/_update/{id_}?refresh=true", changed)["result"]
            == "updated"
        )

    def row(self, object_: str) -> None:
        self._delete("siem-ledger", f'{{"object": "{object_}"}}')

    def _delete(self, index: str, term: str) -> None:
        asked(self.url, "POST", f"/{self.prefix}{index}/_refresh")
        path = f"/{self.prefix}{index}/_delete_by_query?refresh=true"
        assert asked(self.url, "POST", path, f'{{"query": {{"term": {term}}}}}')["deleted"] == 1


@dataclass
class World:
    """A bucket of CloudTrail logs, what was made of them, and whoever changes it."""

    store: Store
    behind: Behind
    folder: Path
    kept: Kept

    def proofs(self) -> dict[str, Proof]:
        place = place_of(str(self.folder), Settings())
        return {proof.name: proof for proof in verify(place, Given({}), self.kept, NOW)}

    def found(self, proof: str = "store") -> list[tuple[str, str]]:
        return [(one.kind, one.key) for one in self.proofs()[proof].findings]


@pytest.fixture(params=["folder", pytest.param("cluster", marks=pytest.mark.slow)])
def kept_in(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Behind]]:
    if request.param == "folder":
        store = open_folder(tmp_path / "store")
        yield store, InFolder(tmp_path / "store")
        store.close()
        return
    url, names = request.getfixturevalue("opensearch"), Names(f"v{uuid.uuid4().hex[:12]}-")
    prepared(url, names, shipped_fields())
    cluster = OpenSearchStore(connected(url), names, shipped_fields())
    yield cluster, InCluster(url, names.prefix)
    cluster.close()
    removed(url, names)


@pytest.fixture
def world(kept_in: tuple[Store, Behind], samples: Path, registry: Registry, tmp_path: Path) -> World:
    folder = tmp_path / "bucket"
    (folder / TRAIL).mkdir(parents=True)
    for path in (samples / "bucket" / TRAIL).iterdir():
        (folder / TRAIL / path.name).write_bytes(path.read_bytes())
    store, behind = kept_in
    settings = Settings(store=str(tmp_path / "none"))
    ingest([str(folder)], store, registry, settings, lambda: NOW)
    rules, sources = shipped_rules(), Sources.of(registry)
    detect(store, rules, sources)
    return World(store, behind, folder, Kept(store, registry, Judgement(rules, sources), Limits()))


def shipped_rules() -> RuleSet:
    return load_rules([folder / "detections" for folder in content_folders(None)])


def test_what_was_taken_in_and_judged_is_proven(world: World) -> None:
    proofs = world.proofs()
    assert {name: proof.findings for name, proof in proofs.items()} == {
        "bucket": [],
        "store": [],
        "seals": [],
        "digests": [],
    }
    assert (proofs["bucket"].verdict, proofs["store"].verdict) == (Verdict.PROVEN, Verdict.PROVEN)
    rows = world.store.ledger().values()
    assert proofs["store"].counts["events"] == sum(row.events - row.duplicates for row in rows)
    assert proofs["store"].counts["alerts"] == len(world.store.alerts()) > 0


def test_an_event_that_is_deleted_is_named(world: World) -> None:
    row = next(row for row in world.store.ledger().values() if row.events > 3)
    gone = sorted(world.store.event_ids(row.object))[1]
    world.behind.event(gone)
    (finding,) = world.proofs()["store"].findings
    assert (finding.kind, finding.bucket, finding.key) == ("events-missing", "bucket", row.key)
    assert finding.said == f"1 of {row.events - row.duplicates:,} events are not in the store: {gone}"


def test_a_ledger_row_that_is_deleted_is_named(world: World) -> None:
    row = next(row for row in world.store.ledger().values() if row.events)
    world.behind.row(row.object)
    assert world.found("bucket") == [("not-in-ledger", row.key)]
    assert world.found("store") == [("row-missing", row.key)]


def test_every_alert_that_is_deleted_is_named(world: World) -> None:
    for alert in world.store.alerts():
        world.behind.alert(alert.id)
    findings = world.proofs()["store"].findings
    keys = {row.key for row in world.store.ledger().values()}
    assert len(findings) > 3
    assert all(one.kind == "alert-missing" and one.key in keys and "is not there" in one.said for one in findings)


def test_one_alert_that_is_deleted_is_named_and_no_other(world: World) -> None:
    alert = world.store.alerts()[2]
    world.behind.alert(alert.id)
    (finding,) = world.proofs()["store"].findings
    assert (finding.kind, f"alert {alert.id} ({alert.title};" in finding.said) == ("alert-missing", True)


def test_an_alert_that_nobody_closed_is_named(world: World) -> None:
    first, second, *_ = world.store.alerts()
    world.store.act([Action("1", first.id, first.rule_id, Verb.CLOSE, "ann", NOW, "mine", Disposition.EXPECTED)])
    assert world.found() == []
    world.behind.closed(second.id)
    assert world.found() == [("alert-changed", second.id)]


def test_an_object_that_changed_since_is_told_apart(world: World) -> None:
    row = next(row for row in world.store.ledger().values() if row.events > 3)
    world.behind.event(next(iter(world.store.event_ids(row.object))))
    (world.folder / row.key).write_bytes(b"{}")
    (finding,) = world.proofs()["store"].findings
    assert finding.said.endswith("the object cannot be read again, so nobody can say which")
    assert world.found("bucket") == [("changed", row.key)]


def test_alerts_of_rules_that_are_not_in_use_are_not_judged(world: World, registry: Registry) -> None:
    nobody = Judgement(RuleSet(()), Sources.of(registry))
    world.kept = Kept(world.store, registry, nobody, Limits())
    proof = world.proofs()["store"]
    assert (proof.findings, proof.verdict) == ([], Verdict.NOT_PROVEN)
