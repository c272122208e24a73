"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from siem.cli.output import Format, tell
from siem.config import Settings, load_settings
from siem.detect.circumstances import Circumstances
from siem.detect.sources import Sources
from siem.errors import ContentError, UsageError
from siem.parsing import Registry
from siem.run.content import load_registry, rooms, rule_set
from siem.run.team import team_accounts, team_calendar, team_circumstances
from siem.sigma import Lists, RuleSet, load_lists, rule_files
from siem.spans import length

StoreOption = Annotated[
    str | None, typer.Option("--store", help="Folder or address of the store (SIEM_STORE; ./siem-data).")
]
ContentOption = Annotated[Path | None, typer.Option("--content", help="The team's own content folder (SIEM_CONTENT).")]
FormatOption = Annotated[Format | None, typer.Option("--format", help="table on a terminal, ndjson in a pipe.")]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="Of which dataset the files are, whatever the key.")
]
RulesArgument = Annotated[
    list[Path] | None, typer.Argument(metavar="[PATH…]", help="Rules; without any all that are in use.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="From this time on: RFC 3339, a date (UTC), or 30d, 12h before now.")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Before this time.")]
UNITS = "smhdw"
"""Of spans before now."""


def settings(store: str | None = None, content: Path | None = None) -> Settings:
    return load_settings(store=store, content=content)


def registry(content: Path | None) -> Registry:
    """All parsers; one that cannot be used is told on stderr and disturbs no other."""
    found, problems = load_registry(content)
    refused(problems)
    return found


def rules(
    paths: list[Path] | None, content: Path | None, told: bool = True, after: list[Path] | None = None
) -> RuleSet:
    """The rules of these files and folders; of none: all shipped ones and the team's, which take the place of shipped
    ones. Rules that correlations name and the files and folders do not have come from those in use.

    Refused ones are told on stderr where they are not to be the result.
    after: files and folders whose rules take the place of those in use.

    Raises:
        UsageError: a path does not exist, or a folder has no rule.
    """
    for path in paths or []:
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        if path.is_dir() and not rule_files(path):
            raise UsageError(f"no rules in {path}")
    found = rule_set(content, now(), paths or (), after or ())
    if not (found.rules or found.refused or found.filters or found.expired):
        raise UsageError(f"no rules in {', '.join(map(str, paths or [])) or 'any content folder'}")
    if told:
        refused(found.refused)
    return found


def lists(content: Path | None) -> Lists:
    return load_lists(rooms("lists", content))[0]


def check_dataset(dataset: str | None, parsers: Registry) -> None:
    """A dataset that an option names.

    Raises:
        UsageError: no parser makes it.
    """
    if dataset is not None and dataset not in parsers.parsers:
        raise UsageError(f"no parser makes {dataset}; there are: {', '.join(sorted(parsers.parsers))}")


def sources(content: Path | None) -> Sources:
    return Sources.of(registry(content))


def circumstances(settings: Settings) -> Circumstances:
    """What alerts depend on beside rules and events. What is wrong with accounts.yml or calendar.yml is told on stderr;
    without a calendar that can be read nothing is after hours."""
    accounts, no_accounts = team_accounts(settings.content)
    calendar, no_calendar = team_calendar(settings.content)
    refused([*no_accounts, *no_calendar])
    return team_circumstances(accounts, calendar, settings.detect.live_window)


def refused(problems: tuple[ContentError, ...] | list[ContentError]) -> None:
    for problem in problems:
        tell(f"refused: {problem}")


def time(text: str | None) -> datetime | None:
    """A time from the command line; a span (30d, 12h) is so long before now.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return None
    try:
        if (span := length(text, UNITS)) is not None:
            return now() - span
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise UsageError(f"{text}: no time; write 2026-11-01, 2026-11-01T02:00:00Z, or 30d or 12h before now") from None


def words(option: str, text: str) -> str:
    """What somebody wrote, to be kept.

    Raises:
        UsageError: it is not UTF-8, which nothing can keep.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{option}: that is not UTF-8") from None
    return text


def in_utc(time: datetime) -> datetime:
    """Times that name no zone are in UTC."""
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)
