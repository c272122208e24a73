"""Messages that came to nothing: they are told of with their reasons, and come back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws import AWS
from worker_world import World, key_of, trail

from siem.aws import Queue
from siem.config import Settings
from siem.errors import ConfigError
from siem.run.dead_letters import dead_letters_of, listed, redriven
from siem.schema import SourceObject
from siem.store import open_folder
from siem.store.contract import Delivery, State
from siem.testing.deliveries import NOW


@pytest.fixture
def world(aws: AWS, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    return World(aws, tmp_path, f"d-{abs(hash(request.node.name)) % 10**9}")


def bury(world: World, *bodies: str) -> None:
    for body in bodies:
        world.aws.sqs.send_message(QueueUrl=world.dead, MessageBody=body)


def named(bucket: str, key: str) -> str:
    return json.dumps({"s3Bucket": bucket, "s3ObjectKey": [key]})


def asked(*arguments: str) -> list[Any]:
    done = subprocess.run([sys.executable, "-m", "siem", "dlq", *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_dead_letters_say_what_they_are_about_and_what_is_wrong(world: World) -> None:
    bury(world, "gibberish", named("not-ours", "a"), named(world.bucket, "denied"), named(world.bucket, "unknown"))
    store = open_folder(world.store)
    with store.writing(NOW) as writing:
        writing.finish(Delivery(SourceObject(world.bucket, "denied"), "", 0), State.DENIED, "not for you")
        writing.commit()
    settings = Settings(buckets=(world.bucket,))
    for _ in range(2):  # they are free again after a look at them
        found = list(listed(dead_letters_of(world.queue), settings, store))
        said = {letter.body: (list(letter.objects), " ".join(letter.reasons)) for letter in found}
        assert said["gibberish"][1].startswith("no JSON")
        assert said[named("not-ours", "a")][0] == ["s3://not-ours/a"]
        assert "SIEM_BUCKETS" in said[named("not-ours", "a")][1]
        assert said[named(world.bucket, "denied")] == ([f"s3://{world.bucket}/denied"], "denied: not for you")
        assert said[named(world.bucket, "unknown")][1] == ""
    store.close()


def test_all_dead_letters_are_listed_however_many_they_are(world: World) -> None:
    bury(world, *map(str, range(35)))
    found = [letter.body for letter in listed(dead_letters_of(world.queue), Settings(), None)]
    assert sorted(map(int, found)) == list(range(35))


def test_dead_letters_come_back_all_or_some_of_them(world: World) -> None:
    bury(world, "a", "b", "c")
    dead, queue = dead_letters_of(world.queue), Queue(world.queue)
    ids = {letter.body: letter.id for letter in listed(dead, Settings(), None)}
    assert redriven(dead, queue, [ids["b"]]) == [ids["b"]]
    assert (world.aws.depth(world.dead), world.aws.depth(world.queue)) == (2, 2)  # S3 tests too whether it may send
    assert len(redriven(dead, queue, dry_run=True)) == 2
    assert world.aws.depth(world.dead) == 2
    assert len(redriven(dead, queue)) == 2
    assert (world.aws.depth(world.dead), world.aws.depth(world.queue)) == (0, 4)


def test_a_queue_without_dead_letters_is_told(aws: AWS) -> None:
    with pytest.raises(ConfigError, match="give it a redrive policy"):
        dead_letters_of(aws.queue("without-letters"))


@pytest.mark.slow
def test_what_was_mended_is_stored_after_a_redrive(world: World) -> None:
    other = world.aws.bucket(f"{world.name}-other")
    world.aws.put(other, key_of("a"), trail("a"))
    world.tell(key_of("a"), bucket=other)
    with world.working():
        world.drained()
    (letter,) = asked("list", "--queue", world.queue, "--store", str(world.store))
    assert letter["objects"] == [f"s3://{other}/{key_of('a')}"]
    assert [row["id"] for row in asked("redrive", "--queue", world.queue)] == [letter["id"]]
    world.ids = {"a"}
    with world.working(SIEM_BUCKETS=f"{world.bucket},{other}"):
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 1}
    assert asked("list", "--queue", world.queue, "--store", str(world.store)) == []
