"""`siem doctor`: is the store there, well, and as it was prepared?"""

from __future__ import annotations

from dataclasses import asdict

from siem.cli import options
from siem.cli.output import write
from siem.store.checks import Verdict, examined

COLUMNS = ("what", "verdict", "said", "advice")


def doctor(
    store: options.StoreOption = None, content: options.ContentOption = None, form: options.FormatOption = None
) -> int:
    """A line per check: ok, warning or failure, and what to do. Exit code 1 if one failed. Nothing is changed."""
    settings = options.settings(store, content)
    found = examined(settings, options.sources(settings.content).fields, options.now)
    write([asdict(check) for check in found], COLUMNS, form)
    return int(any(check.verdict is Verdict.FAILURE for check in found))
