"""`siem rules backtest`: alerts a day, before a rule is in use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from siem_command import lines, siem

DAY = ("--since", "2026-11-01", "--until", "2026-11-02")


@pytest.fixture(scope="module")
def store(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backtest") / "store"
    siem("ingest", samples / "bucket", "--store", folder)
    return folder


def login(folder: Path, action: str = "ConsoleLogin") -> Path:
    rule = folder / "login.yml"
    rule.write_text(
        "title: A console login\nname: login\nlogsource: {product: aws, service: cloudtrail}\n"
        f"detection:\n  selection: {{eventName: {action}}}\n  condition: selection\nlevel: high\n"
        'custom: {title: "{user.name} logged in"}\n'
    )
    return rule


def alerts(store: Path) -> list[dict[str, Any]]:
    return lines(siem("alerts", "list", "--store", store))


@pytest.mark.slow
def test_it_is_what_the_day_raises(store: Path) -> None:
    """All rules that are shipped, over the sample bucket."""
    done = siem("rules", "backtest", *DAY, "--store", store, "--format", "json")
    assert alerts(store) == []
    siem("detect", "--store", store)
    raised = sorted(alerts(store), key=lambda alert: alert["id"])
    found = json.loads(done.stdout)
    expected = [{name: value for name, value in alert.items() if name != "marks"} for alert in raised]
    assert sorted(found["alerts"], key=lambda alert: alert["id"]) == expected
    every, *by_rule = found["rules"]
    assert (every["rule_id"], every["alerts"]) == (None, len(raised))
    assert every["days"] == {"2026-11-01": len(raised)}
    assert sum(row["alerts"] for row in by_rule) == len(raised)
    assert {row["rule_id"] for row in by_rule} == {alert["rule_id"] for alert in raised}


def test_a_rule_of_a_file_alone(store: Path, tmp_path: Path) -> None:
    every, row = lines(siem("rules", "backtest", login(tmp_path), *DAY, "--store", store))
    assert (row["rule_id"], row["title"], row["level"]) == ("login", "A console login", "high")
    assert {name: row[name] for name in ("alerts", "days", "accounts")} == {
        "alerts": every["alerts"],
        "days": {"2026-11-01": row["alerts"]},
        "accounts": {"111122223333": row["alerts"]},
    }
    assert row["principals"]["arn:aws:iam::111122223333:user/tanaka"] >= 1
    assert row["per_day"] == row["alerts"]


def test_a_rule_that_finds_nothing(store: Path, tmp_path: Path) -> None:
    done = siem("rules", "backtest", login(tmp_path, "NoSuchCall"), "--store", store)
    (every,) = lines(done)
    assert (every["alerts"], every["days"]) == (0, {})
    assert "0 of 1 rules: 0 alerts" in done.stderr.decode()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--since", "30x"), "30x: no time"),
        (("--since", "999999999w"), "999999999w: no time"),
        (("--since", "1d", "--until", "2d"), "--since 1d: that is not before --until"),
    ],
)
def test_a_span_that_is_none(store: Path, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    done = siem("rules", "backtest", login(tmp_path), *options, "--store", store, code=2)
    assert said in done.stderr.decode()


def test_a_list_of_rules_tells_how_they_do_where_there_is_a_store(store: Path, tmp_path: Path) -> None:
    rule = login(tmp_path)
    (row,) = lines(siem("rules", "list", rule, "--store", store))
    assert (row["alerts"], row["outcomes"], row["health"]) == (0, {}, [])
    (row,) = lines(siem("rules", "list", rule, "--store", tmp_path / "none"))
    assert row.keys().isdisjoint(("alerts", "outcomes", "health"))
