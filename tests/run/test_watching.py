"""Content that is saved while a service runs is in use at once; what is wrong with it is told once."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from siem.errors import ConfigError
from siem.run import watching
from siem.run.content import Content
from siem.run.watching import Watched

NOW = datetime(2026, 11, 2, tzinfo=UTC)

RULE = """\
title: A console login
id: 6a3c0bcb-9a3a-4f5c-8a8e-1c1f0e5d6b11
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection
"""
FILTER = """\
title: Ann
logsource: {product: aws, service: cloudtrail}
filter:
  rules: [6a3c0bcb-9a3a-4f5c-8a8e-1c1f0e5d6b11]
  selection: {userIdentity.userName: ann}
  condition: not selection
custom: {owner: Tanaka, expires: '2026-12-02T12:00:00Z'}
"""
SETTINGS = """\
rules:
  6a3c0bcb-9a3a-4f5c-8a8e-1c1f0e5d6b11: {enabled: false}
"""


class Team:
    """A team's content, and what is told of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.told = folder, list[str]()
        (folder / "detections").mkdir(parents=True)
        self.rule = folder / "detections" / "login.yml"
        self.watched = Watched(folder, timedelta(days=1), lambda what, why: self.told.append(f"{what}: {why}"))

    def content(self, now: datetime = NOW) -> Content:
        return self.watched.content(now)

    def has_rule(self) -> bool:
        return any(rule.id and rule.id.startswith("6a3c0bcb") for rule in self.content().rules.rules)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path / "content")


def test_nothing_is_loaded_again_while_no_file_changes(team: Team) -> None:
    team.content()  # parsers are compiled, which writes files
    assert team.content() is team.content()


def test_a_rule_that_is_saved_changed_or_removed_is_so_at_once(team: Team) -> None:
    assert not team.has_rule()
    team.rule.write_text(RULE)
    assert team.has_rule()
    team.rule.write_text(RULE.replace("ConsoleLogin", "ConsoleLogon"))
    before = team.content()
    kept = team.rule.stat()
    team.rule.write_text(RULE)
    os.utime(team.rule, ns=(kept.st_atime_ns, kept.st_mtime_ns))  # as `rsync -t` and `cp -p` do
    assert team.content() is not before
    team.rule.unlink()
    assert not team.has_rule()


def test_a_rule_that_is_half_written_is_refused_and_told_once(team: Team) -> None:
    team.rule.write_text(RULE[: RULE.index("  condition")])
    for _ in range(3):
        assert not team.has_rule()
        (team.folder / "detections" / "note.txt").write_text("another file changes")
    assert len(team.told) == 1
    assert "login.yml" in team.told[0]
    assert len(team.content().rules.rules) > 30
    team.rule.write_text(RULE)
    assert team.has_rule()
    team.rule.write_text(RULE[: RULE.index("  condition")])
    assert not team.has_rule()
    assert len(team.told) == 2


def test_a_file_that_changes_while_it_is_read_is_read_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    load = watching.load_content

    def slow(*given: Any) -> Content:
        found = load(*given)
        team.rule.write_text(RULE)
        return found

    monkeypatch.setattr(watching, "load_content", slow)
    assert not team.has_rule()
    monkeypatch.setattr(watching, "load_content", load)
    assert team.has_rule()


def test_a_file_that_is_being_written_is_not_read(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save makes it empty, and then writes it."""
    team.rule.write_text(RULE)
    assert team.has_rule()
    monkeypatch.setattr(time, "sleep", lambda seconds: team.rule.write_text(RULE + "level: high\n"))
    team.rule.write_text("")
    assert team.has_rule()
    monkeypatch.undo()
    assert [rule.level for rule in team.content().rules.rules if (rule.id or "").startswith("6a3c")] == ["high"]


def test_lists_and_parsers_are_content_too(team: Team) -> None:
    before = team.content()
    (team.folder / "lists").mkdir()
    (team.folder / "lists" / "admins.yml").write_text("[ann, bob]\n")
    assert (changed := team.content()) is not before
    (team.folder / "parsers").mkdir()
    (team.folder / "parsers" / "broken.py").write_text("PARSER =\n")
    assert team.content() is not changed
    assert [line for line in team.told if "broken.py:1" in line]


def test_a_folder_that_goes_away_leaves_what_was_in_use(team: Team) -> None:
    team.rule.write_text(RULE)
    assert team.has_rule()
    shutil.move(team.folder, team.folder.with_name("away"))
    for _ in range(3):
        assert team.has_rule()
    assert team.told == [f"refused: content folder {team.folder} does not exist"]
    shutil.move(team.folder.with_name("away"), team.folder)
    team.rule.unlink()
    assert not team.has_rule()


def test_a_folder_that_never_was_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        Watched(tmp_path / "nowhere", timedelta(days=1), lambda what, why: None).content(NOW)


def test_a_filter_that_expires_is_not_applied_from_then_on_and_told(team: Team) -> None:
    """And is again, should the clock have been ahead for a moment."""
    team.rule.write_text(RULE)
    (team.folder / "detections" / "filter.yml").write_text(FILTER)
    assert filtered(team.content(NOW))
    assert team.content(NOW + timedelta(days=30)) is team.content(NOW)
    late = NOW + timedelta(days=31)
    assert not filtered(team.content(late))
    assert team.content(late) is team.content(late + timedelta(days=400))
    assert [line for line in team.told if line.startswith("expired: ") and "filter.yml:1: the filter Ann" in line]
    assert filtered(team.content(NOW))
    assert len(team.told) == 1


def filtered(content: Content) -> bool:
    return any(one.title == "Ann" for one in content.rules.filters)


def test_settings_that_cannot_be_read_leave_what_was_in_use(team: Team) -> None:
    """Or all that the team has silenced would alert."""
    team.rule.write_text(RULE)
    (team.folder / "settings.yml").write_text(SETTINGS)
    assert not team.has_rule()
    (team.folder / "settings.yml").write_text(SETTINGS[:-5])
    for _ in range(3):
        assert not team.has_rule()
    assert len(team.told) == 1
    assert "settings.yml" in team.told[0]
    (team.folder / "settings.yml").unlink()
    assert team.has_rule()
