"""Broken and hostile input through the commands: nothing ends them, and each object comes to what the manifest says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
from manifest import DATA, OBJECTS, check_counts, check_damage, place
from siem_command import lines, siem

from siem.store.contract import State

pytestmark = pytest.mark.slow  # every test starts processes

BAD = [entry for entry in OBJECTS if "case" in entry]


def test_parse_reads_all_of_it_in_one_run(tmp_path: Path) -> None:
    summary, rejects = tmp_path / "summary", tmp_path / "rejects"
    done = siem("parse", *map(place, BAD), "--summary", summary, "--rejects", rejects)
    assert b"Traceback" not in done.stderr
    told = {line["key"]: line for line in map(orjson.loads, summary.read_bytes().splitlines())}
    assert len(told) == len(BAD) == 80
    for entry in BAD:
        line = told[str(place(entry))]
        lost = State.DAMAGED if line["damaged"] else State.COMMITTED
        state = lost if line["dataset"] else State.UNRECOGNISED
        check_counts(entry, state, SimpleNamespace(**line))
        check_damage(entry, state, "; ".join(line["reasons"]) or "unrecognised")
    ids = [event["event.id"] for event in lines(done)]
    assert len(ids) == sum(line["events"] for line in told.values())
    assert {id_ for entry in BAD for id_ in entry.get("good_event_ids", ())} <= set(ids)
    assert len(rejects.read_bytes().splitlines()) == sum(line["rejects"] for line in told.values())


def test_ingest_takes_all_of_it_and_nothing_the_second_time(tmp_path: Path) -> None:
    store = ("--store", tmp_path / "store")
    folders = [DATA / "bad-input" / entry["case"] for entry in BAD]
    first = siem("ingest", *folders, *store).stderr
    assert b"80 objects (" in first
    assert b"failed" not in first
    assert b"nothing new: 80 objects" in siem("ingest", *folders, *store).stderr
    (stats,) = [lines(siem("store", "stats", "--format", "ndjson", *store))]
    kept = lines(siem("rejects", "list", *store))
    assert len(kept) == sum(row["rejects"] for row in stats)
    for row in stats:
        assert row["records"] == row["events"] + row["duplicates"] + row["rejects"] + row["skipped"]
