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
    assert values["store"] == "https://***@one.example:443"
    assert values["opensearch.user"] == "siem"
    assert values["opensearch.password"] == "***"
    assert values["opensearch.certificate"] is None
    assert values["opensearch.periods"] == {"aws.vpcflow": "day"}
    assert values["limits.depth"] == 64


def test_an_address_that_is_none_is_not_shown() -> None:
    done = siem("config", "show", "--store", "https://u:hunter2/x@one.example")
    assert lines(done)[0] == {"setting": "store", "value": "***"}
