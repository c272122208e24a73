"""`siem scheduler`: detection, retention and compaction for as long as it runs."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable

from siem.cli import options
from siem.run.content import content_folders


def scheduler(store: options.StoreOption = None, content: options.ContentOption = None) -> None:
    """Detect each minute, compact each hour, retain each day, until SIGTERM. Of several on one store one works, and
    another takes over within a minute when that one is gone."""
    from siem.run.logs import logger  # with APScheduler 0.04 s, which other commands need not wait for
    from siem.run.scheduler import Scheduler, opening
    from siem.run.serving import serving

    settings = options.settings(store, content)
    content_folders(settings.content)
    for library in ("apscheduler", "siem.store"):
        logging.getLogger(library).setLevel(logging.CRITICAL)  # what they say, the scheduler says once
    one = Scheduler(settings, opening(settings), log := logger())
    with serving("scheduler.listen", settings.scheduler.listen, one, one.metrics.registry) as port:
        if port is not None:
            log.info("listens", port=port)
        _on_signal(one.end)
        one.run()


def _on_signal(end: Callable[[], None]) -> None:
    """The first asks for the end; another one does not wait for it."""

    def asked(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        end()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
