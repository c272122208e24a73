"""`siem store init`, `siem doctor` and `siem config show`, as docs/commands.md writes them down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from siem_command import lines, siem

pytestmark = pytest.mark.slow  # every test starts processes


def test_a_folder_is_made_and_found_well(tmp_path: Path) -> None:
    place = ("--store", tmp_path / "store")
    assert [check["verdict"] for check in lines(siem("doctor", *place, code=1))] == ["failure"]
    (row,) = lines(siem("store", "init", *place, "--dry-run"))
    assert row == {"step": "create", "thing": "folder", "name": f"{tmp_path / 'store'}", "why": "is missing"}
    assert not (tmp_path / "store").exists()
    assert lines(siem("store", "init", *place)) == [row]
    assert lines(siem("store", "init", *place)) == []
    checks = json.loads(siem("doctor", *place, "--format", "json").stdout)
    assert [check["what"] for check in checks] == ["folder", "ledger", "disk"]


def test_a_cluster_that_is_away(tmp_path: Path) -> None:
    (tmp_path / "siem.toml").write_text("[opensearch]\npatience = 0\n")
    place = ("--store", "http://siem:hunter2@127.0.0.1:1")
    told = siem("store", "init", *place, cwd=tmp_path, code=4)
    assert told.stderr.decode() == "siem: store http://127.0.0.1:1: no answer (NewConnectionError); is it running?\n"
    (check,) = lines(siem("doctor", *place, cwd=tmp_path, code=1))
    assert check["verdict"] == "failure"


def test_settings_are_shown_without_secrets(tmp_path: Path) -> None:
    written = '[opensearch]\nuser = "siem"\npassword = "hunter2"\nperiods = {"aws.vpcflow" = "day"}\n'
    (tmp_path / "siem.toml").write_text(written)
    for form in ("json", "ndjson", "csv", "table"):
        shown = siem(
            "config",
            "show",
            "--store",
            "https://u:hunter2@one.example,http://two.example",
            "--format",
            form,
            cwd=tmp_path,
        )
        assert b"hunter2" not in shown.stdout
    done = siem("config", "show", "--store", "https://u:hunter2@one.example", cwd=tmp_path)
    values = {row["setting"]: row["value"] for row in lines(done)}
    assert values["store"] == "https://***@one.example"
    assert values["opensearch.user"] == "siem"
    assert values["opensearch.password"] == "***"
    assert values["opensearch.certificate"] is None
    assert values["opensearch.periods"] == {"aws.vpcflow": "day"}
    assert values["limits.depth"] == 64


def test_an_address_that_is_none_is_not_shown() -> None:
    done = siem("config", "show", "--store", "https://u:hunter2/x@one.example")
    assert lines(done)[0] == {"setting": "store", "value": "https://***@one.example"}


def test_what_is_older_than_its_dataset_is_kept_is_dropped(tmp_path: Path) -> None:
    line = "2 123456789012 eni-1 192.0.2.1 192.0.2.2 443 49152 6 1 40 {0} {0} ACCEPT OK\n"
    header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    log = tmp_path / "logs" / "AWSLogs" / "123456789012" / "vpcflowlogs" / "flow.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"{header} log-status\n{line.format(1577836800)}{line.format(1577923200)}")  # 2020-01-01, 2020-01-02
    place = ("--store", tmp_path / "store")
    siem("ingest", tmp_path / "logs", *place)
    kept = siem("store", "retain", *place, cwd=tmp_path)
    assert (lines(kept), b"nothing is set" in kept.stderr) == ([], True)
    (tmp_path / "siem.toml").write_text('[retention]\ndefault = 30\n"aws.cloudtrail" = 400\n')
    planned = lines(siem("store", "retain", "--dry-run", *place, cwd=tmp_path))
    assert [(row["dataset"], row["period"], row["events"]) for row in planned] == [
        ("aws.vpcflow", "2020.01.01", 1),
        ("aws.vpcflow", "2020.01.02", 1),
    ]
    assert lines(siem("store", "retain", *place, cwd=tmp_path)) == planned
    assert lines(siem("store", "retain", *place, cwd=tmp_path)) == []
    (sums,) = json.loads(siem("store", "stats", "--format", "json", *place).stdout)["datasets"]
    assert (sums["events"], sums["bytes"]) == (2, 0)
    siem("ingest", tmp_path / "logs", *place)
    assert lines(siem("hunt", "detections", *place, cwd=Path(__file__).parents[2])) == []


def test_a_retention_of_no_dataset_is_told(tmp_path: Path) -> None:
    (tmp_path / "siem.toml").write_text('[retention]\n"aws.cloudtrial" = 400\n')
    siem("store", "init", "--store", tmp_path / "store")
    told = siem("store", "retain", "--store", tmp_path / "store", cwd=tmp_path, code=3).stderr.decode()
    assert told.startswith("siem: retention: aws.cloudtrial is no dataset; there are: default, aws.cloudtrail, ")


def test_small_files_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIEM_BATCHING__OBJECTS", "1")
    line = "2 123456789012 eni-1 192.0.2.1 192.0.2.2 443 49152 6 1 40 {0} {0} ACCEPT OK\n"
    header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    logs = tmp_path / "logs" / "AWSLogs" / "123456789012" / "vpcflowlogs"
    logs.mkdir(parents=True)
    for at in range(8):
        (logs / f"{at}.log").write_text(f"{header} log-status\n{line.format(1577836800 + at)}")  # 2020-01-01
    place = ("--store", tmp_path / "store")
    siem("ingest", tmp_path / "logs", *place)
    (planned,) = lines(siem("store", "compact", "--dry-run", *place))
    (done,) = lines(siem("store", "compact", *place))
    assert [done[name] for name in ("dataset", "day", "files", "into", "events")] == [
        "aws.vpcflow",
        "2020.01.01",
        8,
        1,
        8,
    ]
    assert planned == done | {"bytes_after": 0}
    assert done["bytes"] > done["bytes_after"] > 0
    assert lines(siem("store", "compact", *place)) == []
    (sums,) = json.loads(siem("store", "stats", "--format", "json", *place).stdout)["datasets"]
    assert (sums["events"], sums["bytes"]) == (8, done["bytes_after"])
