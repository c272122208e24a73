"""Dead letters: messages that a queue gave up, what they are about, and the way back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from siem.aws import Message, Queue
from siem.config import Settings
from siem.errors import ConfigError
from siem.intake.notification import Named, notice
from siem.schema import SourceObject
from siem.store.contract import LedgerRow, Store

HIDDEN = 60
"""Seconds that a dead letter is hidden while it is looked at."""

EMPTY = 2
"""Answers without a message after which a queue is empty: SQS does not look everywhere each time."""


@dataclass(frozen=True)
class DeadLetter:
    """A message among the dead letters. reasons: what is wrong with it, and what the ledger says of its objects."""

    id: str
    sent: datetime
    received: int
    objects: Sequence[str]
    reasons: Sequence[str]
    body: str


def dead_letters_of(url: str) -> Queue:
    """The dead-letter queue of a queue.

    Raises:
        ConfigError: it has none, does not exist, or is not for us.
    """
    found = Queue(url).dead_letters()
    if found is None:
        raise ConfigError(f"queue {url} has no dead-letter queue; give it a redrive policy")
    return found


def listed(dead: Queue, settings: Settings, store: Store | None) -> Iterator[DeadLetter]:
    """Every dead letter. They are hidden from others meanwhile, and free again afterwards."""
    seen: list[Message] = []
    try:
        for message in _all(dead):
            seen.append(message)
            yield _described(message, settings, store)
    finally:
        dead.hide(seen, 0)


def redriven(dead: Queue, to: Queue, ids: Sequence[str] = (), dry_run: bool = False) -> list[str]:
    """Send dead letters (all, or those of these ids) to the queue, and only then delete them here; their ids. Stopped
    on the way, one may be in both: its objects are known then."""
    moved: list[str] = []
    left: list[Message] = []
    try:
        for message in _all(dead):
            if (ids and message.id not in ids) or dry_run:
                left.append(message)
            else:
                to.send(message)
                dead.delete([message])
            if not ids or message.id in ids:
                moved.append(message.id)
    finally:
        dead.hide(left, 0)
    return moved


def _all(queue: Queue) -> Iterator[Message]:
    """Every message of a queue, each once, hidden."""
    seen: set[str] = set()
    empty = 0
    while empty < EMPTY:
        messages = [message for message in queue.receive(10, wait=1, visibility=HIDDEN) if message.id not in seen]
        empty = 0 if messages else empty + 1
        for message in messages:
            seen.add(message.id)
            yield message


def _described(message: Message, settings: Settings, store: Store | None) -> DeadLetter:
    said = notice(message.body, settings.buckets)
    named = [*said.objects, *(refusal.named for refusal in said.refused if refusal.named)]
    rows = store.ledger([_id(one) for one in named]) if store is not None and named else {}
    known = [reason for one in said.objects if (reason := _reason(rows, one))]
    return DeadLetter(
        message.id,
        message.sent,
        message.received,
        [str(one) for one in named],
        [*(refusal.reason for refusal in said.refused), *known],
        message.body,
    )


def _id(named: Named) -> str:
    return SourceObject(named.bucket, named.key).id


def _reason(rows: Mapping[str, LedgerRow], named: Named) -> str | None:
    row = rows.get(_id(named))
    return f"{row.state.value}: {row.reason or 'no reason'}" if row is not None and row.reason else None
