"""`siem rules`: what analysts do with rules."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from siem_command import lines, siem

pytestmark = pytest.mark.slow  # every test starts processes

SHIPPED = "74d66b53-d264-571b-b9cc-0775f0ba95d6"
RULES = """\
title: A console login
name: login
logsource: {product: aws, service: cloudtrail}
level: low
detection: {selection: {eventName: ConsoleLogin}, condition: selection}
---
title: Many logins
name: many
correlation: {type: event_count, rules: login, group-by: source.ip, timespan: 10m, condition: {gte: 3}}
level: high
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "login.yml"
    path.write_text(RULES)
    return path


def test_explain_shows_rules_of_a_file_and_rules_in_use_by_id_or_name(rules: Path) -> None:
    found = lines(siem("rules", "explain", rules, SHIPPED.upper()))
    assert [one["type"] for one in found] == ["event", "event_count", "event"]
    assert found[2]["id"] == SHIPPED
    shown = siem("rules", "explain", rules, "--format", "table").stdout.decode()
    for words in ('eventName is "ConsoleLogin"', "event.action", "$p0 = ", "10 minutes, sliding", "only by many"):
        assert words in shown


def test_explain_looks_at_one_dataset_where_one_is_named(rules: Path) -> None:
    event, _ = lines(siem("rules", "explain", rules, "--dataset", "json"))
    assert {asked["dataset"] for asked in event["queries"]} == {"json"}
    assert b"no parser makes" in siem("rules", "explain", rules, "--dataset", "our.log", code=2).stderr


def test_explain_says_what_it_cannot_explain(rules: Path, tmp_path: Path) -> None:
    assert b"no rule in use has this id or name" in siem("rules", "explain", "nobody", code=2).stderr
    assert b"no form csv" in siem("rules", "explain", rules, "--format", "csv", code=2).stderr
    bad = tmp_path / "bad.yml"
    bad.write_text(RULES.replace("condition: selection", "condition: other"))
    assert b"bad.yml:5: " in siem("rules", "explain", bad, code=3).stderr


