"""`siem hunt`: over which files, which part of the store, and which time."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from siem_command import lines, shell, siem

pytestmark = pytest.mark.slow  # every test starts processes

KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_a.json"
RULE = """\
title: A console login
logsource:
  product: aws
detection:
  selection:
    eventName: ConsoleLogin
  condition: selection
level: low
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A rule, a bucket of three logins an hour apart, and files of any JSON."""
    (tmp_path / "login.yml").write_text(RULE)
    login = {"eventVersion": "1.11", "eventName": "ConsoleLogin"}
    log = tmp_path / "archive" / KEY
    log.parent.mkdir(parents=True)
    log.write_text(
        json.dumps(
            {"Records": [{**login, "eventID": str(at), "eventTime": f"2026-11-01T0{at}:00:00Z"} for at in range(3)]}
        )
    )
    for name in ("one", "below/two"):
        path = tmp_path / "any" / f"{name}.ndjson"
        path.parent.mkdir(exist_ok=True, parents=True)
        times = ({"@timestamp": "2026-11-01T01:00:00"}, {"@timestamp": "soon"}, {"@timestamp": 7}, {})
        path.write_text("\n".join(json.dumps({**login, **time}) for time in times))
    return tmp_path


def hunted(world: Path, *arguments: object, code: int = 0) -> list[str]:
    return [match["event_id"] for match in lines(siem("hunt", "login.yml", *arguments, cwd=world, code=code))]


SPAN = ("--since", "2026-11-01T01:00:00Z", "--until", "2026-11-01T02:00:00Z")


def test_a_span_leaves_out_events_of_files_too(world: Path) -> None:
    assert hunted(world, "--on", "archive") == ["0", "1", "2"]
    assert hunted(world, "--on", "archive", *SPAN) == ["1"]


def test_a_folder_inside_of_a_bucket_is_read_as_its_files_are(tmp_path: Path) -> None:
    """That they are flow logs is said by the folder's own path alone."""
    folder = tmp_path / "AWSLogs/123456789012/vpcflowlogs/us-east-1"
    folder.mkdir(parents=True)
    flow = "2 123456789012 eni-0a1b2c3d 203.0.113.66 192.0.2.7 40000 22 6 1 40 1793496000 1793496060 ACCEPT OK"
    names = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    (folder / "flows.log").write_text(f"{names} log-status\n{flow}\n")
    (tmp_path / "ssh.yml").write_text(RULE.replace("eventName: ConsoleLogin", "destination.port: 22"))
    objects = set()
    for place in (folder.parent, f"{folder}/", folder / "flows.log"):
        (parsed,) = lines(siem("parse", place))
        (match,) = lines(siem("hunt", tmp_path / "ssh.yml", "--on", place))
        objects.add(parsed["siem.object"])
        assert match["event_id"] == parsed["event.id"]
    assert len(objects) == 1
    assert b"no parser claims this key" in siem("parse", "us-east-1", cwd=folder.parent).stderr


def test_events_without_a_time_are_in_no_span(world: Path) -> None:
    arguments = ("--dataset", "json", "--on", "any/one.ndjson")
    assert hunted(world, *arguments) == [f"any/one.ndjson:{number}" for number in range(1, 5)]
    assert hunted(world, *arguments, *SPAN) == ["any/one.ndjson:1"]


def test_events_without_a_time_that_a_correlation_leaves_out_are_told(world: Path) -> None:
    often = "correlation: {type: event_count, rules: login, timespan: 1m, condition: {gte: 2}}\n"
    (world / "often.yml").write_text(f"name: login\n{RULE}---\nname: often\n{often}")
    times = ["2026-11-01T00:00:00Z", "2026-11-01T00:01:00Z", 1793491200, None]
    events = [json.dumps({"eventName": "ConsoleLogin", "@timestamp": time}) for time in times]
    (world / "times.ndjson").write_text("\n".join(events))
    run = siem("hunt", "often.yml", "--on", "times.ndjson", "--dataset", "json", cwd=world)
    assert [row["count"] for row in lines(run)] == [2]
    assert run.stderr.decode().splitlines() == ["often: 2 events without a time that can be read are left out"]


