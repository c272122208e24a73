"""Objects are fetched ahead of who writes them, and no further than there is room."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aws import AWS

from siem.aws import Message, Queue, s3
from siem.config import Settings, Worker
from siem.errors import Denied, Gone, Withheld
from siem.intake.notification import Named
from siem.run.worker.fetching import AHEAD, Fetching, Held, Room
from siem.run.worker.letters import Errand, Letter
from siem.run.worker.signs import Signs
from siem.testing.proxy import Fault, Proxy

LETTER = Letter(Queue("https://sqs.eu-west-1.amazonaws.com/1/q"), Message("1", "", "", 1, datetime.now(UTC)), set())


@pytest.fixture
def fetching() -> Iterator[Fetching]:
    stopping = threading.Event()
    settings = Settings(worker=Worker(bytes=1_000, patience=0.5, threads=2))
    fetching = Fetching(settings, Signs(), stopping)
    threads = [threading.Thread(target=fetching.run) for _ in range(2)]
    for thread in threads:
        thread.start()
    yield fetching
    stopping.set()
    for thread in threads:
        thread.join()


def wanted(fetching: Fetching, bucket: str, *keys: str) -> None:
    for key in keys:
        fetching.wanted.put(Errand(LETTER, Named(bucket, key)))


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def had(fetching: Fetching, count: int) -> list[Held]:
    return [fetching.ready.get(timeout=20) for _ in range(count)]


def test_objects_are_fetched_or_said_not_to_be_had(aws: AWS, fetching: Fetching) -> None:
    bucket = aws.bucket("fetched")
    aws.put(bucket, "a", b"bytes")
    wanted(fetching, bucket, "a", "b")
    wanted(fetching, "no bucket", "c")
    found = {held.errand.named.key: held for held in had(fetching, 3)}
    with found["a"]() as content:
        assert b"".join(content.blocks()) == b"bytes"
    assert isinstance(found["b"].problem, Gone)
    assert isinstance(found["c"].problem, Denied)
    with pytest.raises(Gone), found["b"]():
        pass


def test_no_more_is_fetched_than_there_is_room_for(aws: AWS, fetching: Fetching) -> None:
    bucket = aws.bucket("ahead")
    for number in range(30):
        aws.put(bucket, f"{number}", bytes(500))
    wanted(fetching, bucket, *map(str, range(30)))
    time.sleep(1.5)
    assert fetching.ready.qsize() <= AHEAD * 1_000 / 500
    for _ in range(30):
        (held,) = had(fetching, 1)
        fetching.done(held)


def test_small_objects_hold_no_file_open_and_large_ones_one_until_they_are_done(
    aws: AWS, fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = aws.bucket("files")
    aws.put(bucket, "warm", b"")
    wanted(fetching, bucket, "warm", "warm")
    had(fetching, 2)
    before = files()
    for number in range(20):
        aws.put(bucket, f"{number}", b"small")
    wanted(fetching, bucket, *map(str, range(20)))
    small = had(fetching, 20)
    assert files() <= before + 1
    monkeypatch.setattr(s3, "IN_MEMORY", 3)
    wanted(fetching, bucket, "0")
    (large,) = had(fetching, 1)
    with large() as content:
        assert isinstance(content.delivered, Path)
        assert content.delivered.read_bytes() == b"small"
    fetching.done(large)
    assert not content.delivered.exists()
    for held in small:
        fetching.done(held)


def test_an_object_alone_that_cannot_be_had_is_let_go_when_others_can(
    aws: AWS, aws_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = aws.bucket("alone")
    aws.put(bucket, "good", b"")
    with Proxy(aws_url, lambda r: Fault("InternalError", 500) if "bad" in r.what else None).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        stopping, signs = threading.Event(), Signs()
        fetching = Fetching(Settings(worker=Worker(patience=0.5)), signs, stopping)
        threads = [threading.Thread(target=fetching.run) for _ in range(2)]
        for thread in threads:
            thread.start()
        wanted(fetching, bucket, "bad")
        time.sleep(2)
        assert fetching.ready.empty()  # perhaps S3 is away as a whole: nobody is to blame
        assert signs.snapshot().waits.keys() == {"S3"}
        wanted(fetching, bucket, "good")
        found = {held.errand.named.key: held for held in had(fetching, 2)}
        assert found["good"].problem is None
        assert isinstance(found["bad"].problem, Withheld)
        stopping.set()
        for thread in threads:
            thread.join()


def test_what_is_larger_than_all_room_has_it_for_itself() -> None:
    room, stopping, entered = Room(10), threading.Event(), threading.Event()
    assert room.enter(100, stopping)

    def enter() -> None:
        room.enter(1, stopping)
        entered.set()

    threading.Thread(target=enter, daemon=True).start()
    assert not entered.wait(0.3)
    room.leave(100)
    assert entered.wait(5)
    stopping.set()
    assert not room.enter(100, stopping)
