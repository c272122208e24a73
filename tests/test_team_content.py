"""A team's folder (`--content`) adds parsers and rules and replaces shipped ones; what is broken there stays alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.cli import options
from siem.config import Limits
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.run.content import load_registry, shipped_content
from siem.run.reading import read
from siem.schema import SourceObject
from siem.sigma import load_rules

PARSER = """\
import re
from siem.parsing import Delimited
from siem.parsing.casts import address, epoch
from siem.schema import LogSource

PARSER = Delimited(
    dataset="our.proxy",
    key=re.compile(r"(?:^|/)proxy/[^/]+[.]log$"),
    logsources=(LogSource(category="proxy"),),
    columns={"@timestamp": ("time", epoch), "source.ip": ("client", address)},
    separator=" ",
)
"""
SHIPPED = {"aws.cloudtrail", "aws.vpcflow", "aws.waf", "aws.elb"}
RULE = """\
title: Ours
id: 0e0ff5a3-6a0c-4a39-8a53-3a5a51a7a2f4
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: CreateUser}
  condition: selection
level: low
"""
ROOT_USED = "b37a8920-69e0-5540-99e7-0ef32b88e386"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "parsers").mkdir(parents=True)
    (folder / "detections" / "cloudtrail").mkdir(parents=True)
    return folder


def parses(registry: Registry, key: str, data: bytes) -> str | None:
    reading = read(SourceObject("b", key), Delivered(data, Limits()), registry, Limits(), datetime.now(UTC))
    list(reading)
    return reading.dataset


def test_a_parser_is_added(team: Path) -> None:
    (team / "parsers" / "proxy.py").write_text(PARSER)
    registry, errors = load_registry(team)
    assert (errors, set(registry.parsers)) == ([], {*SHIPPED, "our.proxy"})
    assert parses(registry, "x/proxy/a.log", b"time client\n1793505600 192.0.2.1\n") == "our.proxy"


def test_a_parser_of_a_shipped_name_replaces_it(team: Path) -> None:
    text = PARSER.replace("our.proxy", "aws.waf").replace("proxy/", "our-waf/")
    (team / "parsers" / "waf.py").write_text(text)
    registry, errors = load_registry(team)
    assert (errors, set(registry.parsers)) == ([], SHIPPED)
    assert parses(registry, "our-waf/a.log", b"time client\n1793505600 192.0.2.1\n") == "aws.waf"
    assert registry.claiming("AWSLogs/111122223333/WAFLogs/a/b.log.gz") == []


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("PARSER = (\n", 1, "SyntaxError: '(' was never closed"),
        ("import re\nimport no_such_package\n", 2, "ModuleNotFoundError: No module named 'no_such_package'"),
        ("x = 1\ny = x / 0\n", 2, "ZeroDivisionError"),
        ("import sys\nsys.exit(3)\n", 2, "SystemExit: 3"),
        ("def parser():\n    raise RuntimeError('not\\n today')\n\nPARSER = parser()\n", 2, "RuntimeError: not today"),
        ("", None, "defines no PARSER"),
        ("PARSER = 5\n", None, "PARSER has no `dataset` that is a str; it is a int"),
        (PARSER.replace('re.compile(r"(?:^|/)proxy/[^/]+[.]log$")', '"proxy"'), None, "no `key` that is a Pattern"),
        (PARSER.replace(",),\n    columns", "),\n    columns"), None, "no `logsources` that is a tuple"),
        (PARSER.replace('LogSource(category="proxy")', '"proxy"'), None, "must be a tuple of LogSource"),
        (PARSER.replace("our.proxy", "our.gateway"), None, "dataset our.gateway must be in a file gateway.py"),
        (PARSER.replace("our.proxy", "aws.cloudtrail"), None, "dataset aws.cloudtrail must be in a file cloudtrail.py"),
        (PARSER.replace("source.ip", "source.adress"), None, "the schema does not have: source.adress"),
        (PARSER.replace("columns={", "colums={"), 6, "TypeError"),
    ],
)
def test_a_broken_parser_is_one_error_with_its_place(team: Path, text: str, line: int | None, said: str) -> None:
    file = team / "parsers" / "proxy.py"
    file.write_text(text)
    registry, errors = load_registry(team)
    ((error,), loaded) = (errors, set(registry.parsers))
    assert (error.file, error.line) == (str(file), line)
    assert said in error.message
    assert "\n" not in str(error)
    assert loaded == SHIPPED


def test_a_broken_parser_is_told_with_its_place_where_the_folder_is_named_from_here(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--content mine`"""
    monkeypatch.chdir(team.parent)
    for number, text in enumerate(["x = 1\ny = x / 0\n", "x = 1\ny = (\n"]):
        (team / "parsers" / f"proxy_{number}.py").write_text(text)
    _, errors = load_registry(Path("mine"))
    assert [(error.file, error.line) for error in errors] == [(f"mine/parsers/proxy_{n}.py", 2) for n in range(2)]


