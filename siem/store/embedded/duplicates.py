"""Which events of a commit are stored already, or stand in it twice. First in order wins.

Two events are the same where id and time are: an answer that does not depend on which events happen to share a write,
and that no record with a borrowed id can use to make another one disappear. Only datasets whose records carry ids can
repeat in that way; of others only whole objects with the very same bytes, whose ids, made of their hash, are equal.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

KEYS = ["event.id", "@timestamp", "siem.object"]


def again(keys: pa.Table, by_time: bool) -> np.ndarray:
    """True where an earlier row of `keys` has the same id, and the same time if so asked."""
    found = np.zeros(len(keys), bool)
    ids = keys["event.id"].combine_chunks()
    if pc.count_distinct(ids).as_py() == len(ids):
        return found
    codes = ids.dictionary_encode().indices.to_numpy()
    times = keys["@timestamp"].cast(pa.int64()).to_numpy() if by_time else np.zeros(len(keys), np.int64)
    order = np.lexsort((times, codes))  # stable: rows of equal keys stay in their order
    same = (codes[order][1:] == codes[order][:-1]) & (times[order][1:] == times[order][:-1])
    found[order[1:][same]] = True
    return found


def owned(keys: pa.Table, objects: list[str]) -> np.ndarray:
    """True where the event is of one of the objects."""
    mask: np.ndarray = pc.is_in(keys["siem.object"], value_set=pa.array(objects, pa.string())).to_numpy()
    return mask


def per_object(keys: pa.Table, mask: np.ndarray) -> dict[str, int]:
    """How many rows of the mask each object has."""
    counts = pc.value_counts(keys["siem.object"].filter(pa.array(mask)))
    return {count["values"]: count["counts"] for count in counts.to_pylist()}
