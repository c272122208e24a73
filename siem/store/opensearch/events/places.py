"""Where events are written: the index of a time, and how ids of the source become `_id`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from siem.parsing.batch import Batch
from siem.store.opensearch.names import OTHER, Names
from siem.store.times import micros

DAY = len("2026-11-01")

REMEMBERED = 65_536
"""Times whose places are remembered: 20 MB at most."""


class Places(dict[str, tuple[bytes, str]]):
    """By an event's time: the index that it is written to, and what stands behind its id in `_id`.

    dated: ids are the source's own, and such an id at another time is another event.
    indices: every one that was named, and perhaps a neighbour.
    """

    def __init__(self, dataset: str, names: Names, dated: bool, now: datetime) -> None:
        super().__init__()
        self._dataset, self._names, self._now = dataset, names, now
        self.dated = dated
        self._days: dict[str, bytes | None] = {}
        self.indices: set[str] = set()

    def __missing__(self, text: str) -> tuple[bytes, str]:
        if len(self) >= REMEMBERED:
            self.clear()
        index = self.of_day(text[:DAY]) or self._index(datetime.fromisoformat(text))
        self[text] = place = index, f"@{microseconds(text)}" if self.dated else ""
        return place

    def of_day(self, day: str) -> bytes | None:
        """The index of a whole day (`2026-11-01`); None where it has several: reach ends in the middle of a day."""
        if day not in self._days:
            self._days[day] = self._asked(datetime.fromisoformat(f"{day}T00:00:00Z"))
        return self._days[day]

    def _asked(self, start: datetime) -> bytes | None:
        first, last = self._index(start), self._index(start.replace(hour=23, minute=59, second=59, microsecond=999_999))
        return first if first == last else None

    def _index(self, time: datetime) -> bytes:
        index = self._names.of(self._dataset, time, self._now)
        self.indices.add(index)
        return index.encode()

    def counts(self, batch: Batch) -> Counter[str]:
        """How many of the events are written to which index."""
        if not len(batch):
            return Counter()
        (first, _), (last, _) = map(self.__getitem__, batch.ends())
        if first == last and not first.endswith(OTHER.encode()):  # that one has what is too early and what is too late
            return Counter({first.decode(): len(batch)})
        return Counter([self[time][0].decode() for time in batch.documents().column("@timestamp")])


def microseconds(text: str) -> int:
    """Since 1970, of a time as documents have it."""
    return micros(datetime.fromisoformat(text))
