"""settings.yml, accounts.yml, calendar.yml and filters of a team's folder, as commands see them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from siem_command import lines, siem

SHIPPED = Path(__file__).parents[2] / "detections"
ROOT_USED = "b37a8920-69e0-5540-99e7-0ef32b88e386"
GUESSED = "adf96de7-1e34-537b-a710-e6967f011cbc"
SETTINGS = f"""\
rules:
  {ROOT_USED}:
    enabled: false
  {GUESSED}:
    level: {{production: critical, default: medium}}
    threshold: 99
    channel: soc
tags:
  attack.discovery: {{tier: report}}
"""
FILTER = """\
title: Our deployment role
logsource: {product: aws, service: cloudtrail}
filter:
  rules: any
  deployment: {siem.principal.id: 'arn:aws:iam::123456789012:role/deploy'}
  condition: not deployment
custom: {owner: Tanaka, reason: it deploys, expires: 2020-01-01}
"""
ROOT = """\
{"Records": [{"eventVersion": "1.11", "eventTime": "2026-11-01T02:24:10Z", "eventSource": "ec2.amazonaws.com",
 "eventName": "RunInstances", "awsRegion": "us-east-1", "sourceIPAddress": "203.0.113.66", "eventType": "AwsApiCall",
 "recipientAccountId": "123456789012", "userIdentity": {"type": "Root", "accountId": "123456789012",
 "arn": "arn:aws:iam::123456789012:root"}}]}
