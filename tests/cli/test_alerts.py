"""`siem alerts`: the life of an alert as people see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from siem_command import lines, siem

RULE = """\
title: A console login
id: 11111111-2222-4333-8444-555555555555
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection
level: high
"""


@pytest.fixture
def store(samples: Path, tmp_path: Path) -> Path:
    """With alerts of the sample bucket."""
    rule = tmp_path / "login.yml"
    rule.write_text(RULE)
    siem("ingest", samples / "bucket", "--store", tmp_path / "store")
    siem("detect", "--rules", rule, "--store", tmp_path / "store")
    return tmp_path / "store"


def alerts(store: Path, *options: object) -> list[dict[str, Any]]:
    return lines(siem("alerts", "list", "--store", store, *options))


def test_an_alert_is_acknowledged_closed_and_opened_again(store: Path) -> None:
    first, *others = alerts(store)
    id_, rest = first["id"], [alert["id"] for alert in others]
    assert first["state"] == "open"
    (seen,) = lines(siem("alerts", "ack", id_[:8], "--by", "ann", "--text", "mine", "--store", store))
    assert (seen["id"], seen["state"], seen["author"]) == (id_, "acknowledged", "ann")
    done = ("--as", "expected", "--text", "the monthly drill", "--by", "bob")
    (closed,) = lines(siem("alerts", "close", id_, *done, "--store", store))
    assert (closed["state"], closed["disposition"], closed["note"]) == ("closed", "expected", "the monthly drill")
    assert [alert["id"] for alert in alerts(store, "--state", "open")] == rest
    assert [alert["id"] for alert in alerts(store, "--state", "closed", "--state", "acknowledged")] == [id_]
    shown = json.loads(siem("alerts", "show", id_, "--format", "json", "--store", store).stdout)
    assert [(one["verb"], one["author"], one["text"]) for one in shown["actions"]] == [
        ("acknowledge", "ann", "mine"),
        ("close", "bob", "the monthly drill"),
    ]
    (opened,) = lines(siem("alerts", "reopen", id_, "--by", "ann", "--store", store))
    assert (opened["state"], opened["disposition"]) == ("open", None)


def test_an_alert_is_shown_to_people(store: Path) -> None:
    id_ = alerts(store)[0]["id"]
    siem("alerts", "close", id_, "--as", "false", "--text", "no login", "--by", "ann", "--store", store)
    told = siem("alerts", "show", id_, "--format", "table", "--store", store).stdout.decode()
    assert "high  A console login" in told
    assert "close false by ann: no login" in told
    assert f"id {id_}" in told


def test_a_rule_with_an_id_is_found_by_its_name_too(store: Path, tmp_path: Path) -> None:
    (tmp_path / "mine" / "detections").mkdir(parents=True)
    named = RULE.replace("id: 11111111", "name: console_login\nid: 11111111")
    (tmp_path / "mine" / "detections" / "login.yml").write_text(named)
    assert alerts(store, "--rule", "console_login", "--content", tmp_path / "mine") == alerts(store) != []


def test_lists_are_narrowed(store: Path) -> None:
    every = alerts(store)
    assert alerts(store, "--level", "critical") == []
    assert alerts(store, "--level", "medium") == every
    assert alerts(store, "--rule", "other") == []
    assert alerts(store, "--rule", "11111111-2222-4333-8444-555555555555") == every
    last = every[0]["last"]
    assert [alert["id"] for alert in every if alert["last"] < last] == [
        alert["id"] for alert in alerts(store, "--until", last)
    ]
    assert alerts(store, "--since", last)
    assert alerts(store, "--limit", "1") == every[:1]
    assert f"and {len(every) - 1} older ones" in siem("alerts", "list", "--limit", 1, "--store", store).stderr.decode()
    live, old = alerts(store, "--live"), alerts(store, "--history")
    assert sorted(alert["id"] for alert in [*live, *old]) == sorted(alert["id"] for alert in every)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nothing-like-it"], "no alert nothing-like-it"),
        (["ack", "abc"], "no alert abc"),
        (["close", "abcdefg", "--as", "maybe", "--text", "x"], "maybe"),
        (["close", "abcdefg", "--as", "true", "--text", " "], "say why"),
        (["list", "--state", "shut"], "--state shut: write open, acknowledged, closed"),
        (["list", "--level", "severe"], "--level severe"),
        (["ack", "abcdefg", "--by", " "], "say who you are"),
        (["ack", "abcdefg", "--by", b"M\xfcller"], "--by: that is not UTF-8"),
        (["ack", "abcdefg", "--text", b"f\xfcr mich"], "--text: that is not UTF-8"),
        (["show", b"\xffabcdefg"], "ID: that is not UTF-8"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(store: Path, arguments: list[str | bytes], said: str) -> None:
    assert said in siem("alerts", *arguments, "--store", store, code=2).stderr.decode()
