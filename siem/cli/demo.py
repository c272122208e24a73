"""`siem demo`: the sample bucket the whole way, on the embedded store."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from siem.cli import options
from siem.cli.detect import line as judged_line
from siem.cli.ingest import line as ingested_line
from siem.cli.output import plain, progress, results, table, tell
from siem.detect.passes import detect
from siem.detect.sources import Sources
from siem.run.content import shipped_content
from siem.run.ingest import ingest
from siem.store import open_folder
from siem.store.contract import Alert, State, Store

LEVELS = ("critical", "high", "medium", "low", "informational")
UNCLAIMED_SHOWN = 6
TITLES_SHOWN = 30


def demo(
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo's data goes.")] = Path("siem-data/demo"),
) -> None:
    """The sample bucket into a store of its own, the shipped rules over it, and what came of it."""
    settings = options.settings(str(folder))
    samples = shipped_content() / "samples"
    kept = open_folder(folder)
    try:
        with progress() as shown:
            task = shown.add_task("reading the sample bucket")
            parsers = options.registry(None)
            places = [str(samples / "bucket"), str(samples / "cloudtrail-invictus")]
            done = ingest(
                places, kept, parsers, settings, options.now,
                lambda so_far: shown.update(task, description=plain(ingested_line(so_far))),
            )  # fmt: skip
            shown.update(task, description="running the detections")
            rules = options.rules(None, None)
            count = len(rules.rules) + len(rules.correlations)
            passed = detect(
                kept, rules, Sources.of(parsers),
                lambda so_far: shown.update(task, description=judged_line(so_far, count)), everything=True,
            )  # fmt: skip
        _report(kept, results(), folder)
    finally:
        kept.close()
    if done.objects or passed.objects:
        tell(f"Read {ingested_line(done)}.")
    else:
        tell(f"Nothing changed: all {done.known:,} objects were read and judged before.")


def _report(store: Store, out: Console, folder: Path) -> None:
    stats = store.stats()
    out.print(Text("\nEvents", style="bold"))
    columns = ("dataset", "objects", "records", "events", "duplicates", "rejects", "skipped", "first", "last")
    rows = [{name: getattr(row, name) for name in columns} for row in stats if row.dataset is not None]
    out.print(table(rows, columns))
    unclaimed = [row.key for row in store.ledger().values() if row.state is State.UNRECOGNISED]
    out.print(f"\n{len(unclaimed):,} objects are recorded, but no parser claims them yet, for example:")
    for key in sorted(unclaimed)[:: max(1, len(unclaimed) // UNCLAIMED_SHOWN)][:UNCLAIMED_SHOWN]:
        out.print(f"  {plain(key)}")
    _alerts(store.alerts(), out)
    out.print(Text("\nWhere to look next", style="bold"))
    out.print(f"  The data lies in {plain(folder)}. Try:")
    for command in ("store stats", "alerts list", "rejects list"):
        out.print(f"  siem {command} --store {plain(folder)}")
    out.print(f"  siem hunt {plain(shipped_content() / 'detections')} --store {plain(folder)}")


def _alerts(alerts: list[Alert], out: Console) -> None:
    counts = Counter(alert.level for alert in alerts)
    by_level = ", ".join(f"{counts[level]} {level}" for level in LEVELS if counts[level]) or "none"
    out.print(Text(f"\nAlerts: {by_level}", style="bold"))
    merged: dict[tuple[int, str, str], list[Alert]] = {}
    for alert in alerts:
        place = LEVELS.index(alert.level) if alert.level in LEVELS else len(LEVELS)
        merged.setdefault((place, alert.level, alert.title), []).append(alert)
    rows = [
        {
            "level": level,
            "title": title,
            "alerts": len(own),
            "events": sum(alert.count for alert in own),
            "first": min(alert.first for alert in own),
        }
        for (_, level, title), own in sorted(merged.items())[:TITLES_SHOWN]
    ]
    out.print(table(rows, ("level", "title", "alerts", "events", "first")))
    if len(merged) > TITLES_SHOWN:
        out.print(f"and {len(merged) - TITLES_SHOWN} more titles: `siem alerts list` below shows all.")
