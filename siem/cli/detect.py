"""`siem detect`: rules over what is stored, for alerts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from siem.cli import options
from siem.cli.output import progress, tell
from siem.detect.passes import Passed, again, detect
from siem.run.team import tuned_set
from siem.run.watching import expiry
from siem.sigma import RuleSet
from siem.store import existing_store


def detect_command(
    rules: Annotated[
        list[Path] | None, typer.Option("--rules", help="These rules alone, on all that they have not judged.")
    ] = None,
    since: options.SinceOption = None,
    until: options.UntilOption = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
) -> None:
    """One detection pass over new objects. With --since or --until over stored events again: what the rules match now
    replaces what they matched there."""
    settings = options.settings(store, content)
    found = tuned_set(options.rules(rules, settings.content, told=False), settings.content, whole=not rules)
    options.refused(found.refused)
    for told in expired(found):
        tell(told)
    sources, among = options.sources(settings.content), options.circumstances(settings)
    count = len(found.own)
    first, end = options.time(since), options.time(until)
    with closing(existing_store(settings)) as kept, progress() as shown:
        task = shown.add_task("judging")
        if first is not None or end is not None:
            done = again(kept, found, sources, first, end, among)
        else:
            done = detect(
                kept, found, sources,
                lambda so_far: shown.update(task, description=line(so_far, count)),
                everything=not rules,
                among=among,
                now=options.now(),
            )  # fmt: skip
    for told in outcome(done, count):
        tell(told)


def expired(rules: RuleSet) -> Iterator[str]:
    """The filters that are not applied any more, a line each."""
    for one in rules.expired:
        yield f"expired: {expiry(one)}"


def outcome(done: Passed, rules: int) -> Iterator[str]:
    """What a pass came to, in lines: what went wrong, then what it did."""
    for key, reason in done.errors.items():
        yield f"failed: {key}: {reason}"
    for key, objects in done.owed.items():
        yield f"owed: {key}: {objects:,} objects are not judged yet; the next pass tries again"
    for key, events in done.left_out.items():
        if events:
            yield f"{key}: {events:,} events without the values that it groups by are left out"
    yield line(done, rules)


def line(done: Passed, rules: int) -> str:
    """What a pass did, in a line."""
    return (
        f"{done.objects:,} objects, {rules} rules: {done.signals:,} matches, {len(done.alerts):,} alerts new or grown"
    )
