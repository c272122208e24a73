"""docs/settings.md names every setting, its variable and its default; a team's files on it are read as they stand."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from pydantic import BaseModel

from siem import spans
from siem.cli import options
from siem.config import Settings
from siem.run.team import team_accounts, team_calendar, team_links, team_notify, tuned_set
from siem.sigma.tuning import OPTIONS

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def settings(model: type[BaseModel], above: str = "") -> dict[str, object]:
    """Every setting by its dotted name, and its default."""
    found: dict[str, object] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= settings(field.annotation, f"{above}{name}.")
        else:
            found[above + name] = field.default
    return found


def written(value: object) -> str:
    match value:
        case None:
            return "none"
        case timedelta():
            return spans.written(value)
        case _:
            return str(value)


def test_the_page_names_every_setting_its_variable_and_its_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| `?([^`|]+?)`? \|", PAGE.read_text(), re.MULTILINE)
    told = {name: default for name, _, default in rows}
    assert told == {name: written(value) for name, value in settings(Settings).items()}
    assert [variable for _, variable, _ in rows] == [
        f"SIEM_{name.upper().replace('.', '__')}" for name in settings(Settings)
    ]


@pytest.fixture
def team(tmp_path: Path) -> Path:
    """A content folder with the files that the page shows."""
    for name, body in re.findall(r"^## (\w+\.yml): .*\n\n((?:    .*\n|\n)+)", PAGE.read_text(), re.MULTILINE):
        (tmp_path / name).write_text(dedent(body))
    return tmp_path


def test_the_settings_on_the_page_hold_for_the_rules_that_are_shipped(team: Path) -> None:
    rules = tuned_set(options.rules(None, team, told=False), team)
    assert (rules.refused, len(rules.disabled)) == ((), 1)
    assert {option for of in rules.set_at.values() for option in of} == OPTIONS.keys()
    assert not {option for option in OPTIONS if f"| `{option}` |" not in PAGE.read_text()}


def test_the_channels_and_the_links_on_the_page_are_read(team: Path) -> None:
    notify, wrong = team_notify(team, team_calendar(team)[0])
    links, problems = team_links(team)
    assert (wrong, problems) == ([], [])
    assert notify is not None
    assert (list(notify.channels), str(notify.zone)) == (["ops", "tickets", "pager"], "Asia/Tokyo")
    assert [link.name for link in links] == ["Alerts", "CloudTrail"]


def test_the_accounts_and_the_calendar_on_the_page_are_read(team: Path) -> None:
    accounts, wrong = team_accounts(team)
    calendar, problems = team_calendar(team)
    assert (wrong, problems) == ([], [])
    assert accounts.environment("123456789012") == "production"
    assert calendar is not None
    assert not calendar.is_after_hours(datetime.fromisoformat("2026-12-05T10:00+09:00"))
