"""A queue in memory that behaves as SQS does: messages are hidden, come again, and go when they came too often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from siem.aws import Message
from siem.aws.sqs import Terms


@dataclass
class Kept:
    """A message, and until when it is hidden (by the queue's clock)."""

    message: Message
    until: float = 0.0


class FakeQueue:
    """See `siem.aws.Queue`. tries: times that a message is received before it goes to `dead`; None: for ever.

    clock: monotonic seconds. A receipt is good until its message is received again, as SQS has it.
    """

    def __init__(
        self,
        url: str = "fake",
        visibility: int = 30,
        tries: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url, self._tries, self._clock = url, tries, clock
        self.dead = FakeQueue(f"{url}-dead", visibility, clock=clock) if tries is not None else None
        self._terms = Terms(visibility, self.dead.url if self.dead else None)
        self._lock = threading.Lock()
        self._kept: dict[str, Kept] = {}
        self._count = 0

    def put(self, body: str) -> str:
        """A new message; its id."""
        with self._lock:
            self._count += 1
            message = Message(f"{self.url}-{self._count}", "", body, 0, datetime.now(UTC))
            self._kept[message.id] = Kept(message)
            return message.id

    @property
    def depth(self) -> int:
        """Messages in the queue, hidden ones too."""
        return len(self._kept)

    def receive(self, most: int, wait: int = 0, visibility: int | None = None) -> list[Message]:
        until = self._clock() + min(wait, 0.1)
        while not (found := self._taken(most, visibility or self._terms.visibility)) and self._clock() < until:
            time.sleep(0.01)
        return found

    def _taken(self, most: int, visibility: int) -> list[Message]:
        found: list[Message] = []
        with self._lock:
            for id_, kept in list(self._kept.items()):
                if kept.until > self._clock() or len(found) == min(most, 10):
                    continue
                times = kept.message.received + 1
                if self.dead is not None and self._tries is not None and times > self._tries:
                    del self._kept[id_]
                    self.dead.put(kept.message.body)
                    continue
                kept.message = replace(kept.message, received=times, receipt=f"{id_}-{times}")
                kept.until = self._clock() + visibility
                found.append(kept.message)
        return found

    def delete(self, messages: Sequence[Message]) -> list[str]:
        """With a receipt that is stale nothing happens, and nobody is told."""
        with self._lock:
            for message in messages:
                if self._is_fresh(message):
                    del self._kept[message.id]
        return []

    def hide(self, messages: Sequence[Message], seconds: int) -> list[str]:
        with self._lock:
            for message in messages:
                if self._is_fresh(message):
                    self._kept[message.id].until = self._clock() + seconds
            return [message.id for message in messages if not self._is_fresh(message)]

    def _is_fresh(self, message: Message) -> bool:
        kept = self._kept.get(message.id)
        return kept is not None and kept.message.receipt == message.receipt

    def send(self, message: Message) -> None:
        self.put(message.body)

    def terms(self) -> Terms:
        return self._terms

    def dead_letters(self) -> FakeQueue | None:
        return self.dead
