"""Where content is, and what is in use: parsers, detections, lists; those that are shipped, then the team's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import siem
from siem.detect.circumstances import Circumstances
from siem.detect.sources import Sources
from siem.errors import ConfigError, ContentError
from siem.parsing import Registry, load_parsers
from siem.present.notify import UTC, Notify, Words
from siem.run.team import team_accounts, team_calendar, team_circumstances, team_links, team_notify, tuned_set
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
    rules = tuned_set(rule_set(team, now), team)
    accounts, no_accounts = team_accounts(team)
    calendar, no_calendar = team_calendar(team)
    notify, no_notify = team_notify(team, calendar)
    links, no_links = team_links(team)
    words = Words(accounts, notify.zone if notify else UTC, links, looks(rules))
    problems = (*no_parsers, *rules.refused, *no_accounts, *no_calendar, *no_notify, *no_links)
    among = team_circumstances(accounts, calendar, live_window)
    return Content(rules, Sources.of(registry), among, notify, words, problems)


def rule_set(team: Path | None, now: datetime, paths: Sequence[Path] = (), after: Sequence[Path] = ()) -> RuleSet:
    """The rules of these files and folders, as they are written; of none: all that are in use, those of `after` in the
    place of others. Rules that correlations name and the paths do not have come from those in use.

    refused: lists and pipelines that cannot be used too.
    """
    values, no_lists = load_lists(rooms("lists", team))
    pipelines, no_pipelines = load_pipelines(rooms("pipelines", team))
    in_use = rooms("detections", team)
    chosen, others = ([*paths, *after], in_use) if paths else ([*in_use, *after], [])
    found = load_rules(chosen, values, pipelines, replacing=not paths, others=others, now=now)
    return replace(found, refused=(*no_lists, *no_pipelines, *found.refused))


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
