"""The commands, as docs/commands.md writes them down for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from siem_command import lines, siem

pytestmark = pytest.mark.slow  # every test starts processes

TRAIL = "bucket/AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/"
LOGINS = f"{TRAIL}111122223333_CloudTrail_us-east-1_20261101T0415Z_e5yy0gloQr2kLFnJ.json.gz"

RULE = """\
title: A console login
logsource:
  product: aws
  service: cloudtrail
detection:
  selection:
    eventName: ConsoleLogin
  condition: selection
level: low
"""


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "login.yml"
    path.write_text(RULE)
    return path


def test_parse_prints_events_and_sums_up_each_object(samples: Path, tmp_path: Path) -> None:
    told = tmp_path / "summary.ndjson"
    done = siem("parse", samples / LOGINS, samples / "story.json", "--summary", told)
    events = lines(done)
    first, second = (json.loads(line) for line in told.read_text().splitlines())
    assert len(events) == 7
    assert {event["event.dataset"] for event in events} == {"aws.cloudtrail"}
    assert (first["dataset"], first["records"], first["events"], first["damaged"]) == ("aws.cloudtrail", 7, 7, False)
    assert (second["dataset"], second["records"]) == (None, 0)
    assert list(second["reasons"]) == ["no parser claims this key"]


def test_parse_keeps_rejects_with_their_bytes(tmp_path: Path) -> None:
    log, kept = tmp_path / "log", tmp_path / "rejects"
    log.write_bytes(b'{"Records":[{"eventVersion":"1.11","eventTime":"never"},7]}')
    done = siem("parse", log, "--dataset", "aws.cloudtrail", "--rejects", kept)
    assert done.stdout == b""
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(row["ordinal"], row["reason"]) for row in rows] == [(0, "no time that can be read"), (1, "not an object")]


def test_a_wrong_call_ends_with_2_and_says_what_is_wrong(samples: Path, rule: Path) -> None:
    assert b"no such file" in siem("parse", "nowhere.log", code=2).stderr
    assert b"no parser makes aws.nothing" in siem("parse", rule, "--dataset", "aws.nothing", code=2).stderr
    assert b"engine rust" in siem("hunt", rule, "--on", samples / LOGINS, "--engine", "rust", code=2).stderr
    assert siem("parse", code=2).stderr


def test_ingest_names_what_changed_and_what_is_empty(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    assert siem("ingest", "archive", cwd=tmp_path).stderr == b"no objects in archive\n"
    (tmp_path / "archive" / "a.log").write_text("one")
    siem("ingest", "archive", cwd=tmp_path)
    (tmp_path / "archive" / "a.log").write_text("two")
    told = siem("ingest", "archive", cwd=tmp_path).stderr.decode()
    assert "changed: archive/a.log: other bytes than the ledger knows under this key; taken in as sha256:" in told


def test_hunt_over_files_gives_a_line_per_match(samples: Path, rule: Path, engine: list[str]) -> None:
    found = lines(siem("hunt", rule, "--on", samples / LOGINS, samples / LOGINS, *engine))
    assert len(found) == 2 * 4
    assert {match["rule_title"] for match in found} == {"A console login"}
    assert set(found[0]) == {"rule_id", "rule_title", "event_id", "@timestamp"}


def test_hunt_over_any_json_names_file_and_line(rule: Path, tmp_path: Path, engine: list[str]) -> None:
    events = tmp_path / "events.ndjson"
    events.write_text(
        '{"eventName":"consolelogin","@timestamp":"2026-11-01T00:00:00Z"}\n\n{"eventName":"x"}\nno json\n'
    )
    done = siem("hunt", rule, "--dataset", "json", "--on", "events.ndjson", *engine, cwd=tmp_path, code=1)
    assert [(match["event_id"], match["@timestamp"]) for match in lines(done)] == [
        ("events.ndjson:1", "2026-11-01T00:00:00Z")
    ]
    assert b"events.ndjson:4: no JSON" in done.stderr


def test_hunt_goes_on_without_a_broken_rule(rule: Path, samples: Path) -> None:
    broken = rule.with_name("broken.yml")
    broken.write_text(RULE.replace("condition: selection", "condition: selektion"))
    done = siem("hunt", rule.parent, "--on", samples / LOGINS, code=1)
    assert len(lines(done)) == 4
    assert b"broken.yml" in done.stderr


def test_the_whole_path_and_again(samples: Path, tmp_path: Path) -> None:
    store = ("--store", tmp_path / "store")
    siem("ingest", samples / "bucket", *store)
    again = siem("ingest", samples / "bucket", *store)
    assert b"nothing new" in again.stderr
    siem("detect", *store)
    alerts = lines(siem("alerts", "list", *store))
    assert {"id", "rule_id", "state", "title", "level"} <= set(alerts[0])
    stats = json.loads(siem("store", "stats", "--format", "json", *store).stdout)["datasets"]
    for row in stats:
        assert row["records"] == row["events"] + row["duplicates"] + row["rejects"] + row["skipped"]
    by_name = {row["dataset"]: row for row in stats}
    assert by_name["aws.cloudtrail"]["events"] == 882
    assert by_name["aws.vpcflow"]["skipped"] == 42
    siem("detect", *store)
    assert lines(siem("alerts", "list", *store)) == alerts
    assert siem("rejects", "list", *store).stdout == b""


def test_rules_that_are_run_alone_or_refused_for_a_while_miss_nothing(samples: Path, tmp_path: Path) -> None:
    content, store = tmp_path / "mine", ("--store", tmp_path / "store")
    rule = content / "detections" / "login.yml"
    rule.parent.mkdir(parents=True)
    rule.write_text(RULE.replace("condition: selection", "condition: selektion"))
    other = tmp_path / "other.yml"
    other.write_text(RULE.replace("eventName", "awsRegion"))
    siem("ingest", samples / LOGINS, *store)
    assert b" 0 matches" in siem("detect", "--rules", other, *store).stderr
    assert b"refused: " in siem("detect", "--content", content, *store).stderr
    rule.write_text(RULE)
    assert b"1 objects, " in siem("detect", "--content", content, *store).stderr
    found = lines(siem("alerts", "list", *store))
    assert sum(alert["count"] for alert in found if alert["title"] == "A console login") == 4
    assert b"0 objects, 1 rules" in siem("detect", "--rules", rule, *store).stderr
    rule.write_text(RULE.replace("ConsoleLogin", "NoSuchCall"))
    siem("detect", "--content", content, "--since", "2000-01-01", *store)
    assert "A console login" not in {alert["title"] for alert in lines(siem("alerts", "list", *store))}


def test_what_is_broken_in_the_teams_folder_is_told_and_disturbs_nothing_else(samples: Path, tmp_path: Path) -> None:
    content, logs = tmp_path / "mine", samples / LOGINS
    for room, name, text in [("parsers", "proxy.py", "PARSER = 5\n"), ("detections", "a.yml", "title: [open\n")]:
        (content / room).mkdir(parents=True)
        (content / room / name).write_text(text)
    parsed = siem("parse", logs, "--content", content)
    assert [event["event.id"] for event in lines(parsed)] == [event["event.id"] for event in lines(siem("parse", logs))]
    assert parsed.stderr.count(b"refused: ") == 1
    assert b"proxy.py: PARSER has no `dataset`" in parsed.stderr
    store = ("--store", tmp_path / "store", "--content", content)
    siem("ingest", logs, *store)
    detected = siem("detect", *store)
    assert detected.stderr.count(b"refused: ") == 2
    assert b"a.yml:2: not YAML" in detected.stderr
    assert lines(siem("alerts", "list", *store))


def test_shipped_rules_pass_their_own_cases() -> None:
    assert b", 0 failed" in siem("rules", "test").stderr
    assert b", 0 refused" in siem("rules", "check").stderr
    listed = lines(siem("rules", "list"))
    assert len(listed) >= 12
    assert all(row["refused"] is None and row["datasets"] for row in listed)


def test_a_case_that_fails_is_told_and_ends_with_1(rule: Path) -> None:
    rule.with_name("login.cases.yml").write_text(
        "cases:\n"
        "- name: another call\n"
        "  match: true\n"
        '  log: {eventVersion: "1.11", eventTime: "2026-11-01T00:00:00Z", eventName: GetObject}\n'
    )
    (row,) = lines(siem("rules", "test", rule, code=1))
    assert (row["ok"], row["matched"]) == (False, False)
    said = 'selection: eventName is "ConsoleLogin": the record has "GetObject"'
    assert row["why"] == f"must match and does not; {said}"


def test_demo_tells_what_happened_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    first = siem("demo", "--dir", tmp_path / "demo")
    second = siem("demo", "--dir", tmp_path / "demo")
    for word in ("aws.cloudtrail", "aws.vpcflow", "no parser claims them yet", "Alerts:", "siem alerts list"):
        assert word in first.stdout.decode()
    assert b"Nothing changed" in second.stderr
    assert second.stdout == first.stdout


def test_demo_counts_the_titles_that_it_does_not_show(tmp_path: Path) -> None:
    out = siem("demo", "--dir", tmp_path / "demo").stdout.decode()
    titles = {alert["title"] for alert in lines(siem("alerts", "list", "--store", tmp_path / "demo"))}
    shown = [title for title in titles if f" {title} " in out]
    assert f"and {len(titles) - len(shown)} more titles" in out
    assert 0 < len(shown) < len(titles)


COMMANDS = (
    *("demo", "parse", "ingest", "detect", "hunt", "version", "rules check", "rules test"),
    *("rules list", "rules explain", "rules new", "alerts list", "rejects list", "rejects replay", "store stats"),
    *("reparse", "store compact", "store retain"),
)


@pytest.mark.parametrize("command", [command.split() for command in COMMANDS], ids=" ".join)
def test_every_command_explains_itself(command: list[str]) -> None:
    assert " ".join(["siem", *command]) in siem(*command, "--help").stdout.decode()


def test_fields_may_be_called_as_an_engine_calls_its_own_columns(tmp_path: Path, engine: list[str]) -> None:
    events, rule = tmp_path / "events.ndjson", tmp_path / "rule.yml"
    events.write_text('{"row": "x", "line": "y"}\n{"row": "z", "line": "y"}\n')
    rule.write_text(RULE.replace("eventName: ConsoleLogin", "{row: x, line: y}"))
    found = lines(siem("hunt", rule, "--on", events, "--dataset", "json", *engine))
    assert [match["event_id"] for match in found] == [f"{events}:1"]


def test_rules_check_names_every_error_and_doubt_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text(RULE.replace("condition: selection", "condition: selectoin"))
    (tmp_path / "doubtful.yml").write_text(RULE.replace("level: low", "status: test"))
    found = lines(siem("rules", "check", "bad.yml", "doubtful.yml", cwd=tmp_path, code=1))
    assert [(row["severity"], row["file"], row["place"]) for row in found] == [
        ("error", "bad.yml", f"bad.yml:{found[0]['line']}"),
        ("warning", "doubtful.yml", "doubtful.yml:1"),
    ]
    assert "selectoin" in found[0]["problem"]
