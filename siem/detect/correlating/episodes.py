"""From firings to episodes and their evidence."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from siem.detect.correlating.parts import Parts, changed
from siem.sigma.correlation import Correlation, Kind

LONGEST = timedelta(hours=24)
"""An episode is cut here, so that one that never ends is told of each day."""

EVIDENCE = 1_000
"""Event ids that an episode lists."""

TIME = pa.timestamp("us", tz="UTC")
EPISODES = pa.schema(
    {
        "id": pa.string(),
        "group": pa.string(),
        "first": TIME,
        "last": TIME,
        "count": pa.int64(),
        "events": pa.list_(pa.string()),
        "times": pa.list_(TIME),
    }
)
FIRINGS = pa.schema({"group": pa.string(), "time": TIME, "event": pa.string()})


@dataclass(frozen=True, eq=False)
class Found:
    """What a correlation found, in order of group and time.

    episodes: id group (string) first last (timestamp[us, UTC]) count(int64) events(list<string>)
    times(list<timestamp>). first: time of the first event; last: of the last firing; count: different events;
    events, times: their ids and times, as many as were asked for, in order; an id that comes again at its first time.
    firings: group time event; event is the id of the firing's episode. They are parts for an outer correlation.
    """

    episodes: pa.Table
    firings: pa.Table


def found(correlation: Correlation, parts: Parts, fires: np.ndarray, evidence: int) -> Found:
    """Episodes and firings of the parts; fires: at whose times the correlation fires; evidence: events to list."""
    firing = np.flatnonzero(fires)
    firing = firing[changed(parts.axis[firing])]
    if not len(firing):
        return Found(EPISODES.empty_table(), FIRINGS.empty_table())
    begins = _begins(parts, firing)
    episode = np.cumsum(begins) - 1
    heads, tails = firing[begins], firing[np.append(np.flatnonzero(begins)[1:], len(firing)) - 1]
    low, high = _evidence(correlation, parts, heads, tails)
    counts, events, times = _events(parts, low, high, evidence)
    group = parts.names.take(pa.array(parts.group[heads]))
    ids = _ids(correlation.key, group, parts.time[low], pc.list_element(events, 0))
    columns = [ids, group, _times(parts, low), _times(parts, tails), pa.array(counts), events, times]
    places = pa.array(episode)
    return Found(
        pa.table(columns, schema=EPISODES),
        pa.table([group.take(places), _times(parts, firing), ids.take(places)], schema=FIRINGS),
    )


def _begins(parts: Parts, firing: np.ndarray) -> np.ndarray:
    """Which firings begin an episode: those whose window touches none before, or that a cut after 24 hours makes so."""
    begins: np.ndarray = np.diff(parts.axis[firing], prepend=parts.axis[firing[0]] - parts.span - 1) > parts.span
    time = parts.time[firing]
    heads = np.flatnonzero(begins)
    tails = np.append(heads[1:], len(firing))
    day = LONGEST // timedelta.resolution
    long = time[tails - 1] - time[heads] > day
    for head, tail in zip(heads[long].tolist(), tails[long].tolist(), strict=True):
        while time[tail - 1] - time[head] > day:
            head += int(np.searchsorted(time[head:tail], time[head] + day, "right"))
            begins[head] = True
    return begins


def _evidence(
    correlation: Correlation, parts: Parts, heads: np.ndarray, tails: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the parts of each episode begin and end. A part belongs to the first that has it."""
    high = parts.stop[tails]
    low = np.maximum(parts.start[heads], np.concatenate(([0], high[:-1])))
    if correlation.kind is not Kind.TEMPORAL_ORDERED:
        return low, high
    opening = [slot for slot, rule in enumerate(correlation.rules) if rule == correlation.rules[0]]
    openers = np.append(np.flatnonzero(np.isin(parts.values("slot"), opening)), len(parts))
    opener = openers[np.searchsorted(openers, low)]
    inside = opener < parts.stop[heads]  # behind a cut the opener of the first firing may be another episode's
    low[inside] = np.searchsorted(parts.axis, parts.axis[opener[inside]], "left")
    return low, high


def _events(parts: Parts, low: np.ndarray, high: np.ndarray, evidence: int) -> tuple[np.ndarray, pa.Array, pa.Array]:
    """How many different events each episode has, and the ids and times of the first of them."""
    sizes = high - low
    episode = np.repeat(np.arange(len(low)), sizes)
    place = np.arange(len(episode)) + np.repeat(low - (np.cumsum(sizes) - sizes), sizes)
    code, different = parts.codes("event", place)
    if different < len(place):
        once = np.sort(np.unique(episode * different + code, return_index=True)[1])
        episode, place = episode[once], place[once]
    counts = np.bincount(episode, minlength=len(low))
    ends = np.cumsum(counts)
    nth = np.arange(len(place)) - (ends - counts)[episode]
    place = _ordered(parts, place, nth, evidence)[nth < evidence]
    offsets = pa.array(np.concatenate(([0], np.cumsum(np.minimum(counts, evidence)))).astype(np.int32))
    listed = [pa.ListArray.from_arrays(offsets, of) for of in (parts.texts("event", place), _times(parts, place))]
    return counts, *listed


def _ordered(parts: Parts, place: np.ndarray, nth: np.ndarray, evidence: int) -> np.ndarray:
    """By id where times are equal; only as far as evidence goes, since text is what is slow to sort."""
    axis = parts.axis[place]
    first = changed(axis)
    tied = np.flatnonzero(~first | np.append(~first[1:], False))
    tied = tied[nth[np.maximum.accumulate(np.where(first, np.arange(len(place)), 0))[tied]] < evidence]
    if not len(tied):
        return place
    rank = pc.rank(parts.texts("event", place[tied]), tiebreaker="min").to_numpy()
    ordered = place.copy()
    ordered[tied] = place[tied][np.lexsort((rank, axis[tied]))]
    return ordered


def _times(parts: Parts, places: np.ndarray) -> pa.Array:
    return pa.array(parts.time[places]).cast(TIME)


def _ids(key: str, group: pa.Array, first: np.ndarray, event: pa.Array) -> pa.Array:
    """Hashes of what makes an episode that one: its correlation, group, and first event."""
    rows = zip(group.to_pylist(), first.tolist(), event.to_pylist(), strict=True)
    return pa.array([hashlib.sha256(json.dumps([key, *row]).encode()).hexdigest()[:24] for row in rows], pa.string())
