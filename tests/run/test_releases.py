"""Rules of releases are kept as they were shipped, and an upgrade says what it brings."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import siem
from siem.errors import UsageError
from siem.run.content import shipped_content
from siem.run.releases import older, releases, rules_of, snapshot, write
from siem.sigma import Tuning, load_rules, load_tuning
from siem.sigma.changes import Change, Team, changes

RULE = """\
title: TITLE
id: ID
logsource: {product: aws}
detection: {s: {action: ACTION}, condition: s}
level: LEVEL
tags: [attack.t1078]
"""
CORRELATION = """\
title: Many
id: many
correlation: {type: event_count, rules: a, timespan: 10m, condition: {gte: NUMBER}}
level: high
"""


def rule(name: str, title: str = "Title", action: str = "login", level: str = "low") -> str:
    return RULE.replace("ID", name).replace("TITLE", title).replace("ACTION", action).replace("LEVEL", level)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A content folder with a release, which was changed since."""
    folder = tmp_path / "content"
    (folder / "detections").mkdir(parents=True)
    (folder / "lists").mkdir()
    (folder / "lists" / "people.yml").write_text("[ann, あや]\n", "utf-8")
    listed = rule("listed").replace("action: login", "'user|expand': '%people%'")
    put(folder, a=rule("a"), b=rule("b"), c=rule("c"), listed=listed, many=CORRELATION.replace("NUMBER", "3"))
    (folder / "detections" / "a.cases.yml").write_text("cases: []\n")
    write(folder, "1.0.0")
    put(folder, a=rule("a", level="high"), b=rule("b", title="Other"), d=rule("d"))
    put(folder, many=CORRELATION.replace("NUMBER", "4"))
    (folder / "detections" / "c.yml").unlink()
    return folder


def put(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        (folder / "detections" / f"{name}.yml").write_text(text)


def told(content: Path, name: str = "1.0.0") -> dict[str, tuple[str, ...]]:
    return {change.both[0].key: change.kinds for change in found(content, name)}


def found(content: Path, name: str = "1.0.0") -> list[Change]:
    with older(name, content) as folder:
        return changes(rules_of(folder), rules_of(content))


def test_an_upgrade_says_what_is_new_removed_and_changed(content: Path) -> None:
    assert told(content) == {"c": ("removed",), "a": ("level",), "b": ("title",), "d": ("new",), "many": ("meaning",)}


def test_another_list_is_another_meaning(content: Path) -> None:
    (content / "lists" / "people.yml").write_text("[ann]\n")
    assert told(content)["listed"] == ("meaning",)


def test_a_rule_that_moved_or_is_written_otherwise_has_not_changed(content: Path) -> None:
    put(content, b=rule("b").replace("{s: {action: login}, condition: s}", "{t: {action: [login]}, condition: (t)}"))
    (content / "detections" / "b.yml").rename(content / "detections" / "moved.yml")
    assert "b" not in told(content)


def test_an_older_checkout_or_its_detections_is_as_good_as_a_release(content: Path, tmp_path: Path) -> None:
    with older("1.0.0", content) as folder:
        shutil.copytree(folder, tmp_path / "old")
    assert told(content, str(tmp_path / "old")) == told(content)
    assert told(content, str(tmp_path / "old" / "detections")) == told(content)


@pytest.mark.parametrize("name", ["0.9", "../1.0.0", "", "nowhere"])
def test_a_release_that_is_not_known_is_told_with_those_that_are(content: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"releases: 1\.0\.0"), older(name, content):
        pass


def test_releases_are_no_rules(content: Path) -> None:
    assert [one.key for one in rules_of(content).own] == ["a", "b", "d", "listed", "many"]
    assert not [path for path in snapshot(content) if "releases" in path or ".cases." in path]


def test_what_a_team_has_of_its_own_is_told_beside_what_it_touches(content: Path, tmp_path: Path) -> None:
    settings = tmp_path / "settings.yml"
    settings.write_text("rules:\n  A: {tier: report}\n  many: {threshold: 9}\ntags:\n  attack.t1078: {channel: soc}\n")
    tuning, errors = load_tuning(settings)
    assert (tuning is None, errors) == (False, [])
    (tmp_path / "own.yml").write_text(
        rule("d", title="Ours") + "---\n"
        "title: F\nid: f\nlogsource: {product: aws}\nfilter: {rules: [b, c], s: {user: x}, condition: not s}\n---\n"
        "title: Twice\nname: twice\ncorrelation: {type: event_count, rules: d, timespan: 1m, condition: {gte: 2}}\n"
    )
    own = load_rules([tmp_path / "own.yml"])
    assert own.refused == ()
    team = Team(tuning or Tuning(), {one.key: one for one in own.rules}, own.filters, own.correlations)
    touching = {change.both[0].key: list(team.touching(change)) for change in found(content)}
    by_tag = f"{settings}:5 sets channel by the tag attack.t1078"
    assert touching == {
        "a": [f"{settings}:2 sets tier", by_tag],
        "b": [by_tag, f"{tmp_path / 'own.yml'}:8 filters it"],
        "c": [by_tag, f"{tmp_path / 'own.yml'}:8 filters it"],
        "d": [by_tag, f"{tmp_path / 'own.yml'}:1 stands in its place", f"{tmp_path / 'own.yml'}:13 counts it"],
        "many": [f"{settings}:3 sets threshold"],
    }


def test_the_rules_of_a_version_that_is_released_are_kept_as_it_ships_them() -> None:
    """As long as CHANGELOG.md calls it unreleased there need not be any: `make release-rules`."""
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    released = set(re.findall(r"^## (\S+)(?: \(\d{4}-\d\d-\d\d\))?$", changelog, re.MULTILINE))
    kept = releases(shipped_content())
    assert released <= kept.keys()
    if siem.__version__ in released:
        assert json.loads(kept[siem.__version__].read_text("utf-8")) == snapshot(shipped_content())
