"""What the store says of every object of the sample bucket and of broken input is what the manifest says."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from manifest import DATA, DATASETS, MANIFEST, OBJECTS, ROOT, check_counts, check_damage, name, place

from siem.config import Settings
from siem.parsing import Registry
from siem.run.ingest import Ingested, ingest
from siem.run.reading import UNCLAIMED
from siem.schema import Query, SourceObject
from siem.store import open_folder
from siem.store.contract import LedgerRow, State, Store, StoredReject

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 2, tzinfo=UTC)
BAD, BUCKET = "bad-input/", "samples/bucket/"
ENTRIES = [entry for entry in OBJECTS if entry["path"].startswith((BAD, BUCKET))]


def bucket(entry: dict[str, Any]) -> Path:
    """The folder that mirrors the bucket in which the entry's key is: each case of broken input has its own."""
    return DATA / BAD / entry["case"] if entry["path"].startswith(BAD) else ROOT / BUCKET


@dataclass
class Taken:
    """One store with all of them. ids: of what is stored, by object."""

    store: Store
    registry: Registry
    settings: Settings
    done: Ingested
    rows: dict[str, LedgerRow]
    rejects: dict[str, list[StoredReject]]
    ids: dict[str, list[str]]

    def row(self, entry: dict[str, Any]) -> LedgerRow:
        """A file cannot be called like a folder's marker: its key is its path."""
        key = place(entry).relative_to(bucket(entry)).as_posix()
        return self.rows[SourceObject(bucket(entry).name, key).id]

    def again(self) -> Ingested:
        return taken_in(self.store, self.registry, self.settings)


def taken_in(store: Store, registry: Registry, settings: Settings) -> Ingested:
    places = list(dict.fromkeys(str(bucket(entry)) for entry in ENTRIES))
    return ingest(places, store, registry, settings, lambda: NOW)


@pytest.fixture(scope="module")
def taken(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    settings = Settings(store=str(tmp_path_factory.mktemp("store")))
    with closing(open_folder(settings.store)) as store:
        done = taken_in(store, registry, settings)
        rejects, ids = defaultdict(list), defaultdict(list)
        for reject in store.rejects():
            rejects[reject.object].append(reject)
        for dataset in registry.parsers:
            for hit in store.search([Query(dataset, "TRUE")]):
                ids[hit.object].append(hit.event_id)
        yield Taken(store, registry, settings, done, store.ledger(), rejects, ids)


def test_every_object_has_one_row(taken: Taken) -> None:
    assert {entry["path"] for entry in ENTRIES} >= {entry["path"] for entry in OBJECTS if "case" in entry}
    assert len(ENTRIES) == len(taken.rows) == taken.done.objects == 80 + 114
    assert taken.done.states == Counter(row.state.value for row in taken.rows.values())
    assert taken.done.states[State.FAILED.value] == 0


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_the_ledger_says_what_the_manifest_says(entry: dict[str, Any], taken: Taken) -> None:
    row = taken.row(entry)
    if DATASETS.get(entry["kind"]) not in taken.registry.parsers:
        assert (row.state, row.dataset, row.records, row.reason) == (State.UNRECOGNISED, None, 0, UNCLAIMED)
        return
    check_counts(entry, row.state, row)
    check_damage(entry, row.state, row.reason)
    assert (row.first is None) == (row.last is None) == (row.events == 0)


@pytest.mark.parametrize("entry", ENTRIES, ids=name)
def test_what_is_stored_is_what_the_ledger_counts(entry: dict[str, Any], taken: Taken) -> None:
    row = taken.row(entry)
    assert len(taken.ids[row.object]) == row.events - row.duplicates
    kept = taken.rejects[row.object]
    assert len(kept) == len({reject.reject.ordinal for reject in kept}) == row.rejects
    assert all(reject.reject.reason and reject.reject.raw for reject in kept)
    assert {(reject.key, reject.dataset) for reject in kept} <= {(row.key, row.dataset)}
    assert set(entry.get("good_event_ids", ())) <= set(taken.ids[row.object])


def test_the_sums_of_the_sample_bucket_are_those_of_the_manifest(taken: Taken) -> None:
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    duplicates: Counter[str | None] = Counter()
    for entry in ENTRIES:
        if entry["path"].startswith(BUCKET):
            row = taken.row(entry)
            totals[entry["kind"]] += Counter(files=1, records=row.records, events=row.events, skipped=row.skipped)
            duplicates[row.dataset] += row.duplicates
    for kind, wanted in MANIFEST["totals_sample_bucket"].items():
        if DATASETS.get(kind) in taken.registry.parsers:
            assert {name: totals[kind][name] for name in ("files", "records", "events", "skipped")} == wanted
    assert set(+duplicates) == {"aws.cloudtrail"}
    events = totals["cloudtrail"]["events"] - duplicates["aws.cloudtrail"]
    assert events == MANIFEST["unique_cloudtrail_event_ids"]


def test_the_same_objects_again_are_nothing_new(taken: Taken) -> None:
    again = taken.again()
    assert (again.objects, again.known, again.changed) == (0, len(taken.rows), [])
    assert taken.store.ledger() == taken.rows