def test_explain_prints_what_can_be_explained_beside_what_is_refused(rules: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(RULES.replace("login", "other").replace("many", "often") + "---\ntitle: No rule\n")
    for given in ((rules, bad), (bad, rules)):
        done = siem("rules", "explain", *given, code=3)
        assert {one["name"] for one in lines(done)} == {"login", "many", "other", "often"}
        assert done.stderr.count(b"refused: ") == done.stderr.count(b"bad.yml:") > 0


def test_new_makes_a_rule_that_passes_and_overwrites_nothing(tmp_path: Path) -> None:
    found = lines(siem("rules", "new", "first", "--dir", "mine", "--correlation", cwd=tmp_path))
    assert [row["file"] for row in found] == ["mine/first.yml", "mine/first.cases.yml"]
    assert b"2 rules are good, 0 refused" in siem("rules", "check", "mine", cwd=tmp_path).stderr
    assert b"4 cases of 2 rules, 0 failed" in siem("rules", "test", "mine", cwd=tmp_path).stderr
    assert b"is there already" in siem("rules", "new", "first", "--dir", "mine", cwd=tmp_path, code=2).stderr
    assert b"no parser makes" in siem("rules", "new", "other", "--dataset", "x", cwd=tmp_path, code=2).stderr
    assert b"a rule is named" in siem("rules", "new", "../up", cwd=tmp_path, code=2).stderr


def test_a_file_by_itself_finds_what_its_correlations_name_among_the_rules_in_use(tmp_path: Path) -> None:
    """Of what is shipped, and of the team's folder."""
    team = tmp_path / "team" / "detections"
    team.mkdir(parents=True)
    rule, correlation = RULES.split("---\n")
    (team / "login.yml").write_text(rule)
    path = tmp_path / "many.yml"
    path.write_text(f"{correlation}---\n{correlation.replace('many', 'refused').replace('login', SHIPPED)}")
    (tmp_path / "many.cases.yml").write_text(
        "cases:\n- {name: one, rule: many, match: false, log: {eventVersion: '1.11', eventName: ConsoleLogin,"
        " eventTime: '2026-11-01T02:24:10Z'}}\n"
    )
    content = ("--content", tmp_path / "team")
    assert [row["id"] for row in lines(siem("rules", "list", path, *content))] == ["many", "refused"]
    assert b"2 rules are good, 0 refused" in siem("rules", "check", path, *content).stderr
    assert b"1 cases of 2 rules, 0 failed" in siem("rules", "test", path, *content).stderr
    assert b"no rule has that id or name" in siem("rules", "test", path, code=1).stderr
    login = {"eventName": "ConsoleLogin", "source.ip": "192.0.2.1"}
    times = [f"2026-11-01T02:0{minute}:00Z" for minute in range(3)]
    (tmp_path / "log.ndjson").write_text("\n".join([json.dumps({**login, "@timestamp": time}) for time in times]))
    found = lines(siem("hunt", path, *content, "--dataset", "json", "--on", "log.ndjson", cwd=tmp_path))
    assert [(row["rule_id"], row["count"]) for row in found] == [("many", 3)]


def test_convert_says_how_to_get_what_it_needs(rules: Path) -> None:
    if not (Path(sys.executable).parent / "sigma").exists():
        assert b"pip install 'hinomi[convert]'" in siem("rules", "convert", "-t", "lucene", rules, code=3).stderr


def test_convert_hands_over_all_arguments_and_the_exit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sigma" / "cli").mkdir(parents=True)
    (tmp_path / "sigma" / "cli" / "main.py").write_text("import sys\ndef main():\n    print(sys.argv)\n    return 7\n")
    (tmp_path / "sigma_cli-3.1.0.dist-info").mkdir()
    (tmp_path / "sigma_cli-3.1.0.dist-info" / "METADATA").write_text("Name: sigma-cli\nVersion: 3.1.0\n")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    done = siem("rules", "convert", "-t", "lucene", "--help", "a b.yml", cwd=tmp_path, code=7)
    assert done.stdout.decode() == "['sigma', 'convert', '-t', 'lucene', '--help', 'a b.yml']\n"


def test_list_shows_every_kind_and_what_is_refused_with_its_name(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "filter.yml").write_text(
        "title: Robots\nlogsource: {product: aws}\nfilter: {rules: login, s: {userAgent: bot}, condition: not s}\n"
    )
    (tmp_path / "one_bad.yml").write_text(RULES.split("---")[0].replace("condition: selection", "condition: other"))
    (tmp_path / "worse.yml").write_text("[\n")
    found = lines(siem("rules", "list", tmp_path))
    assert [(row["type"], row["id"], row["datasets"]) for row in found if row["refused"] is None] == [
        ("event", "login", ["aws.cloudtrail"]),
        ("event_count", "many", ["aws.cloudtrail"]),
        ("filter", "filter.yml#1", []),
    ]
    refused = [row for row in found if row["refused"]]
    assert {(row["id"], row["title"], Path(row["file"]).name) for row in refused} >= {
        ("login", "A console login", "one_bad.yml:5"),
        (None, None, "worse.yml:2"),
    }


def test_list_has_a_row_for_each_document_that_is_refused_with_all_reasons(tmp_path: Path) -> None:
    bad = RULES.split("---")[0].replace("eventName: ", "eventName|nothing: ").replace("level: low", "level: some")
    (tmp_path / "bad.yml").write_text(f"{bad}---\n{bad}")
    errors = lines(siem("rules", "check", tmp_path, code=1))
    rows = lines(siem("rules", "list", tmp_path))
    assert [Path(row["file"]).name for row in rows] == ["bad.yml:4", "bad.yml:10"]
    assert len(errors) == 4
    assert [row["refused"] for row in rows] == ["; ".join([error["problem"] for error in errors[:2]])] * 2


def test_check_warns_of_what_is_perhaps_not_meant(rules: Path) -> None:
    rules.write_text(RULES.replace("{eventName: ConsoleLogin}", "{eventname: 0123}"))
    found = lines(siem("rules", "check", rules))
    assert [(row["severity"], row["line"]) for row in found] == [("warning", 5)] * 2
    assert any("is eventName meant?" in row["problem"] for row in found)
