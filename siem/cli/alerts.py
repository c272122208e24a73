"""`siem alerts`: what rules came to, and what people did about it."""

from __future__ import annotations

import getpass
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.cli.output import Format, chosen, tell, write, write_texts
from siem.config import Settings
from siem.errors import UsageError
from siem.sigma import LEVELS
from siem.store import existing_store
from siem.store.contract import Alert, Store
from siem.store.handling import ACKNOWLEDGED, CLOSED, OPEN, Action, Disposition, Verb

app = typer.Typer(rich_markup_mode=None, help="Alerts, and what was done about them.", no_args_is_help=True)

COLUMNS = ("level", "title", "group", "last", "count", "state", "marks", "id")
TABLE_ROWS = 200
"""Rows of a table that nobody asked to be longer: to draw 10,000 takes ten seconds."""

SHORTEST = 6
"""Characters of an id that may stand for all of it, where no other alert's begins so."""

IdsArgument = Annotated[list[str], typer.Argument(metavar="ID…", help="Alerts; the beginning of an id will do.")]
ByOption = Annotated[
    str | None, typer.Option("--by", help="Who; SIEM_PERSON, else the name of the user who is logged in.")
]
States = Annotated[
    list[str] | None, typer.Option("--state", help=f"{OPEN}, {ACKNOWLEDGED} or {CLOSED}; may be repeated.")
]


@app.command(name="list")
def list_(
    state: States = None,
    level: Annotated[str | None, typer.Option("--level", help="This level and those above.")] = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Of the rule with this id or name.")] = None,
    history: Annotated[
        bool | None, typer.Option("--history/--live", help="Only those of old logs, or only the others.")
    ] = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help=f"At most so many; a table has {TABLE_ROWS} otherwise.")
    ] = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Alerts, newest first. `after_hours` and `history` mark them; --since and --until are about their last event."""
    wanted = _wanted(state, level)
    first, end = options.time(since), options.time(until)
    settings = options.settings(store, content)
    with closing(existing_store(settings)) as kept:
        there = kept.alerts()
        key = rule and _key(rule, there, settings)
        found = [
            one
            for one in there
            if one.state in wanted[0] and one.level in wanted[1]
            and (key is None or one.rule_id == key)
            and (history is None or one.history == history)
            and (first is None or one.last >= first) and (end is None or one.last < end)
        ]  # fmt: skip
    most = limit or (TABLE_ROWS if chosen(form) is Format.TABLE else len(found))
    write([_row(alert) for alert in found[:most]], COLUMNS, form)
    if len(found) > most:
        tell(f"and {len(found) - most:,} older ones; --limit shows more")


@app.command()
def show(
    alert: Annotated[str, typer.Argument(metavar="ID")],
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """One alert whole: what was found, its events by id, what was done, and the alerts that it took over from."""
    with closing(existing_store(options.settings(store, content))) as kept:
        one = named(kept, [alert])[0]
        earlier = [other for other in kept.alerts(merged=True) if other.merged_into == one.id]
        done = kept.actions([one.id, *[other.id for other in earlier]])
    row = _row(one) | {"actions": [asdict(action) for action in done], "merged": [other.id for other in earlier]}
    write_texts([row], _lines, form, lambda rows: rows[0])


@app.command()
def ack(
    alerts: IdsArgument,
    text: Annotated[str, typer.Option("--text", help="A note.")] = "",
    by: ByOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Say that somebody looks at alerts."""
    _act(alerts, Verb.ACKNOWLEDGE, text, by, store, content, form)