def test_a_time_that_is_none_is_refused(world: Path) -> None:
    assert (
        b"garbage: no time" in siem("hunt", "login.yml", "--since", "garbage", "--on", "any", cwd=world, code=2).stderr
    )
    assert b"garbage: no time" in siem("detect", "--until", "garbage", cwd=world, code=2).stderr


def test_any_json_of_a_folder_is_named_by_the_files_path(world: Path, engine: list[str]) -> None:
    for place in ("any", "./any/"):
        found = hunted(world, "--dataset", "json", "--on", place, *engine)
        files = (f"{place.rstrip('/')}/{name}.ndjson" for name in ("below/two", "one"))
        assert found == [f"{file}:{number}" for file in files for number in range(1, 5)]


def test_an_engine_on_a_cluster_needs_one(world: Path) -> None:
    told = siem("hunt", "login.yml", "--on", "archive", "--engine", "opensearch", cwd=world, code=2).stderr.decode()
    assert told.startswith("siem: engine opensearch: the store is the folder ./siem-data; let --store or SIEM_STORE")
    assert not (world / "siem-data").exists()


def test_a_file_of_any_json_that_breaks_costs_what_is_behind_the_break(world: Path) -> None:
    whole = gzip.compress((world / "any" / "one.ndjson").read_bytes() + b"\n" + bytes(range(256)) * 999, 0)
    (world / "broken.gz").write_bytes(whole[: len(whole) // 2])
    done = siem("hunt", "login.yml", "--dataset", "json", "--on", "broken.gz", "any/one.ndjson", cwd=world, code=1)
    found = [match["event_id"] for match in lines(done)]
    assert found == [f"{file}:{number}" for file in ("broken.gz", "any/one.ndjson") for number in range(1, 5)]
    assert b"broken.gz: damaged: " in done.stderr


def test_a_line_of_any_json_that_never_ends_costs_itself(world: Path) -> None:
    login = (world / "any" / "one.ndjson").read_bytes().splitlines()[0]
    (world / "long.ndjson").write_bytes(b"\n".join((login, b"[" * 40_000_000, login)))
    done = siem("hunt", "login.yml", "--dataset", "json", "--on", "long.ndjson", cwd=world, code=1)
    assert [match["event_id"] for match in lines(done)] == ["long.ndjson:1", "long.ndjson:3"]
    assert b"long.ndjson:2: longer than " in done.stderr


def test_the_store_is_searched_for_one_dataset(world: Path) -> None:
    siem("ingest", "archive", cwd=world)
    assert hunted(world) == ["0", "1", "2"]
    assert hunted(world, "--dataset", "aws.cloudtrail", *SPAN) == ["1"]
    assert hunted(world, "--dataset", "aws.vpcflow") == []
    for dataset in ("aws.nothing", "json"):
        assert b"no parser makes" in siem("hunt", "login.yml", "--dataset", dataset, cwd=world, code=2).stderr


def test_on_without_a_file_is_no_search_of_the_store(world: Path) -> None:
    for call in (["--on"], ["--on", "--dataset", "json"]):
        assert siem("hunt", "login.yml", *call, cwd=world, code=2).stderr == b"siem: --on: name the files\n"
    assert not (world / "siem-data").exists()


def test_a_pipe_is_read_like_a_file(world: Path) -> None:
    log, rule = world / "archive" / KEY, world / "login.yml"
    parsed = shell(f"siem parse --dataset aws.cloudtrail <(cat {log})").stdout
    assert parsed.count(b"ConsoleLogin") >= 3
    assert len(lines(shell(f"siem hunt {rule} --dataset aws.cloudtrail --on <(cat {log})"))) == 3
    assert b"no regular file" in shell(f"siem ingest <(echo x) --store {world / 'store'}", code=2).stderr
    assert not (world / "store").exists()