def test_a_broken_parser_of_a_shipped_name_leaves_its_dataset_unread_and_says_so(team: Path) -> None:
    (team / "parsers" / "waf.py").write_text("PARSER =\n")
    (team / "parsers" / "proxy.py").write_text(PARSER)
    registry, (error,) = load_registry(team)
    assert set(registry.parsers) == {*SHIPPED, "our.proxy"} - {"aws.waf"}
    assert f"it stands in place of {shipped_content() / 'parsers' / 'waf.py'}" in error.message


def test_a_rule_is_added_and_the_shipped_ones_stay(team: Path) -> None:
    (team / "detections" / "ours.yml").write_text(RULE)
    found, shipped = options.rules(None, team), options.rules(None, None)
    assert found.refused == ()
    assert {rule.key for rule in found.rules} == {rule.key for rule in shipped.rules} | {RULE.split()[3]}


@pytest.mark.parametrize("name", ["cloudtrail/root_used.yml", "cloudtrail/by_its_id.yml"])
def test_a_rule_of_a_shipped_file_or_id_replaces_it(team: Path, name: str) -> None:
    id_ = ROOT_USED.upper() if "id" in name else "0e0ff5a3-6a0c-4a39-8a53-3a5a51a7a2f4"
    (team / "detections" / name).write_text(RULE.replace("0e0ff5a3-6a0c-4a39-8a53-3a5a51a7a2f4", id_))
    found, shipped = options.rules(None, team), options.rules(None, None)
    assert found.refused == ()
    assert len(found.rules) == len(shipped.rules)
    titles = {rule.title for rule in found.rules}
    assert "Ours" in titles
    assert "Root user was used" not in titles


def test_two_rules_of_one_id_in_the_teams_folder_are_an_error(team: Path) -> None:
    for name in ("a.yml", "b.yml"):
        (team / "detections" / name).write_text(RULE)
    (error,) = options.rules(None, team, told=False).refused
    assert "is taken by" in error.message


def test_files_that_are_named_one_by_one_replace_nothing(team: Path) -> None:
    (team / "detections" / "a.yml").write_text(RULE.replace("Ours", "First"))
    (team / "b.yml").write_text(RULE)
    found = options.rules([team / "detections", team / "b.yml"], None)
    assert [rule.title for rule in found.rules] == ["First"]
    assert len(found.refused) == 1


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("title: [open\n", 2, "not YAML"),
        (RULE.replace("condition: selection", "condition: selektion"), 6, "names `selektion`"),
        (RULE.replace("eventName:", "eventName|sounds_like:"), 5, "modifier `sounds_like` is not known"),
        ("- a\n", 1, "a document must be a mapping"),
        (b"title: gr\xfc\xdfe\n".decode("latin-1"), 1, "must have a"),
    ],
)
def test_a_broken_rule_is_told_with_its_place_and_disturbs_no_other(
    team: Path, text: str, line: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = team / "detections" / "broken.yml"
    file.write_text(text)
    (team / "detections" / "good.yml").write_text(RULE.replace("0e0ff5a3", "1e0ff5a3"))
    found, shipped = options.rules(None, team), options.rules(None, None)
    assert len(found.rules) == len(shipped.rules) + 1
    assert {error.file for error in found.refused} == {str(file)}
    assert (found.refused[0].line, said in found.refused[0].message) == (line, True), found.refused
    assert f"refused: {file}:{line}: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cloudtrail/root_used.yml", "cloudtrail/by_its_id.yml"])
def test_a_broken_rule_in_place_of_a_shipped_one_is_withheld_until_it_is_mended(team: Path, name: str) -> None:
    broken = RULE.replace("0e0ff5a3-6a0c-4a39-8a53-3a5a51a7a2f4", ROOT_USED).replace("condition: s", "condition: x")
    (team / "detections" / name).write_text(broken)
    found, shipped = options.rules(None, team), options.rules(None, None)
    assert {rule.key for rule in shipped.rules} - {rule.key for rule in found.rules} == {ROOT_USED}
    assert len(found.refused) == 1
    assert found.withheld == {ROOT_USED}


def test_a_file_in_place_of_a_shipped_one_that_is_no_yaml_disturbs_no_other(team: Path) -> None:
    (team / "detections" / "cloudtrail" / "root_used.yml").write_text("title: [open\n")
    found, shipped = options.rules(None, team), options.rules(None, None)
    assert {rule.key for rule in shipped.rules} - {rule.key for rule in found.rules} == {ROOT_USED}
    assert len(found.refused) == 1


def test_a_folder_that_is_the_shipped_one_changes_nothing() -> None:
    assert len(options.rules(None, shipped_content()).rules) == len(
        load_rules([shipped_content() / "detections"]).rules
    )
    registry, errors = load_registry(shipped_content())
    assert (set(registry.parsers), errors) == (SHIPPED, [])
