"""An outage is told when it begins and when it is over, whoever meets it and however often."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from structlog.testing import LogCapture

from siem.errors import ConfigError, Unavailable
from siem.run.troubles import Troubles


def captured(clock: Callable[[], float]) -> tuple[Troubles, list[Any]]:
    capture = LogCapture()
    return Troubles(structlog.wrap_logger(None, processors=[capture]), clock), capture.entries


def test_an_outage_is_one_line_and_its_end_another() -> None:
    now = 0.0
    troubles, told = captured(lambda: now)
    troubles.met("lease", Unavailable("store: no answer"))
    now = 5.0
    troubles.met("detect", Unavailable("store: an answer broke off"))
    troubles.met("lease", Unavailable("store: no answer"))
    assert troubles.standing() == {"lease": "store: no answer", "detect": "store: an answer broke off"}
    now = 9.0
    troubles.over("lease")
    troubles.over("detect")
    troubles.over("detect")
    assert [(line["event"], line.get("why"), line.get("seconds")) for line in told] == [
        ("failed, is tried again", "store: no answer", None),
        ("goes on", None, 9.0),
    ]


def test_errors_of_other_kinds_are_told_as_long_as_they_are_new() -> None:
    troubles, told = captured(lambda: 0.0)
    for error in (ConfigError("no rights"), ConfigError("no rights"), Unavailable("away"), ConfigError("no user")):
        troubles.met("detect", error)
    troubles.met("detect", KeyError("a bug"))
    assert [line["why"] for line in told] == ["no rights", "away", "no user", "'a bug'"]
    assert ["KeyError" in line.get("trace", "") for line in told] == [False, False, False, True]
