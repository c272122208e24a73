"""The leaf list of a JSON record, as `schema.additions` gives it, at two fifths of the time.

It is made of the event's line, which is cut into stretches; the leaves of those that repeat from record to record are
remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

import msgspec
import orjson

from siem.schema import BY_NAME, LEAVES, DatasetFields, Kind, additions, decoded
from siem.schema.leaves import LONGEST, MOST, item, leaves

Add: TypeAlias = Callable[[str], None]
Held: TypeAlias = Sequence[str | None]

Kept: TypeAlias = dict[bytes, tuple[bytes, Callable[[Held], Any] | None, Any]]
"""Leaves by the text of a stretch. They are these as long as what is picked from the row of `Held` is the same."""

Cut: TypeAlias = tuple[Callable[[bytes, bytes, int], int], bytes, Kept | None]
"""How the end of a stretch is found, by which text, and what is remembered of such stretches."""

REMEMBERED, REMEMBERED_BYTES = 2048, 4096
"""Stretches that are remembered for each place in a record, and the longest: 16 MiB at most with their leaves."""

SMALL, LARGE = 5_000, 16 << 10
"""Bytes of an event. A small one has no long text, and not too many leaves: of n bytes they are n * n / 8 at most.
Those of a large one are counted before they are written: they could be a thousand times as long."""

LISTED = f',"{LEAVES}":['.encode()
NOTHING = None, None, None
NUMBERS = frozenset((Kind.LONG, Kind.DOUBLE))


class RecordLeaves:
    """Of a dataset whose records are JSON below its name. names: fields that hold a text under a native name."""

    def __init__(self, fields: DatasetFields) -> None:
        native = {path: name for path, name in fields.native.items() if BY_NAME[name].kind not in NUMBERS}
        self.names = list(native.values())
        self._fields = fields
        self._begin = f',"{fields.dataset}":{{'.encode()
        self._native = [path.rpartition(".")[::2] for path in native]
        self._deep = any("." in parent for parent, _ in self._native)  # what could be written in many ways
        self._dotted = [path for path in native if "." in path]
        self._first = frozenset(native) | {path.partition(".")[0] for path in native}
        self._quoted = [f'"{key}":'.encode() for _, key in self._native]
        marks = [f',"{key}":'.encode() for key in fields.stretches][1:]
        *kept, self._last = [Kept() if repeat else None for repeat in fields.stretches.values() or [False]]
        search = [*[bytes.find] * (len(marks) - 1), bytes.rfind]  # the last is nearer to the end
        self._cuts: list[Cut] = list(zip(search, marks, kept, strict=False))

    def ending(self, line: bytes, held: Held) -> bytes:
        """The end of a document and of its line, from what stands behind `siem.seq`.

        line: the event's, which ends with the record. held: what the fields hold, as `names` has them.
        """
        if len(line) > LARGE:
            return ended(additions(decoded(line), self._fields))
        begin = self._begin
        start = line.find(b"{", 1) + 1  # 0.4 µs; to look for all of it takes 0.95
        if line[start - len(begin) : start] != begin:
            start = line.find(begin) + len(begin)  # a string of the event's fields has no such quotation marks
        try:
            listed = self._listed(line, start, held) if start >= len(begin) else None
        except msgspec.DecodeError:  # the record is not the last, or was cut inside of an inner object
            listed = None
        if listed is None or (len(line) > SMALL and may_be_long(line[:start], listed)):
            return ended(additions(decoded(line), self._fields))
        return b"%b%b]}\n" % (LISTED, listed) if listed else b"}\n"

    def _listed(self, line: bytes, start: int, held: Held) -> bytes:
        """Items as JSON, joined by commas. start: of the record's first member."""
        texts: list[bytes] = []
        for search, mark, kept in self._cuts:
            end = search(line, mark, start)
            if end > 0:
                texts.append(self._stretch(line[start:end], held, kept))
                start = end + 1
        texts.append(self._stretch(line[start:-2], held, self._last))
        return b",".join(texts) if all(texts) else b",".join(filter(None, texts))

    def _stretch(self, text: bytes, held: Held, kept: Kept | None) -> bytes:
        """The items of some members of a record, remembered or made."""
        if kept is None:
            return orjson.dumps(self.items(text, held))[1:-1]
        found, picked, values = kept.get(text, NOTHING)
        if found is None or (picked is not None and picked(held) != values):
            found = orjson.dumps(self.items(text, held))[1:-1]
            if len(text) <= REMEMBERED_BYTES:
                if len(kept) >= REMEMBERED:
                    kept.clear()
                places = [at for at, key in enumerate(self._quoted) if key in text or b"\\" in text]
                picked = itemgetter(*places) if places else None
                kept[text] = found, picked, picked and picked(held)
        return found

    def items(self, text: bytes, held: Held) -> list[str]:
        """`path=value` for every leaf of members (`"a":1,"b":{…}`) that no field holds.

        Raises:
            msgspec.DecodeError: it is something else.
        """
        record = decoded(b"{%b}" % text)
        if not self._first.isdisjoint(record) and not self._parted(record, held):
            return self._exactly(decoded(b"{%b}" % text), held)
        found: list[str] = []
        gather(record, "", found.append)
        return found

    def _parted(self, record: dict[str, Any], held: Held) -> bool:
        """Take from a record what fields hold; False where that asks for more care, then it is spoilt."""
        if self._deep or any(map(record.__contains__, self._dotted)):
            return False
        for (parent, key), value in zip(self._native, held, strict=True):
            inner = record.get(parent) if parent else record
            if type(inner) is dict:
                if inner.pop(key, value) != value:  # other text, or a list in which it may stand
                    return False
            elif inner is not None:
                return False
        return True

    def _exactly(self, record: dict[str, Any], held: Held) -> list[str]:
        document = dict(zip(self.names, held, strict=True)) | {self._fields.dataset: record}
        return [item(path, text) for path, text in leaves(document, self._fields)]


