"""Records whose beginning repeats: what stands before the varied part is looked at once for all records that have it.

A first value of its own (`{"timestamp":1793491200000`), a head that 85 of 100 records share with others
(`,"formatVersion":1,…,"responseCodeSent":null`), and a tail (`,"httpRequest":{…},…}`). First value and tail make a
record by themselves, half as long: the rest. Both ways give the same bytes (property test).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from siem.parsing.guards import Unacceptable
from siem.parsing.json_checks import Checks, is_utf8
from siem.parsing.json_keys import Columns, Keys
from siem.parsing.json_table import Execution, root

HEAD_BYTES, HEADS = 8192, 2048
"""Longer heads are not remembered, and no more than so many: 16 MiB at most."""

OFTEN, LATELY = 4, 4096
"""A head that is not known is looked at when it came so often among so many such: that takes as long as ten records,
and most heads that vary never come again."""

Head = tuple[Any, ...]
"""What the table makes of a head, and what of it goes into other fields: see `Heads.names`."""

NONE_YET: tuple[bytes, int, Head] = b"\n", 0, ()
"""No text begins so."""

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Heads(dict[bytes, Head | None]):
    """Heads that were met; None: not what a head should be.

    varied: the key behind which records vary. whole, rest: keys of records, and of what a head leaves of them.
    """

    def __init__(self, varied: str, whole: Keys, rest: Keys, execution: Execution, depth: int) -> None:
        self._mark = b',"' + varied.encode() + b'":'
        self._rest, self._learned = rest, rest.learned
        self._checks_whole, self._checks_rest = Checks(whole, depth), Checks(rest, depth)
        of_heads = whole.names - rest.names
        self._early, self._late = execution.divided(of_heads)
        self._attributes = self._early.attributes
        self._names = [*self._attributes, *[name for name in self._late.sources() if root(name) not in rest.names]]
        self._met, self._unknown = Counter[int](), 0
        self._last = NONE_YET

    def cut(self, texts: Sequence[bytes]) -> tuple[list[int], list[Head], list[bytes]]:
        """Of the texts that have a known head: their places, heads, and rests."""
        if self._learned != self._rest.learned:  # what may now stand behind a head, may stand in one
            self.clear()
            self._learned, self._last = self._rest.learned, NONE_YET
        mark, places, heads, rests = self._mark, [], [], []
        begins, size, head = self._last
        for place, text in enumerate(texts):
            comma = text.find(b",")
            if text.startswith(begins, comma):  # the head of the record before: half the time of looking for it
                end = comma + size
            else:
                end = text.find(mark)
                if not 0 < comma < end or (found := self[text[comma:end]]) is None:
                    continue
                head, size, begins = found, end - comma, text[comma:end] + mark
            places.append(place)
            heads.append(head)
            rests.append(text[:comma] + text[end:])
        self._last = begins, size, head
        return places, heads, rests

    def fields(self, heads: Sequence[Head], rests: Sequence[bytes]) -> dict[str, Iterable[Any]]:
        """Attributes of events, a value for each record.

        Raises:
            Unacceptable: a record is not sound, or only care can tell.
        """
        columns = self._checks_rest.columns(rests, b"".join(rests))
        early = dict(zip(self._names, zip(*heads, strict=True), strict=True))
        made: dict[str, Iterable[Any]] = {name: early.pop(name) for name in self._attributes}
        return made | self._late.fields(columns | early)

    def __missing__(self, head: bytes) -> Head | None:
        if len(head) > HEAD_BYTES:
            return None
        if self._unknown >= LATELY:
            self._met.clear()
            self._unknown = 0
        self._unknown += 1
        self._met[hash(head)] += 1
        if self._met[hash(head)] < OFTEN:
            return None
        if len(self) >= HEADS:
            self.clear()
        self[head] = found = self._looked_at(head)
        return found

    def _looked_at(self, head: bytes) -> Head | None:
        """What a head tells, if it is sound: keys with their values, none of which may stand behind it."""
        text = b"{" + head[1:] + b"}"
        try:
            columns: Columns = self._checks_whole.columns([text], text) if is_utf8(text) else {}
        except Unacceptable:
            return None
        if not columns or not self._rest.names.isdisjoint(_parts.decode(text)):
            return None
        early = self._early.fields(columns)
        return tuple(next(iter(early[name] if name in early else columns[name])) for name in self._names)
