"""How messages end: by a queue in memory, and a clock that a test turns."""

from __future__ import annotations

import json
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from siem.config import Settings, Worker
from siem.intake.notification import Named
from siem.run.worker.letters import Errand, Letters
from siem.run.worker.signs import Signs
from siem.testing.queue import FakeQueue


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Post:
    """A queue, and letters that were received from it."""

    def __init__(self, tries: int | None = 3, **worker: Any) -> None:
        self.clock = Clock()
        self.queue = FakeQueue(visibility=30, tries=tries, clock=self.clock)
        self.settings = Settings(buckets=("logs",), worker=Worker(**worker))
        self.letters = Letters(self.settings, Signs(), structlog.wrap_logger(CapturingLogger()))

    def put(self, *keys: str, bucket: str = "logs") -> None:
        self.queue.put(json.dumps({"s3Bucket": bucket, "s3ObjectKey": keys}))

    def received(self) -> list[Errand]:
        messages = self.queue.receive(10)
        return [errand for message in messages for errand in self.letters.opened(self.queue, message)]  # type: ignore[arg-type]

    def after(self, seconds: float) -> list[Errand]:
        self.clock.now += seconds
        return self.received()


def test_a_message_goes_when_all_of_its_objects_are_done() -> None:
    post = Post()
    post.put("a", "b")
    first, second = post.received()
    post.letters.settled([(first, None)])
    assert post.queue.depth == 1
    post.letters.settled([(second, None)])
    assert post.queue.depth == 0


def test_a_message_that_names_nothing_goes_at_once() -> None:
    post = Post()
    post.queue.put('{"Records":[]}')
    assert post.received() == []
    assert post.queue.depth == 0


def test_a_message_of_which_one_object_failed_comes_again_and_ends_among_the_dead() -> None:
    post = Post(tries=3)
    post.put("a", "b")
    for pause in (2, 4, 8):
        good, bad = post.received()
        post.letters.settled([(good, None), (bad, "denied")])
        assert post.after(pause - 1) == []
        post.clock.now += 1
    assert post.received() == []
    assert post.queue.dead is not None
    assert (post.queue.depth, post.queue.dead.depth) == (0, 1)


def test_without_dead_letters_a_message_goes_after_some_attempts_if_the_ledger_has_why() -> None:
    post = Post(tries=None, attempts=3)
    post.put("a")
    post.queue.put("what nobody understands")
    for _ in range(3):
        post.letters.settled([(errand, "denied") for errand in post.received()])
        post.clock.now += 1_000
    assert post.queue.depth == 1
    assert post.received() == []
    assert post.queue.depth == 1


def test_an_object_of_a_bucket_that_is_not_listed_is_an_errand_that_is_not_run() -> None:
    post = Post()
    post.put("a", bucket="somebody-elses")
    (errand,) = post.received()
    assert errand.problem is not None
    assert errand.named == Named("somebody-elses", "a")
    post.letters.settled([(errand, str(errand.problem))])
    assert post.queue.depth == 1


def test_what_is_held_stays_hidden_as_long_as_it_is_held() -> None:
    post = Post()
    post.put("a")
    (errand,) = post.received()
    for _ in range(30):
        post.letters.extend(post.clock.now)
        assert post.after(9) == []
    post.letters.settled([(errand, None)])
    assert post.queue.depth == 0


def test_a_message_that_comes_again_while_it_is_held_is_done_once_and_goes() -> None:
    post = Post()
    post.put("a")
    (errand,) = post.received()
    assert post.after(31) == []  # nobody hid it any longer
    post.letters.settled([(errand, None)])
    assert post.queue.depth == 0


def test_what_is_given_back_comes_at_once() -> None:
    post = Post()
    post.put("a")
    post.put("b")
    assert len(post.received()) == 2
    post.letters.give_back()
    assert len(post.received()) == 2


@pytest.mark.parametrize("keys", [5, 100])
def test_a_message_takes_as_much_room_as_it_names_objects(keys: int) -> None:
    post = Post(messages=50)
    post.put(*map(str, range(keys)))
    errands = post.received()
    assert post.letters.room == max(0, 50 - keys)
    post.letters.settled([(errand, None) for errand in errands])
    assert post.letters.room == 50