@app.command()
def close(
    alerts: IdsArgument,
    disposition: Annotated[Disposition, typer.Option("--as", help="What they were.")],
    text: Annotated[str, typer.Option("--text", help="Why.")],
    by: ByOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Close alerts. Those closed as `true` open again when more of their events come; others stay closed."""
    _act(alerts, Verb.CLOSE, text, by, store, content, form, disposition)


@app.command()
def reopen(
    alerts: IdsArgument,
    text: Annotated[str, typer.Option("--text", help="Why.")] = "",
    by: ByOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
    form: options.FormatOption = None,
) -> None:
    """Open alerts again."""
    _act(alerts, Verb.REOPEN, text, by, store, content, form)


def _act(
    ids: Sequence[str],
    verb: Verb,
    text: str,
    by: str | None,
    store: str | None,
    content: Path | None,
    form: Format | None,
    disposition: Disposition | None = None,
) -> None:
    """One action on each alert, all of them or none."""
    author, text, now = person(by), options.words("--text", text), options.now()
    if verb is Verb.CLOSE and not text.strip():
        raise UsageError("--text: say why, for whoever reads it next year")
    with closing(existing_store(options.settings(store, content))) as kept:
        actions = [
            Action(uuid.uuid4().hex, one.id, one.rule_id, verb, author, now, text, disposition)
            for one in named(kept, ids)
        ]
        left = kept.act(actions)
    write([_row(alert) for alert in left], COLUMNS, form)


def person(by: str | None) -> str:
    """Who acts."""
    try:
        name = by or os.environ.get("SIEM_PERSON") or getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have no name
        raise UsageError("--by: say who you are, or set SIEM_PERSON") from error
    if not name.strip():
        raise UsageError("--by: say who you are")
    return options.words("--by", name)


def named(kept: Store, ids: Sequence[str]) -> list[Alert]:
    """The alerts of these ids or beginnings; of merged ones their survivors. Each once.

    Raises:
        UsageError: there is none, or several begin so.
    """
    every = cache(lambda: kept.alerts(merged=True))  # asked for once, and where a beginning is given
    found: dict[str, Alert] = {}
    for id_ in ids:
        one = kept.alert(options.words("ID", id_)) or _begins(every, id_)
        survivor = one if one.merged_into is None else kept.alert(one.merged_into)
        if survivor is not None:
            found[survivor.id] = survivor
    return list(found.values())


def _begins(every: Callable[[], list[Alert]], start: str) -> Alert:
    found = [one for one in every() if one.id.startswith(start)] if len(start) >= SHORTEST else []
    if not found:
        raise UsageError(f"no alert {start}; `siem alerts list` has their ids ({SHORTEST} characters or more of one)")
    if len(found) > 1:
        raise UsageError(f"alert {start}: {len(found)} ids begin so; give more of it")
    return found[0]


def _key(rule: str, alerts: Sequence[Alert], settings: Settings) -> str:
    """How alerts call a rule: rules that have an id and a name may be asked for by either. Of one that is in use no
    more only what its alerts say is known."""
    if any(one.rule_id == rule for one in alerts):
        return rule
    one = options.rules(None, settings.content, told=False).called(rule)
    return one.key if one else rule


def _wanted(states: Sequence[str] | None, level: str | None) -> tuple[set[str], set[str]]:
    known = (OPEN, ACKNOWLEDGED, CLOSED)
    if wrong := set(states or ()).difference(known):
        raise UsageError(f"--state {sorted(wrong)[0]}: write {', '.join(known)}")
    if level is not None and level not in LEVELS:
        raise UsageError(f"--level {level}: write one of {', '.join(LEVELS)}")
    return set(states or known), set(LEVELS[LEVELS.index(level) if level else 0 :])


def _row(alert: Alert) -> dict[str, Any]:
    marks = [name for name, there in (("after hours", alert.after_hours), ("history", alert.history)) if there]
    marks += [alert.disposition] if alert.disposition else []
    return vars(alert) | {"marks": marks}  # `asdict` copies every value: half of the time to list 10,000


def _lines(row: dict[str, Any]) -> Iterator[str]:
    """An alert for people."""
    yield f"{row['level']}  {row['title']}"
    if row["text"]:
        yield row["text"]
    yield f"rule {row['rule_id']}   {' '.join(row['tags'])}"
    yield from [f"{name}: {', '.join(texts)}" for name, texts in row["values"].items()]
    told = f"{row['count']:,} events" if row["count"] else "nothing"
    yield f"{told} from {row['first']:%FT%TZ} to {row['last']:%FT%TZ}"
    yield from [f"  {event}" for event in row["events"][:20]]
    if len(row["events"]) > 20:
        yield f"  and {len(row['events']) - 20:,} more; --format json has up to 1,000"
    yield f"{row['state']}{''.join([f', {mark}' for mark in row['marks']])}"
    for done in row["actions"]:
        what = f"{done['verb']} {done['disposition'] or ''}".strip()
        yield f"  {done['time']:%FT%TZ}  {what} by {done['author']}: {done['text']}"
    yield from [f"took over from {id_}" for id_ in row["merged"]]
    yield f"id {row['id']}"
