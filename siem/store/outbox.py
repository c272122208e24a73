"""What a store keeps for notifications: which alerts changed, and what people are to hear. Part of the contract.

News say that there is something to look at; a notice is a message to one channel, which grows with what it is about.
News go together with what was made of them, so whoever is killed loses nothing, and may say something twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class News:
    """An alert was made, changed, merged or removed. number: later news have higher ones; an alert has one."""

    alert: str
    number: int


@dataclass(frozen=True)
class Notice:
    """A message to a channel, which is edited where the channel can, and sent anew where it cannot.

    key: of what it is about; the same again is the same message. kind: which sort of message. body: JSON.
    created: when it was first posted. due: when it is to be sent, None: nobody tries (any more).
    attempts, error: since it was last posted; error: why the last one failed. sent: when it was taken.
    ref: what the channel calls it. revision: how often it was posted, 0 of one that is not in the store.
    """

    key: str
    channel: str
    kind: str
    body: Mapping[str, Any]
    created: datetime
    due: datetime | None
    attempts: int = 0
    error: str = ""
    sent: datetime | None = None
    ref: str = ""
    revision: int = 0


@dataclass(frozen=True)
class Outcome:
    """What an attempt to send a notice came to. revision: which one was sent.

    sent: when it was taken; None: it was not. Then error says why, and due when to try again (None: never).
    ref: what the channel calls the message, if it says so.
    """

    key: str
    revision: int
    sent: datetime | None = None
    ref: str = ""
    error: str = ""
    due: datetime | None = None


class Outbox(Protocol):
    """See `siem.store.contract.Store`, which is one. Every call may raise `Unavailable`."""

    def news(self, most: int) -> list[News]:
        """The oldest news that nobody has posted notices of. Every change of an alert leaves some, in its commit; a
        commit that was interrupted and is made again may leave some of alerts that did not change."""
        ...

    def post(self, notices: Sequence[Notice], news: Sequence[News]) -> bool:
        """Put notices, and clear the news that they were made of, where no newer ones came; in one commit, or at least
        the notices first. One of a known key takes the place of the other: it is unsent, without attempts, and keeps
        `created` and `ref`.

        False: one of them is not any more as it was seen (`revision`), and the news stay.
        """
        ...

    def notices(self, keys: Collection[str]) -> dict[str, Notice]:
        """Those of these keys that there are."""
        ...

    def latest(self, channel: str, kind: str) -> Notice | None:
        """Of a kind in a channel the one that was created last."""
        ...

    def recent(self, channel: str, since: datetime) -> int:
        """How many notices of a channel were created since then."""
        ...

    def due(self, channel: str, now: datetime, most: int) -> list[Notice]:
        """Those that are to be sent by now and are not, the longest due first."""
        ...

    def tried(self, outcome: Outcome) -> None:
        """Note an attempt. Of a notice that was posted again meanwhile only `ref` is kept: it has to be sent again."""
        ...

    def outbox(self, most: int, unsent: bool = False) -> list[Notice]:
        """The notices that were created last, newest first. unsent: those that are to be sent yet, or that failed."""
        ...
