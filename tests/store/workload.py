"""Work for processes that are killed or compete: deterministic, and safe to begin again from the start."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from stores import connected, emptied, prepared, shipped_fields

from siem.parsing.batch import Parsed
from siem.store.contract import Alert, Judged, Signal, State, Store
from siem.store.embedded import EmbeddedStore, writing
from siem.store.embedded.compaction import FEWEST
from siem.store.handling import Action, Disposition, Verb
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.events import spool
from siem.store.opensearch.names import Names
from siem.store.outbox import Notice
from siem.testing.deliveries import (
    FLOW,
    NOW,
    START,
    TRAIL,
    delivery,
    flows,
    found,
    put,
    reject,
    trail,
    waiting,
)

MIDNIGHT = START + timedelta(hours=14)


class Place(Protocol):
    """Where a store is; can be sent to another process."""

    def opened(self, die_at: int = 0) -> Store:
        """A store that is killed at its `die_at`-th step."""
        ...

    def at(self, name: str) -> Place:
        """Another store beside it."""
        ...

    def empty(self) -> None:
        """Nothing is stored any more."""
        ...


@dataclass(frozen=True)
class Folder:
    """An embedded store. Events are written aside a hundred at a time."""

    path: Path

    def opened(self, die_at: int = 0) -> Store:
        writing.GATHERED_ROWS = 100
        return EmbeddedStore(self.path, step=dying(die_at))

    def at(self, name: str) -> Folder:
        return Folder(self.path / name)

    def empty(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class Cluster:
    """A store on OpenSearch. Bodies are small, so that there are several."""

    url: str
    prefix: str
    lease: float = 0.5

    def opened(self, die_at: int = 0) -> Store:
        spool.BODY = 20_000
        names, fields = Names(self.prefix), shipped_fields()
        prepared(self.url, names, fields)
        return OpenSearchStore(connected(self.url), names, fields, lease=self.lease, step=dying(die_at))

    def at(self, name: str) -> Cluster:
        return Cluster(self.url, f"{self.prefix}{name.replace(' ', '')}-", self.lease)

    def empty(self) -> None:
        emptied(self.url, Names(self.prefix))


def dying(die_at: int) -> Callable[[str], None]:
    steps = 0

    def step(name: str) -> None:
        nonlocal steps
        steps += 1
        if steps == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return step


def work(place: Place, die_at: int = 0) -> None:
    """All of it, commit by commit."""
    store = place.opened(die_at)
    for _ in commits(store):
        pass
    store.close()


def commits(store: Store) -> Iterator[None]:
    """Small objects; a big one with duplicates and one with the bytes of another; a replay; a detection pass; an alert
    is closed; notices of both."""
    a, b, big, same = delivery("a"), delivery("b", "bytes"), delivery("big"), delivery("same", "bytes")
    put(
        store,
        (a, Parsed(TRAIL, trail(a, "e0", "e1", "e2"), [reject(3), reject(4), reject(5)], skipped=1)),
        (b, Parsed(FLOW, flows(b, 60, start=MIDNIGHT - timedelta(seconds=30)))),
    )
    yield
    names = [f"e{at}" for at in range(250)]
    blocks = [Parsed(TRAIL, trail(big, *names[:125])), Parsed(TRAIL, trail(big, *names), [reject(375)])]
    put(store, (big, blocks), (same, Parsed(FLOW, flows(same, 60, start=MIDNIGHT - timedelta(seconds=30)))))
    yield
    if stored := [
        stored for stored in store.rejects() if stored.object == a.source.id and stored.parser_version == "1"
    ]:
        store.replay(stored, Parsed(TRAIL, trail(a, "e0", "new"), [reject(5)]), NOW, "2")
    yield
    signal_ = Signal("rule", "e5", START, big.source.id, TRAIL, "f", {"user": "ann"})
    alert = Alert("1", "rule", "Title", "high", (), {"user": "ann"}, START, START, 1, ("e5",))
    marks = {("rule", TRAIL): store.pending(TRAIL)[0].turn}
    store.mark(Judged([signal_], marks=marks), lambda rule, signals, standing: standing or [alert])
    yield
    tell(store)
    yield
    store.act([Action("c", "1", "rule", Verb.CLOSE, "bob", NOW, "a drill", Disposition.TEST)])
    yield
    tell(store)
    yield


def tell(store: Store) -> None:
    """Make a notice of every alert that there are news of, as it stands."""
    news = store.news(9)
    standing = store.notices([f"ops/{one.alert}" for one in news])
    made = []
    for one in news:
        alert, before = store.alert(one.alert), standing.get(f"ops/{one.alert}")
        body = {"state": alert.state if alert else None}
        if before is None or before.body != body:
            revision = before.revision if before else 0
            made.append(Notice(f"ops/{one.alert}", "ops", "alert", body, NOW, NOW, revision=revision))
    assert store.post(made, news)


def retention(place: Place, die_at: int = 0) -> None:
    """An object that is old and one that is so in part; then what is old is dropped."""
    store = place.opened(die_at)
    old, both = delivery("old"), delivery("both")
    put(
        store,
        (old, Parsed(TRAIL, trail(old, "o1", "o2", start=START - timedelta(days=90)), [reject(2)])),
        (both, Parsed(TRAIL, trail(both, "b1", "b2", "b3", start=MIDNIGHT - timedelta(days=1, seconds=1)))),
    )
    store.retain({TRAIL: START})
    store.close()


def small(place: Place) -> None:
    """Many small files of two days, some with rows of the same objects."""
    store = place.opened()
    for at in range(2 * FEWEST):
        one = delivery(f"small {at}")
        names = [f"s{at}", f"s{at + 1}", f"t{at}"]
        put(store, (one, Parsed(TRAIL, trail(one, *names, start=MIDNIGHT + timedelta(seconds=at - 10)), [reject(3)])))
    store.close()


def compaction(place: Place, die_at: int = 0) -> None:
    store = place.opened(die_at)
    store.compact(NOW)
    store.close()


def reparsing(place: Place, die_at: int = 0) -> None:
    """What `small` stored, by another version of the parser, four objects at a time."""
    store = place.opened(die_at)
    for _ in reparsed(store):
        pass
    store.close()


def reparsed(store: Store) -> Iterator[None]:
    """Times move over midnight, records become rejects and events; as in `siem reparse` what is done is left alone."""
    keys = [row.key for row in store.ledger().values() if row.parser_version == "1"]
    for start in range(0, len(keys), 4):
        with store.reparsing(NOW + timedelta(days=1), judge=True) as writing:
            for key in keys[start : start + 4]:
                at, one = int(key.removeprefix("small ")), delivery(key)
                names = [f"s{at}", f"s{at + 1}", f"u{at}"]
                batch = trail(one, *names, start=MIDNIGHT + timedelta(seconds=at - 13), more={"event.action": "mended"})
                writing.add(one, Parsed(TRAIL, batch, [reject(2)]), "2", unique_ids=True)
                writing.finish(one, State.COMMITTED)
            writing.commit()
        yield


def state(store: Store) -> dict[str, Any]:
    """Everything that a reader can see."""
    return {
        "ledger": store.ledger(),
        "events": [*found(store, TRAIL, documents=True), *found(store, FLOW, documents=True)],
        "rejects": list(store.rejects()),
        "pending": [*waiting(store, TRAIL, "rule"), *waiting(store, FLOW, "rule")],
        "signals": store.signals("rule", {"user": "ann"}),
        "alerts": [store.alerts(), store.actions()],
        "news": {one.alert for one in store.news(9)},
        "outbox": store.outbox(9),
        "stats": [replace(sums, bytes=0) for sums in store.stats()],
    }


def share(place: Place, numbers: range) -> None:
    """Commit these objects three at a time. Every one repeats ten events of the one before and of itself."""
    store = place.opened()
    for start in range(numbers.start, numbers.stop, 3):
        with store.writing(NOW) as commit:
            for number in range(start, min(start + 3, numbers.stop)):
                one = delivery(f"object {number}")
                names = [f"e{at}" for at in range(number * 20 - 10, number * 20 + 20)]
                times = START + timedelta(seconds=number * 20 - 10)
                commit.add(one, Parsed(TRAIL, trail(one, *names, start=times)), "1", unique_ids=True)
                commit.add(one, Parsed(TRAIL, trail(one, *names[:10], start=times), [reject(40)]), "1", unique_ids=True)
                commit.finish(one, State.COMMITTED)
            commit.commit()
    store.close()


NEW = [f"n{at}" for at in range(20)]
MENDED = {"event.action": "mended"}


def stored(store: Store) -> None:
    """What `mended` is about: two objects with events of each other, and one with rejects."""
    one, two, odd = delivery("one"), delivery("two"), delivery("odd")
    put(
        store,
        (one, Parsed(TRAIL, trail(one, *[f"e{at}" for at in range(150)]), [reject(at) for at in range(150, 160)])),
        (two, Parsed(TRAIL, trail(two, *[f"e{at}" for at in range(100, 200)], start=START + timedelta(seconds=100)))),
        (odd, Parsed(FLOW, flows(odd, 30), [reject(at) for at in range(30, 40)], skipped=5)),
    )


def mended(store: Store, judge: bool = True) -> None:
    """Of one: times moved by two months for some, events that become rejects, rejects that become events; of two, what
    one gives up; of odd, more events. Twice the same is once."""
    one, two, odd = delivery("one"), delivery("two"), delivery("odd")
    early = trail(one, *[f"e{at}" for at in range(30)], start=START - timedelta(days=60), more=MENDED)
    names = [f"e{at}" for at in range(30, 120)]
    late = trail(one, *names, start=START + timedelta(seconds=30), more=MENDED)
    fresh = trail(one, *NEW, start=START + timedelta(hours=1), more=MENDED)
    blocks = [Parsed(TRAIL, batch) for batch in (early, late, fresh)]
    rest = [f"e{at}" for at in range(100, 200)]
    with store.reparsing(NOW + timedelta(days=1), judge) as writing:
        for block in [*blocks, Parsed(TRAIL, None, [reject(at) for at in range(155, 175)])]:
            writing.add(one, block, "2", unique_ids=True)
        again = Parsed(TRAIL, trail(two, *rest, start=START + timedelta(seconds=100), more=MENDED))
        writing.add(two, again, "2", unique_ids=True)
        writing.add(odd, Parsed(FLOW, flows(odd, 38, more=MENDED), [reject(39)], skipped=6), "2", unique_ids=False)
        for of in (one, two, odd):
            writing.finish(of, State.COMMITTED)
        writing.commit()


def mend(place: Place, die_at: int = 0) -> None:
    """Parse again what `stored` has stored."""
    store = place.opened(die_at)
    mended(store)
    store.close()
