"""Messages that a process holds: what is left to do for each, who else may not get them, and how they end.

A message is deleted when every object that it names is in the ledger. One that cannot succeed is left to the queue,
which moves it to its dead-letter queue. A queue without one is spared it after some attempts, if the ledger has why.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from siem.aws import Message, Queue
from siem.config import Settings
from siem.errors import ConfigError, Forbidden, Unavailable
from siem.intake.notification import Named, Notice, notice
from siem.run.worker.signs import Signs

SHORTEST = 3
"""Seconds that messages are hidden at least, whatever the queue was made with."""

LONGEST_PAUSE = 900
"""Seconds until a message comes again that nobody takes out of the queue."""


@dataclass(eq=False)
class Letter:
    """A message that is held. left: objects that have yet to be taken in. troubles: why it cannot simply be deleted.

    known: the ledger has a row for everything that is wrong.
    """

    queue: Queue
    message: Message
    left: set[Named]
    troubles: list[str] = field(default_factory=list)
    known: bool = True

    @property
    def about(self) -> dict[str, Any]:
        """Which one, for the log."""
        return {"message": self.message.id, "queue": self.queue.url, "received": self.message.received}


@dataclass(frozen=True, eq=False)
class Errand:
    """An object that a letter names. problem: it is not to be read, and why."""

    letter: Letter
    named: Named
    problem: Forbidden | None = None


class Letters:
    """Safe to share between threads."""

    def __init__(self, settings: Settings, signs: Signs, log: Any) -> None:
        self._settings, self._signs, self._log = settings, signs, log
        self._lock = threading.Lock()
        self._held: dict[str, Letter] = {}
        self._weights: dict[str, int] = {}
        self._extended: dict[str, float] = {}

    @property
    def room(self) -> int:
        """Messages that may be received now: one that names many objects counts as many."""
        with self._lock:
            return max(0, self._settings.worker.messages - sum(self._weights.values()))

    def visibility(self, queue: Queue) -> int:
        """Seconds that messages of a queue are hidden at a time."""
        return self._settings.worker.visibility or max(queue.terms().visibility, SHORTEST)

    def opened(self, queue: Queue, message: Message) -> list[Errand]:
        """Hold a message; what there is to do for it. One that names nothing ends at once."""
        said = notice(message.body, self._settings.buckets)
        letter = Letter(queue, replace(message, body=""), set(said.objects))
        errands = [Errand(letter, named) for named in said.objects]
        for refusal in said.refused:
            letter.troubles.append(refusal.reason)
            if refusal.named is None:
                letter.known = False
            elif refusal.named not in letter.left:
                letter.left.add(refusal.named)
                errands.append(Errand(letter, refusal.named, Forbidden(f"{refusal.named}: {refusal.reason}")))
        self._tell(letter, said)
        if not self._is_first(letter):
            return []
        if not errands:
            self._end([letter])
        return errands

    def _tell(self, letter: Letter, said: Notice) -> None:
        self._signs.count("messages_received")
        for reason in said.ignored:
            self._log.info("ignored", reason=reason, **letter.about)
        for refusal in said.refused:
            self._log.warning("refused", reason=refusal.reason, named=str(refusal.named or ""), **letter.about)

    def _is_first(self, letter: Letter) -> bool:
        """False: it is held already, and was hidden for too short a time; the new receipt is the one that counts."""
        with self._lock:
            if (held := self._held.get(letter.message.id)) is not None:
                held.message = letter.message
                return False
            self._held[letter.message.id] = letter
            self._weights[letter.message.id] = max(1, len(letter.left))
            return True

    def settled(self, done: Iterable[tuple[Errand, str | None]]) -> None:
        """Errands are done; with a text: they came to nothing, and why. Letters that are through end."""
        through: list[Letter] = []
        for errand, trouble in done:
            letter = errand.letter
            letter.left.discard(errand.named)
            if trouble is not None and errand.problem is None:
                letter.troubles.append(trouble)
            if not letter.left:
                through.append(letter)
        self._end(through)

    def extend(self, now: float) -> None:
        """Hide what is held for a while longer, where a third of the time is over. now: monotonic seconds."""
        for queue, letters in self._by_queue(self._all()):
            if now - self._extended.get(queue.url, -inf) < self.visibility(queue) / 3:
                continue
            failed = queue.hide([letter.message for letter in letters], self.visibility(queue))
            self._extended[queue.url] = now
            if failed:
                self._log.info("not hidden any longer", messages=failed, queue=queue.url)

    def give_back(self, letters: Iterable[Letter] | None = None) -> None:
        """Let somebody else have these at once; None: all."""
        some = self._all() if letters is None else list(letters)
        self._forget(some)
        for queue, mine in self._by_queue(some):
            self._hide(queue, mine, 0)

    def _end(self, letters: Sequence[Letter]) -> None:
        """Delete letters, or leave them to their queue."""
        self._forget(letters)
        for queue, mine in self._by_queue(letters):
            over = [letter for letter in mine if self._is_over(letter)]
            self._delete(queue, over)
            pauses: dict[int, list[Letter]] = {}
            for letter in mine:
                if letter not in over:
                    pauses.setdefault(self._pause(letter), []).append(letter)
            for seconds, some in pauses.items():
                self._hide(queue, some, seconds)

    def is_last(self, letter: Letter) -> bool:
        """Nobody takes the message out of its queue, and it was tried often enough."""
        return letter.message.received >= self._settings.worker.attempts and letter.queue.terms().dead is None

    def _is_over(self, letter: Letter) -> bool:
        return not letter.troubles or (letter.known and self.is_last(letter))

    def _pause(self, letter: Letter) -> int:
        """Seconds until it comes again: more from time to time, as somebody may mend what is wrong."""
        longest = self.visibility(letter.queue) if letter.queue.terms().dead else LONGEST_PAUSE
        return int(min(2 ** min(letter.message.received, 10), longest))

    def _delete(self, queue: Queue, letters: Sequence[Letter]) -> None:
        try:
            failed = queue.delete([letter.message for letter in letters])
        except (Unavailable, ConfigError) as error:  # they come again, and their objects are known then
            self._log.warning("not deleted", error=str(error), messages=len(letters))
            return
        self._signs.count("messages_deleted", len(letters) - len(failed))
        for letter in letters:
            if letter.troubles:
                self._log.warning("given up", reasons=letter.troubles, **letter.about)
        if failed:
            self._log.warning("not deleted", messages=failed, queue=queue.url)

    def _hide(self, queue: Queue, letters: Sequence[Letter], seconds: int) -> None:
        with suppress(Unavailable, ConfigError):  # they come again a little later
            queue.hide([letter.message for letter in letters], seconds)
        self._signs.count("messages_returned", len(letters))
        for letter in letters:
            self._log.info("returned", reasons=letter.troubles, seconds=seconds, **letter.about)

    def _all(self) -> list[Letter]:
        with self._lock:
            return list(self._held.values())

    def _forget(self, letters: Iterable[Letter]) -> None:
        with self._lock:
            for letter in letters:
                self._held.pop(letter.message.id, None)
                self._weights.pop(letter.message.id, None)
            self._signs.level("messages_held", len(self._held))

    def _by_queue(self, letters: Iterable[Letter]) -> Iterator[tuple[Queue, list[Letter]]]:
        found: dict[Queue, list[Letter]] = {}
        for letter in letters:
            found.setdefault(letter.queue, []).append(letter)
        yield from found.items()
