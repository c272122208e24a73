"""Every sample object comes to what its manifest says: samples, recorded attacks, and broken or hostile input."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from manifest import DATASETS, MANIFEST, OBJECTS, check_counts, check_damage, name, place

from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.run.reading import Reading, read
from siem.schema import SourceObject
from siem.store.contract import State

NOW = datetime(2026, 11, 2, tzinfo=UTC)


def reading(entry: dict[str, Any], registry: Registry, limits: Limits) -> Reading:
    content = Delivered(place(entry).read_bytes(), limits)
    return read(SourceObject(MANIFEST["bucket"], entry["key"]), content, registry, limits, NOW)


def documents(parsed: list[Any]) -> list[dict[str, Any]]:
    return [
        orjson.loads(line) for block in parsed if block.batch is not None for line in block.batch.ndjson().splitlines()
    ]


@pytest.mark.parametrize("entry", OBJECTS, ids=name)
def test_object_comes_to_what_the_manifest_says(entry: dict[str, Any], registry: Registry, limits: Limits) -> None:
    it = reading(entry, registry, limits)
    blocks = list(it)
    tally = it.tally
    if DATASETS.get(entry["kind"]) not in registry.parsers:
        assert (it.state, it.dataset, tally.records) == (State.UNRECOGNISED, None, 0)
        assert it.reason
        return
    check_counts(entry, it.state, tally)
    check_damage(entry, it.state, it.reason)
    assert sum(tally.reasons.values()) == tally.rejects
    ids = [document["event.id"] for document in documents(blocks)]
    assert len(ids) == tally.events
    assert set(entry.get("good_event_ids", ())) <= set(ids)


@pytest.mark.parametrize("kind", sorted(MANIFEST["totals_sample_bucket"]))
def test_sample_bucket_comes_to_its_totals(kind: str, registry: Registry, limits: Limits) -> None:
    if kind != "unrecognised" and DATASETS.get(kind) not in registry.parsers:
        pytest.skip("no parser yet")
    totals: Counter[str] = Counter()
    for entry in OBJECTS:
        if entry["kind"] == kind and entry["path"].startswith("samples/bucket/"):
            it = reading(entry, registry, limits)
            list(it)
            totals += Counter(files=1, records=it.tally.records, events=it.tally.events, skipped=it.tally.skipped)
    wanted = MANIFEST["totals_sample_bucket"][kind]
    assert {name: totals[name] for name in ("files", "records", "events", "skipped")} == wanted


def test_cloudtrail_events_of_the_bucket_have_as_many_ids_as_the_manifest_counts(
    registry: Registry, limits: Limits
) -> None:
    ids: set[str] = set()
    for entry in OBJECTS:
        if entry["kind"] == "cloudtrail" and entry["path"].startswith("samples/bucket/"):
            ids |= {document["event.id"] for document in documents(list(reading(entry, registry, limits)))}
    assert len(ids) == MANIFEST["unique_cloudtrail_event_ids"]


def test_events_and_rejects_number_the_records(registry: Registry, limits: Limits) -> None:
    """Where no record has an id of its own, ordinals show in the ids."""
    for entry in OBJECTS:
        if entry["kind"] != "vpcflow" or "aws.vpcflow" not in registry.parsers:
            continue
        it = reading(entry, registry, limits)
        blocks = list(it)
        events = [int(document["event.id"].rpartition("-")[2]) for document in documents(blocks)]
        rejects = [reject.ordinal for block in blocks for reject in block.rejects]
        seen = sorted(events + rejects)
        assert len(set(seen)) == len(seen), entry["path"]
        assert not seen or seen[-1] < it.tally.records, entry["path"]