def ended(added: Mapping[str, Sequence[str]]) -> bytes:
    """Members of a document behind others, its end and the line's."""
    return b"%b\n" % (b"," + orjson.dumps(added)[1:] if added else b"}")


def may_be_long(event: bytes, listed: bytes) -> bool:
    """A text of the event, an item, or all may be too long for the index; bytes are no fewer than UTF-16 units."""
    if len(listed) > MOST:
        return True
    texts = event.replace(b'\\"', b"  ").split(b'"')
    return max(map(len, [*texts, *listed.split(b'","')])) > LONGEST // 2


def gather(value: dict[str, Any], before: str, add: Add) -> None:
    """The leaves of an object; `before` is its path, ended by a dot. The most frequent kinds are asked first."""
    for key, inner in value.items():
        kind = type(inner)
        if kind is str:
            add(f"{before}{key}={inner}")
        elif kind is dict:
            gather(inner, f"{before}{key}.", add)
        elif kind is list:
            gather_items(inner, f"{before}{key}", add)
        elif kind is bool:
            add(f"{before}{key}=true" if inner else f"{before}{key}=false")
        elif inner is not None:  # numbers: as they were written, or an integer
            add(f"{before}{key}={inner}")


def gather_items(values: list[Any], path: str, add: Add) -> None:
    """The leaves of a list at `path`."""
    before = f"{path}."
    for inner in values:
        kind = type(inner)
        if kind is dict:
            for key, text in inner.items():
                if type(text) is str:  # no call for each of a request's headers: 3 % of the time of WAF's bulk lines
                    add(f"{before}{key}={text}")
                elif text is not None:
                    gather({key: text}, before, add)
        elif kind is list:
            gather_items(inner, path, add)
        elif kind is bool:
            add(f"{path}=true" if inner else f"{path}=false")
        elif inner is not None:
            add(f"{path}={inner}")
