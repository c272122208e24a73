"""Events that come twice in one commit: whatever a node writes first, the first of them counts."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator

import pytest
from stores import connected, emptied, prepared, removed, shipped_fields

from siem.parsing.batch import Parsed
from siem.store.contract import Store
from siem.store.opensearch import OpenSearchStore
from siem.store.opensearch.cluster import operations
from siem.store.opensearch.cluster.connection import Connection
from siem.store.opensearch.cluster.operations import Operation, Refusals
from siem.store.opensearch.events import spool
from siem.store.opensearch.events.bulk import Bulk, Outcome
from siem.store.opensearch.events.spool import Plan, Spool
from siem.store.opensearch.names import Names
from siem.testing.deliveries import START, TRAIL, delivery, found, put, trail

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def names(opensearch: str) -> Iterator[Names]:
    names = Names(f"twice{secrets.token_hex(4)}-")
    prepared(opensearch, names, shipped_fields())
    yield names
    removed(opensearch, names)


@pytest.fixture
def store(opensearch: str, names: Names, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Its bodies are small, and the last is sent first."""
    plans = Spool.plans

    def reversed_(spool: Spool, objects: Collection[str]) -> list[Plan]:
        return plans(spool, objects)[::-1]

    monkeypatch.setattr(spool, "BODY", 1_000)
    monkeypatch.setattr(Spool, "plans", reversed_)
    store = OpenSearchStore(connected(opensearch), names, shipped_fields())
    yield store
    store.close()
    emptied(opensearch, names)


IDS = [f"e{at:02}" for at in range(20)]


def test_of_two_objects_with_the_same_events_the_first_has_them(store: Store) -> None:
    objects = [delivery(key) for key in ("z", "a", "m")]
    rows = put(store, *[(of, Parsed(TRAIL, trail(of, *IDS))) for of in objects])
    assert [row.duplicates for row in rows] == [0, 20, 20]
    assert {hit.object for hit in found(store, TRAIL)} == {objects[0].source.id}
    assert len(found(store, TRAIL)) == 20
    assert [of.object for of in store.pending(TRAIL)] == [objects[0].source.id]


def test_of_an_object_that_repeats_itself_the_first_event_stays(store: Store) -> None:
    of = delivery("a")
    blocks = [Parsed(TRAIL, trail(of, *IDS, more={"user.name": name})) for name in ("first", "second")]
    (row,) = put(store, (of, blocks))
    assert (row.events, row.duplicates) == (40, 20)
    assert [hit.document and hit.document["user.name"] for hit in found(store, TRAIL, documents=True)] == ["first"] * 20


def test_an_event_that_gave_way_is_counted_once_though_its_answer_was_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every item is told to have been there, as after a repeated request."""
    send = Bulk.send

    def repeated(bulk: Bulk, bodies: Iterator[bytes]) -> Iterator[tuple[int, list[Outcome]]]:
        sent = list(bodies)
        for number, _ in list(send(bulk, sent)):
            items = range(sent[number].count(b"\n") // 2)
            yield number, [Outcome(place, 409, "version_conflict_engine_exception", "") for place in items]

    monkeypatch.setattr(Bulk, "send", repeated)
    objects = [delivery(key) for key in ("z", "a")]
    rows = put(store, *[(of, Parsed(TRAIL, trail(of, *IDS, start=START))) for of in objects])
    assert [(row.events, row.duplicates) for row in rows] == [(20, 0), (20, 20)]
    assert {hit.object for hit in found(store, TRAIL)} == {objects[0].source.id}


def test_an_event_that_gave_way_is_counted_though_nobody_told_that_it_did(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried_out = operations.conflicts

    def untold(connection: Connection, some: Iterable[Operation], *refused: Refusals) -> list[Operation]:
        """As after a request whose answer was lost: what it wrote is in the way of its repetition."""
        asked = list(some)
        carried_out(connection, asked, *refused)
        return [one for one in asked if one.version is not None]

    monkeypatch.setattr(operations, "conflicts", untold)
    objects = [delivery(key) for key in ("z", "a", "m")]
    rows = put(store, *[(of, Parsed(TRAIL, trail(of, *IDS))) for of in objects])
    assert [(row.events, row.duplicates) for row in rows] == [(20, 0), (20, 20), (20, 20)]
    assert {hit.object for hit in found(store, TRAIL)} == {objects[0].source.id}
