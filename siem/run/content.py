"""Where content is, and what is in use: parsers, detections, lists; those that are shipped, then the team's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import siem
from siem.detect.circumstances import Circumstances
from siem.detect.sources import Sources
from siem.errors import ConfigError, ContentError
from siem.parsing import Registry, load_parsers
from siem.present.notify import UTC, Notify, Words
from siem.run.team import team_accounts, team_circumstances, team_links, team_notify, tuned_set
from siem.sigma import Correlation, Rule, RuleSet, load_lists, load_pipelines, load_rules

PACKAGE = Path(siem.__file__).parent


def shipped_content() -> Path:
    """The folder that holds `parsers`, `detections`, …: inside the wheel, or the checkout that is installed."""
    packaged = PACKAGE / "_content"
    return packaged if packaged.is_dir() else PACKAGE.parent


def content_folders(team: Path | None = None) -> list[Path]:
    """Folders that hold content, shipped ones first: what comes later replaces what has the same name.

    Raises:
        ConfigError: the team's folder does not exist.
    """
    if team is not None and not team.is_dir():
        raise ConfigError(f"content folder {team} does not exist")
    return [shipped_content(), *([team] if team is not None else [])]


def load_registry(team: Path | None = None) -> tuple[Registry, list[ContentError]]:
    """All parsers, and an error for each that cannot be used."""
    return load_parsers(folder / "parsers" for folder in content_folders(team))


@dataclass(frozen=True)
class Content:
    """Everything that judging and notifying need. notify: None where notify.yml has a mistake.

    problems: what cannot be used, and why; it disturbs nothing else.
    """

    rules: RuleSet
    sources: Sources
    among: Circumstances
    notify: Notify | None = field(default_factory=Notify)
    words: Words = field(default_factory=Words)
    problems: tuple[ContentError, ...] = ()


def load_content(team: Path | None, live_window: timedelta, now: datetime) -> Content:
    """All rules that are in use at this time, the datasets that they can look at, and what the team has set.

    Raises:
        ConfigError: the team's folder does not exist.
        ContentError: its settings.yml cannot be read at all. Without it all that the team has silenced would alert.
    """
    registry, no_parsers = load_registry(team)
    values, no_lists = load_lists(rooms("lists", team))
    pipelines, no_pipelines = load_pipelines(rooms("pipelines", team))
    found = load_rules(rooms("detections", team), values, pipelines, replacing=True, now=now)
    rules = tuned_set(found, team)
    among, no_circumstances = team_circumstances(team, live_window)
    notify, no_notify = team_notify(team)
    links, no_links = team_links(team)
    words = Words(team_accounts(team)[0], notify.zone if notify else UTC, links, looks(rules))
    problems = (*no_parsers, *no_lists, *no_pipelines, *rules.refused, *no_circumstances, *no_notify, *no_links)
    return Content(rules, Sources.of(registry), among, notify, words, problems)


def looks(rules: RuleSet) -> Callable[[str], Sequence[str]]:
    """Of a rule by its key: what to look at first, before its alert is believed."""
    known: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
    found = {rule.key: rule.falsepositives for rule in known}
    return lambda key: found.get(key, ())


def rooms(name: str, team: Path | None) -> list[Path]:
    """The folders of this name, of what is shipped and of the team."""
    return [room for folder in content_folders(team) if (room := folder / name).is_dir()]


def fingerprints(rules: RuleSet) -> dict[str, str]:
    """Of all rules and correlations in use, by id."""
    known: list[Rule | Correlation] = [*rules.rules, *rules.correlations]
    return {rule.key: rule.fingerprint for rule in known}
