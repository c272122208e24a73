"""Whatever happens on the way, every item comes to its end once: counts on a real node are exact."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from itertools import count

import orjson
import pytest
from cutting import cutting
from opensearchpy import OpenSearch

from siem.errors import Refused, Unavailable
from siem.store.opensearch.cluster.connection import Connection, Json
from siem.store.opensearch.events.bulk import Bulk, Outcome, Part, halved
from siem.store.opensearch.events.pace import Pace

slow = pytest.mark.slow
EACH = 200
"""Documents in a body of these tests."""


class TestPart:
    BODY = b"".join(b'{"create":{"_id":"%d"}}\n{"n":%d}\n' % (n, n) for n in range(5))

    def test_items_keep_their_places(self) -> None:
        rest = Part(self.BODY).of([1, 2, 4])
        assert rest.body == b"".join(b'{"create":{"_id":"%d"}}\n{"n":%d}\n' % (n, n) for n in (1, 2, 4))
        assert [rest.place(item) for item in range(3)] == [1, 2, 4]
        assert [rest.of([0, 2]).place(item) for item in range(2)] == [1, 4]

    def test_it_knows_how_many_it_holds(self) -> None:
        assert len(Part(self.BODY)) == 5
        assert len(Part(self.BODY).of([3])) == 1

    def test_what_is_too_large_for_somebody_on_the_way_goes_in_halves(self) -> None:
        error = Refused("", 413, "", "Request Entity Too Large")
        part, ends = Part(self.BODY), list[Outcome]()
        parts = [part]
        while parts:
            attempt = halved(parts.pop(), error)
            parts += attempt.rest
            ends += attempt.outcomes
        assert sorted(one.place for one in ends) == [0, 1, 2, 3, 4]
        assert {(one.status, one.reason) for one in ends} == {(413, "Request Entity Too Large")}


class TestPace:
    def test_rises_by_one_a_round(self) -> None:
        pace = Pace(8)
        assert pace.allowed == 4
        rounds = []
        for _ in range(5):
            for _ in range(pace.allowed):
                pace.rise()
            rounds.append(pace.allowed)
        assert rounds[:3] == [4, 5, 6]  # 4 + 4/(4 … 5) is a little less than 5
        assert rounds[-1] == 8

    def test_never_above_the_most_nor_below_one(self) -> None:
        pace = Pace(2)
        for _ in range(9):
            pace.rise()
        assert pace.allowed == 2
        for now in range(1, 9):
            pace.fall(began=now, now=now)
        assert pace.allowed == 1

    def test_requests_that_were_on_their_way_together_fall_once(self) -> None:
        pace = Pace(8)
        for _ in range(99):
            pace.rise()
        for now in (10, 11, 12):
            pace.fall(began=5, now=now)
        assert (pace.allowed, pace.falls) == (4, 1)
        pace.fall(began=10.5, now=13)
        assert (pace.allowed, pace.falls) == (2, 2)


def body(index: str, numbers: Iterable[int], wrong: Iterable[int] = ()) -> bytes:
    """Documents `{"n": …}`, by their numbers; those that are wrong are refused by the mapping."""
    bad = set(wrong)
    lines = [
        orjson.dumps({"create": {"_index": index, "_id": str(n)}})
        + b"\n"
        + orjson.dumps({"n": "no number" if n in bad else n, "text": f"{n:0200d}"})
        + b"\n"
        for n in numbers
    ]
    return b"".join(lines)


def bodies(index: str, many: int) -> Iterator[bytes]:
    return (body(index, range(at * EACH, (at + 1) * EACH)) for at in range(many))


def connected(url: str, patience: float = 60.0) -> Connection:
    return Connection(OpenSearch([url], serializer=Json(), max_retries=0, timeout=30, pool_maxsize=8), "test", patience)


def counted(connection: Connection, index: str) -> int:
    connection.ask("POST", f"/{index}/_refresh")
    return int(connection.ask("GET", f"/{index}/_count")["count"])


def sent(bulk: Bulk, given: Iterable[bytes]) -> dict[int, list[Outcome]]:
    """Every body once, by its number."""
    found: dict[int, list[Outcome]] = {}
    for number, outcomes in bulk.send(given):
        assert number not in found
        found[number] = outcomes
    return found


def made(connection: Connection, index: str, shards: int = 1) -> str:
    mappings = {"dynamic": False, "properties": {"n": {"type": "long"}}}
    settings = {"number_of_shards": shards, "number_of_replicas": 0}
    connection.ask("PUT", f"/{index}", {"settings": settings, "mappings": mappings})
    return index


NUMBERS = count()


@pytest.fixture
def index(opensearch: str) -> Iterator[str]:
    """An empty index on the shared node."""
    connection = connected(opensearch)
    name = made(connection, f"bulk-{os.getpid()}-{next(NUMBERS)}")
    yield name
    connection.ask("DELETE", f"/{name}")
    connection.close()


@slow
class TestItems:
    def test_all_are_created(self, opensearch: str, index: str) -> None:
        connection = connected(opensearch)
        found = sent(Bulk(connection), bodies(index, 30))
        assert found == {number: [] for number in range(30)}
        assert counted(connection, index) == 30 * EACH

    def test_those_that_are_there_are_told_by_their_places(self, opensearch: str, index: str) -> None:
        connection = connected(opensearch)
        sent(Bulk(connection), [body(index, range(10, 20))])
        (outcomes,) = sent(Bulk(connection), [body(index, range(5, 25))]).values()
        assert [(outcome.place, outcome.status) for outcome in outcomes] == [(place, 409) for place in range(5, 15)]
        assert {outcome.kind for outcome in outcomes} == {"version_conflict_engine_exception"}
        assert counted(connection, index) == 20

    def test_those_that_the_mapping_refuses_are_told_with_the_reason(self, opensearch: str, index: str) -> None:
        connection = connected(opensearch)
        found = sent(Bulk(connection), [body(index, range(100)), body(index, range(100, 200), wrong=(117, 199))])
        assert found[0] == []
        assert [(one.place, one.status, one.kind) for one in found[1]] == [
            (17, 400, "mapper_parsing_exception"),
            (99, 400, "mapper_parsing_exception"),
        ]
        assert "failed to parse field [n] of type [long]" in found[1][0].reason
        assert counted(connection, index) == 198

    def test_bodies_are_taken_as_they_are_sent(self, opensearch: str, index: str) -> None:
        taken = 0

        def given() -> Iterator[bytes]:
            nonlocal taken
            for one in bodies(index, 40):
                taken += 1
                yield one

        bulk = Bulk(connected(opensearch), most=3)
        for done, _ in enumerate(bulk.send(given()), start=1):
            assert taken <= done + 3  # those on their way, and none else

    def test_a_body_that_cannot_be_had_ends_the_sending(self, opensearch: str, index: str) -> None:
        def given() -> Iterator[bytes]:
            yield from bodies(index, 3)
            raise OSError("the disk")

        with pytest.raises(OSError, match="the disk"):
            sent(Bulk(connected(opensearch)), given())


@slow
class TestConnections:
    @pytest.mark.parametrize("passed", [0, 60, 400], ids=["before the answer", "within its head", "within its body"])
    def test_answers_that_were_lost(self, opensearch: str, index: str, passed: int) -> None:
        """What the lost attempt wrote is there when the body comes again."""
        with cutting(opensearch, lambda number: passed if number % 3 == 1 else None) as proxy:
            found = sent(Bulk(connected(proxy.url)), bodies(index, 20))
            assert proxy.cuts >= 7
        assert len(found) == 20
        assert counted(connected(opensearch), index) == 20 * EACH
        again = [outcomes for outcomes in found.values() if outcomes]
        assert again
        for outcomes in again:
            assert [(one.place, one.status) for one in outcomes] == [(place, 409) for place in range(EACH)]

    def test_nobody_answers(self, opensearch: str, index: str) -> None:
        with cutting(opensearch, lambda number: 0) as proxy:
            url = proxy.url
        with pytest.raises(Unavailable, match="store test: no answer"):
            sent(Bulk(connected(url, patience=0.5)), bodies(index, 3))

    def test_every_answer_is_lost_for_longer_than_patience(self, opensearch: str, index: str) -> None:
        with (
            cutting(opensearch, lambda number: 0) as proxy,
            pytest.raises(Unavailable, match="store test: no answer"),
        ):
            sent(Bulk(connected(proxy.url, patience=0.5)), bodies(index, 3))


@slow
class TestBlocks:
    @pytest.mark.parametrize("block", ["read_only_allow_delete", "write"], ids=["a full disk", "by an operator"])
    def test_what_an_index_does_not_take_yet_waits(
        self, block: str, opensearch: str, index: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Answers are 429 and 403, and both pass."""
        connection = connected(opensearch)
        connection.ask("PUT", f"/{index}/_settings", {f"index.blocks.{block}": True})
        lifted = threading.Timer(1.5, connection.ask, ("PUT", f"/{index}/_settings", {f"index.blocks.{block}": None}))
        lifted.start()
        found = sent(Bulk(connection), bodies(index, 5))
        lifted.join()
        assert found == {number: [] for number in range(5)}
        assert counted(connection, index) == 5 * EACH
        told = [record.getMessage() for record in caplog.records if record.name == "siem.store"]
        assert "store test takes no documents: " in told[0]
        assert "store test takes documents again, after " in told[-1]
        assert len(told) == 2

    def test_patience_ends(self, opensearch: str, index: str) -> None:
        connection = connected(opensearch, patience=0.5)
        connection.ask("PUT", f"/{index}/_settings", {"index.blocks.write": True})
        with pytest.raises(Unavailable, match=r"store test: index .* blocked by"):
            sent(Bulk(connection), bodies(index, 2))