"""


@pytest.fixture
def team(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "detections" / "filters").mkdir(parents=True)
    (folder / "settings.yml").write_text(SETTINGS)
    return folder


def test_the_list_shows_what_is_set_and_where(team: Path) -> None:
    (team / "detections" / "filters" / "deploy.yml").write_text(FILTER)
    rows = lines(siem("rules", "list", "--content", team))
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows)
    keys = {"enabled", "level", "levels", "tier", "channel", "after_hours", "set_at"}
    settings = team / "settings.yml"
    assert {key: by_id[ROOT_USED][key] for key in keys} == {
        "enabled": False, "level": "critical", "levels": {}, "tier": "alert", "channel": None, "after_hours": None,
        "set_at": {"enabled": f"{settings}:3"},
    }  # fmt: skip
    guessed = by_id[GUESSED]
    assert (guessed["level"], guessed["levels"], guessed["channel"]) == ("medium", {"production": "critical"}, "soc")
    assert guessed["set_at"] == {"level": f"{settings}:5", "threshold": f"{settings}:6", "channel": f"{settings}:7"}
    tagged = [row for row in rows if "attack.discovery" in row["tags"]]
    assert {row["tier"] for row in tagged} == {"report"}
    over = by_id["filters/deploy.yml#1"]
    assert (over["type"], over["enabled"], over["expires"]) == ("filter", False, "2020-01-01T00:00:00Z")


def test_check_looks_at_all_that_a_team_keeps(team: Path) -> None:
    (team / "settings.yml").write_text(f"{SETTINGS}  nope: {{tier: report}}\n")
    (team / "calendar.yml").write_text("zone: Asia/Tokio\nhours: {monday: 09:00-18:00}\n")
    (team / "accounts.yml").write_text("123: {environment: staging}\n222222222222: {environment: staging}\n")
    (team / "detections" / "filters" / "deploy.yml").write_text(FILTER.replace("owner: Tanaka, ", ""))
    for given in (["--content", team], [team]):
        done = siem("rules", "check", *given, code=1)
        errors = [Path(row["place"]).name for row in lines(done) if row["severity"] == "error"]
        assert errors == ["accounts.yml:1", "calendar.yml:1", "settings.yml:10"]
        warnings = [(Path(row["place"]).name, row["problem"]) for row in lines(done) if row["severity"] == "warning"]
        assert warnings == [
            ("deploy.yml:7", "the filter has no owner: say so under `custom`"),
            ("deploy.yml:7", "the filter expired at 2020-01-01T00:00:00Z: it is not applied"),
            ("settings.yml:5", "no account is of the environment production; there are: staging"),
        ]


def test_cases_and_hunts_look_at_rules_as_they_are_written(team: Path) -> None:
    """A threshold of 99 would let the shipped case of a correlation fail."""
    rule = SHIPPED / "correlations" / "console_logins_guessed.yml"
    assert all(row["ok"] for row in lines(siem("rules", "test", rule, "--content", team)))
    shown = siem("rules", "explain", GUESSED, "--content", team, "--format", "table").stdout.decode()
    assert "99" in shown
    assert siem("rules", "explain", ROOT_USED, "--content", team).stdout


@pytest.mark.slow  # several processes
def test_a_rule_that_is_switched_off_raises_no_alert_and_an_expired_filter_is_told(team: Path, tmp_path: Path) -> None:
    (team / "detections" / "filters" / "deploy.yml").write_text(FILTER)
    (tmp_path / "123456789012_CloudTrail_us-east-1_20261101T0230Z_example.json").write_text(ROOT)
    siem("ingest", *tmp_path.glob("*.json"), "--store", tmp_path / "one")
    siem("ingest", *tmp_path.glob("*.json"), "--store", tmp_path / "two")
    told = siem("detect", "--store", tmp_path / "one", "--content", team).stderr.decode()
    assert f"expired: {team / 'detections' / 'filters' / 'deploy.yml'}:1: the filter Our deployment role is" in told
    assert "since 2020-01-01T00:00:00Z; its owner is Tanaka" in told
    siem("detect", "--store", tmp_path / "two")
    one, two = (
        {row["rule_id"] for row in lines(siem("alerts", "list", "--store", tmp_path / name))} for name in ("one", "two")
    )
    assert two - one == {ROOT_USED}


@pytest.mark.slow  # several processes
def test_an_alert_has_the_level_of_its_environment_and_of_the_hour(team: Path, tmp_path: Path) -> None:
    (tmp_path / "123456789012_CloudTrail_us-east-1_20261101T0230Z_example.json").write_text(ROOT)
    siem("ingest", *tmp_path.glob("*.json"), "--store", tmp_path / "one")
    (team / "settings.yml").write_text(f"rules: {{{ROOT_USED}: {{level: {{sandbox: low, default: high}}}}}}\n")
    (team / "accounts.yml").write_text("123456789012: {environment: Sandbox}\n")
    copy = (SHIPPED / "cloudtrail" / "root_used.yml").read_text().replace("level: critical", "level: low")
    (team / "detections" / "root_used.yml").write_text(f"{copy}\ncustom: {{after_hours: medium}}\n")

    def level(calendar: str) -> list[tuple[str, bool]]:
        (team / "calendar.yml").write_text(calendar)
        siem("detect", "--since", "2026-11-01", "--store", tmp_path / "one", "--content", team)
        rows = lines(siem("alerts", "list", "--store", tmp_path / "one"))
        return [(row["level"], row["after_hours"]) for row in rows if row["rule_id"] == ROOT_USED]

    assert level("") == [("low", False)]
    assert level("zone: Asia/Tokyo\nhours: {sunday: 09:00-18:00}\n") == [("low", False)]  # 11:24 in Tokyo
    assert level("zone: Asia/Tokyo\nhours: {sunday: 09:00-11:24}\n") == [("medium", True)]


@pytest.mark.slow  # several processes
def test_detection_goes_on_without_a_wrong_setting_and_not_without_its_settings(team: Path, tmp_path: Path) -> None:
    siem("store", "init", "--store", tmp_path / "one")
    (team / "settings.yml").write_text(f"{SETTINGS}  nope: {{tier: report}}\n")
    told = siem("detect", "--store", tmp_path / "one", "--content", team).stderr.decode()
    assert f"refused: {team / 'settings.yml'}:10: no rule in use has the tag nope" in told
    (team / "settings.yml").write_text(f"{SETTINGS}  : [\n")
    told = siem("detect", "--store", tmp_path / "one", "--content", team, code=3).stderr.decode()
    assert f"{team / 'settings.yml'}:10: not YAML" in told


def test_changes_compares_with_an_older_checkout(team: Path, tmp_path: Path) -> None:
    old = tmp_path / "old" / "detections"
    shutil.copytree(SHIPPED, old)
    (old / "cloudtrail" / "root_used.yml").unlink()
    user = old / "cloudtrail" / "user_created.yml"
    user.write_text(user.read_text().replace("title: ", "title: Formerly "))
    done = siem("rules", "changes", "--from", old, "--content", team)
    new, other = lines(done)
    assert (new["change"], new["id"], new["before"]) == (["new"], ROOT_USED, {})
    assert new["touched_by"] == [f"{team / 'settings.yml'}:2 sets enabled"]
    assert (other["change"], other["touched_by"]) == (["title"], [])
    assert other["before"] == {"title": f"Formerly {other['title']}"}
    assert b"no release that is known" in siem("rules", "changes", "--from", "0.0.1", code=2).stderr
