"""`siem worker`: what queues tell of, into the store, until it is stopped."""

from __future__ import annotations

import os
import signal
import threading
from typing import Annotated, Any

import typer

from siem.cli import options
from siem.config import Settings, load_settings
from siem.errors import ConfigError, Unavailable, UsageError

QueueOption = Annotated[
    list[str] | None, typer.Option("--queue", metavar="URL", help="A queue's address; may be repeated (SIEM_QUEUES).")
]


def worker(
    queue: QueueOption = None,
    processes: Annotated[int | None, typer.Option(min=1, max=256, help="One per core, unless given.")] = None,
    store: options.StoreOption = None,
    content: options.ContentOption = None,
) -> int:
    """Read every object that queues tell of, until SIGTERM. A message goes when its objects are in the store."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    settings = checked(load_settings(store=store, content=content, queues=queue or None))
    options.registry(settings.content)  # what is wrong with a parser is told once, before all begin
    from siem.run.logs import logger
    from siem.run.serving import serving
    from siem.run.worker.numbers import registry
    from siem.run.worker.processes import Processes

    log = logger()
    look_at_queues(settings, log)
    all_ = Processes(settings, processes or len(os.sched_getaffinity(0)), log, stopping)
    with serving("worker.listen", settings.worker.listen, all_, registry(all_)) as port:
        if port is not None:
            log.info("listens", port=port)
        return all_.run()


def checked(settings: Settings) -> Settings:
    """The settings, with what a worker cannot do without.

    Raises:
        UsageError, ConfigError: it is missing.
    """
    if not settings.queues:
        raise UsageError("no queue: give --queue URL, or set SIEM_QUEUES")
    if not settings.buckets:
        raise ConfigError("no bucket may be read: let SIEM_BUCKETS name those that messages may be about")
    return settings


def look_at_queues(settings: Settings, log: Any) -> None:
    """Tell of queues without a dead-letter queue.

    Raises:
        ConfigError: a queue does not exist, or is not for us.
    """
    from siem.aws import Queue

    for url in settings.queues:
        try:
            if Queue(url).dead_letters() is None:
                log.warning("no dead-letter queue", queue=url, advice="give the queue a redrive policy")
        except Unavailable as error:
            log.warning("waits", what_for=f"queue {url}", why=str(error))
