"""What services say: a line of JSON for everything that happened, on stderr."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO

import orjson
import structlog


class Quiet(BytesIO):
    """Where lines go. If nobody reads them any more the work goes on."""

    def __init__(self, to: BinaryIO) -> None:
        super().__init__()
        self._to = to

    def write(self, line: Any, /) -> int:
        with suppress(OSError, ValueError):
            self._to.write(line)
            self._to.flush()
        return len(line)


def logger() -> Any:
    """A logger of this process. Values are text in JSON, whatever logs bring into them."""
    chain: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.EventRenamer("what"),
        structlog.processors.JSONRenderer(serializer=_line),
    ]
    made = structlog.wrap_logger(structlog.BytesLogger(Quiet(sys.stderr.buffer)), processors=chain)
    return made.bind(process=os.getpid())


def _line(event: Any, **_: Any) -> bytes:
    return orjson.dumps(event, default=str) if _is_utf8(event) else orjson.dumps(_clean(event), default=str)


def _is_utf8(event: Any) -> bool:
    try:
        orjson.dumps(event, default=str)
    except TypeError:  # half of a surrogate pair
        return False
    return True


def _clean(event: Any) -> Any:
    return {key: str(value).encode("utf-8", "replace").decode() for key, value in event.items()}


class Passed(logging.Handler):
    """What stores say with Python's own loggers, in the same lines."""

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, record.getMessage(), logger=record.name)


def pass_on(log: Any) -> None:
    """Let `siem`'s loggers of this process write there."""
    ours = logging.getLogger("siem")
    ours.addHandler(Passed(log))
    ours.setLevel(logging.INFO)
    ours.propagate = False
