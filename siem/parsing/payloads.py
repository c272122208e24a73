"""Open payloads cut out of JSON records: each in a column of its own, and null in its place in the record.

Where a payload stands is known by its address, since msgspec hands out views of the record's own bytes; what is cut at
those places is then gathered by Arrow for all records at once (3 µs a record; searching each for its keys took 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

Places: TypeAlias = npt.NDArray[np.int64]

Views: TypeAlias = dict[str, list[msgspec.Raw | None]]
"""By key of a payload, for each record a view of its value within the record."""


def cut_out(records: Sequence[msgspec.Raw], payloads: Views) -> tuple[dict[str, pa.StringArray], pa.StringArray]:
    """Columns of the payloads that some record has (null and absent are the same), and the records without them."""
    text = b"".join(records)
    ends = np.cumsum([len(record) for record in records])
    starts = np.concatenate(([0], ends[:-1]))
    moved = starts - addresses(records)
    found = {key: _spans(text, values, moved, ends) for key, values in payloads.items()}
    found = {key: span for key, span in found.items() if span[1].any()}
    begins, lengths = (np.stack([span[part] for span in found.values()], 1) if found else None for part in (0, 1))
    if begins is None or lengths is None:
        return {}, _pieces(text, starts, ends)
    return _columns(text, starts, ends, list(found), begins, lengths)


def views(records: Sequence[msgspec.Raw], keys: Sequence[str]) -> Views:
    """The payloads of these keys, which stand at the top of the records, each at most once."""
    attributes = {f"key{number}": key for number, key in enumerate(keys)}
    kind = msgspec.defstruct(
        "Payloads", [(name, msgspec.Raw, None) for name in attributes], rename=attributes, gc=False
    )
    rows = map(astuple, map(msgspec.json.Decoder(kind).decode, records))
    return dict(zip(keys, map(list, zip(*rows, strict=True)), strict=True))


def addresses(values: Iterable[msgspec.Raw | None]) -> Places:
    return np.array([0 if value is None else pa.py_buffer(value).address for value in values], np.int64)


def _spans(text: bytes, values: Sequence[msgspec.Raw | None], moved: Places, ends: Places) -> tuple[Places, Places]:
    """Where in `text` each value begins, and its length; none of no length, at the end of its record."""
    lengths = np.array([0 if value is None else len(value) for value in values], np.int64)
    begins = np.where(lengths > 0, addresses(values) + moved, ends)
    if np.any(begins + lengths > ends) or np.any(begins < 0):
        raise AssertionError("a payload is no view of its record")
    octets = np.frombuffer(text + b" ", np.uint8)
    nothing = octets[begins] == ord("n")  # no other value begins so
    return np.where(nothing, ends, begins), np.where(nothing, 0, lengths)


def _columns(
    text: bytes, starts: Places, ends: Places, keys: Sequence[str], begins: Places, lengths: Places
) -> tuple[dict[str, pa.StringArray], pa.StringArray]:
    """begins, lengths: a row for each record, a column for each key."""
    order = np.argsort(begins, axis=1, kind="stable")
    first, size = np.take_along_axis(begins, order, 1), np.take_along_axis(lengths, order, 1)
    edges = np.empty((len(starts), 2 * len(keys) + 1), np.int64)  # record, payload, record, … , payload, record
    edges[:, 0], edges[:, 1::2], edges[:, 2::2] = starts, first, first + size
    pieces = _pieces(text, edges.ravel(), ends)
    rows = np.arange(len(starts)) * edges.shape[1]
    rank = np.argsort(order, axis=1)
    columns = {
        key: pieces.take(pa.array(rows + 2 * rank[:, at] + 1, mask=lengths[:, at] == 0)) for at, key in enumerate(keys)
    }
    rest = [pieces.take(pa.array(rows))]
    for at in range(len(keys)):
        rest += [NULL_OR_NOT.take(pa.array(size[:, at] > 0, pa.int8())), pieces.take(pa.array(rows + 2 * at + 2))]
    return columns, pc.binary_join_element_wise(*rest, "")


NULL_OR_NOT = pa.array(["", "null"])


def _pieces(text: bytes, edges: Places, ends: Places) -> pa.StringArray:
    """`text` cut at `edges`; text that passed the guards is UTF-8."""
    offsets = np.append(edges, ends[-1:]).astype(np.int32)
    return pa.StringArray.from_buffers(len(edges), pa.py_buffer(offsets), pa.py_buffer(text))
