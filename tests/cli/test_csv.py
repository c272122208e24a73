"""Lists as CSV: for spreadsheets, which must find text in it and no formula."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from siem_command import siem

from siem.cli.output import cell

pytestmark = pytest.mark.slow  # every test starts processes

KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_a.json"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        *(("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)")),
        *(("\t=1", r"\t=1"), ("\r=1", r"\r=1"), ("a\x1b[31m\u202eb", r"a\x1b[31m\u202eb"), ("a=b", "a=b")),
        *((-1, "-1"), (None, ""), (["-a", "b"], "'-a, b")),
    ],
)
def test_a_cell_is_never_a_formula(value: object, written: str) -> None:
    assert cell(value) == written


def table(*arguments: object, cwd: Path, code: int = 0) -> list[dict[str, str]]:
    done = siem(*arguments, "--format", "csv", cwd=cwd, code=code)
    return list(csv.DictReader(io.StringIO(done.stdout.decode())))


def test_every_list_comes_as_csv(tmp_path: Path) -> None:
    log = tmp_path / "archive" / KEY
    log.parent.mkdir(parents=True)
    login = {
        "eventVersion": "1.11",
        "eventID": "=cmd",
        "eventTime": "2026-11-01T00:00:00Z",
        "eventName": "ConsoleLogin",
    }
    log.write_text(json.dumps({"Records": [login, 7]}))
    rule = "title: '=A, \"login\"'\nlogsource: {product: aws}\nlevel: low\n"
    (tmp_path / "rule.yml").write_text(f"{rule}detection: {{a: {{eventName: ConsoleLogin}}, condition: a}}\n")
    siem("ingest", "archive", cwd=tmp_path)
    siem("detect", "--rules", "rule.yml", cwd=tmp_path)
    assert [row["title"] for row in table("alerts", "list", cwd=tmp_path)] == ['\'=A, "login"']
    assert [row["event_id"] for row in table("hunt", "rule.yml", cwd=tmp_path)] == ["'=cmd"]
    assert [row["reason"] for row in table("rejects", "list", cwd=tmp_path)] == ["not an object"]
    assert [row["events"] for row in table("store", "stats", cwd=tmp_path)] == ["1"]
    assert [row["level"] for row in table("rules", "list", "rule.yml", cwd=tmp_path)] == ["low"]
    assert table("rules", "test", "rule.yml", cwd=tmp_path, code=1) == []
