"""Sends bulk bodies, several at once, until every item of each is created, there already, or refused for good.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event
from time import monotonic
from typing import Any

from siem.errors import Refused, Unavailable
from siem.store.opensearch.cluster.connection import LONGEST_WAIT, SHORTEST_WAIT, Connection
from siem.store.opensearch.cluster.trouble import CLOSED, advised, cause, passes
from siem.store.opensearch.events.pace import Pace

log = logging.getLogger("siem.store")

MOST = 4
"""Bodies on their way at once. A node takes in no more with more: 4.6, 5.0 and 6.5 thousand documents a second for one,
two and four on two shared cores."""

SLOW = 5.0
"""Seconds after which an answer says that the cluster has enough to do: 5 MiB take it 0.3 to 0.9."""

QUIET = 60.0
"""Seconds between lines in the log about the same trouble."""

ANSWERED = ",".join(
    ("errors", *(f"items.*.{what}" for what in ("status", "error.type", "error.reason", "error.caused_by.reason")))
)
"""What an answer has to say. The status of every item: without it good items leave no trace, and places would shift."""

CONFLICT, TOO_LARGE = 409, 413


@dataclass(frozen=True)
class Outcome:
    """An item that was not created, at that place of its body: it was there already (409), or is refused for good.

    kind, reason: as OpenSearch says it. The reason quotes the document: it is data.
    """

    place: int
    status: int
    kind: str
    reason: str


@dataclass(frozen=True)
class Part:
    """Items of a body that are still to be written. places: of each, in the whole body; None: all of it, as it is."""

    body: bytes
    places: Sequence[int] | None = None

    def place(self, item: int) -> int:
        return item if self.places is None else self.places[item]

    def of(self, items: Sequence[int]) -> Part:
        """Some of the items. Each is two lines, action and document."""
        lines = self.body.split(b"\n")
        text = b"".join([b"%b\n%b\n" % (lines[2 * item], lines[2 * item + 1]) for item in items])
        return Part(text, [self.place(item) for item in items])

    def __len__(self) -> int:
        return self.body.count(b"\n") // 2 if self.places is None else len(self.places)


@dataclass(frozen=True)
class Attempt:
    """What sending a part came to. rest: what is to be sent again. busy: why; moved: items came to their end."""

    outcomes: Sequence[Outcome] = ()
    rest: Sequence[Part] = ()
    moved: bool = True
    busy: str = ""


@dataclass
class Course:
    """What the threads of one `send` share. moved: when an item last came to its end (monotonic seconds)."""

    moved: float = field(default_factory=monotonic)
    left: Event = field(default_factory=Event)


class Bulk:
    """Bulk requests to one cluster. most: bodies on their way at once; the client must keep as many connections.

    slow: seconds after which an answer lets the pace fall.
    """

    def __init__(self, connection: Connection, most: int = MOST, slow: float = SLOW) -> None:
        self._connection, self._most, self._slow = connection, most, slow
        self.pace = Pace(most)
        self._stuck: float | None = None  # since when whole bodies are not taken (monotonic seconds)
        self._quiet = float("-inf")  # until when that is not told again

    def send(self, bodies: Iterable[bytes]) -> Iterator[tuple[int, list[Outcome]]]:
        """Send bodies of `create` actions, which may be sent again: for each, by its number, in the order in which they
        are done, what became of the items that were not created (by their places).

        A body is taken from the iterator when it can be sent. 409 says that the document is there; also if an earlier
        attempt wrote it whose answer was lost.

        Raises:
            Unavailable: no item of any body came to its end for as long as the connection's patience.
            Refused, ConfigError: the cluster takes no such request, or not from us.
        """
        course, numbered = Course(), enumerate(bodies)
        running: dict[Future[list[Outcome]], int] = {}
        with ThreadPoolExecutor(self._most, "bulk") as pool:
            try:
                more = True
                while more or running:
                    while more and len(running) < self.pace.allowed:
                        number, body = next(numbered, (0, None))
                        if body is None:
                            more = False
                        else:
                            running[pool.submit(self._written, body, course)] = number
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield running.pop(future), future.result()
            finally:
                course.left.set()

    def _written(self, body: bytes, course: Course) -> list[Outcome]:
        """Send a body, and again what of it may yet be written."""
        began, waits = monotonic(), 0
        found: list[Outcome] = []
        parts = [Part(body)]
        while parts:
            part = parts.pop()
            try:
                attempt = self._attempt(part)
            except Unavailable:
                if course.left.is_set() or monotonic() - max(began, course.moved) > self._connection.patience:
                    raise
                attempt = Attempt(rest=[part], moved=False)
            found += attempt.outcomes
            parts += attempt.rest
            if attempt.moved:
                course.moved, waits = monotonic(), 0
            if attempt.rest:
                course.left.wait(random.uniform(0, min(LONGEST_WAIT, SHORTEST_WAIT * 2**waits)))  # noqa: S311
                waits += 1
        return sorted(found, key=lambda outcome: outcome.place)

    def _attempt(self, part: Part) -> Attempt:
        """Send items once.

        Raises:
            Unavailable: none of them came to its end.
        """
        began = monotonic()
        try:
            answer = self._connection.ask("POST", "/_bulk", part.body, patience=0, filter_path=ANSWERED)
        except Unavailable:
            self.pace.fall(began, monotonic())
            raise
        except Refused as error:
            if error.status != TOO_LARGE:
                raise
            return halved(part, error)
        attempt = judged(part, answer)
        if attempt.busy or monotonic() - began > self._slow:
            self.pace.fall(began, monotonic())
        else:
            self.pace.rise()
        self._tell(attempt)
        if not attempt.moved:
            raise Unavailable(f"store {self._connection.name}: {attempt.busy}")
        return attempt

    def _tell(self, attempt: Attempt) -> None:
        """A line in the log when no document of a body is taken (a full disk blocks its index), and one at the end.

        Where one index is blocked and another is not, that would alternate: a pair of lines a minute is enough.
        """
        now = monotonic()
        if not attempt.moved and self._stuck is None and now >= self._quiet:
            self._stuck, self._quiet = now, now + QUIET
            log.warning("store %s takes no documents: %s; trying again", self._connection.name, attempt.busy)
        elif attempt.moved and (since := self._stuck) is not None:
            self._stuck = None
            log.warning("store %s takes documents again, after %.0f s", self._connection.name, now - since)


def judged(part: Part, answer: Any) -> Attempt:
    """What an answer says of each item."""
    if not answer["errors"]:
        return Attempt()
    outcomes: list[Outcome] = []
    again: list[int] = []
    busy = ""
    for item, told in enumerate(answer["items"]):
        status, kind, reason = said(told)
        if status < 300:
            continue
        if passes(status, kind) or status >= 500 or kind == CLOSED:
            again.append(item)
            busy = advised(kind, reason) or str(status)
        else:
            outcomes.append(Outcome(part.place(item), status, kind, reason))
    rest = [part.of(again)] if again else []
    return Attempt(outcomes, rest, moved=len(again) < len(answer["items"]), busy=busy)


def said(told: Mapping[str, Any]) -> tuple[int, str, str]:
    """Status, type and reason of an item (`{"create": {"status": 201}}`)."""
    (answer,) = told.values()
    kind, reason = cause(answer) if "error" in answer else ("", "")
    return int(answer["status"]), kind, reason


def halved(part: Part, error: Refused) -> Attempt:
    """Of a body that is too large for somebody on the way two halves; a document alone is refused."""
    count = len(part)
    if count == 1:
        return Attempt([Outcome(part.place(0), error.status, error.kind, error.reason)])
    return Attempt(rest=[part.of(range(count // 2)), part.of(range(count // 2, count))], moved=False)
