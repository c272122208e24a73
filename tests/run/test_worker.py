"""A worker from the queue to the store: real processes, and S3, SQS, SNS and EventBridge of a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from aws import AWS
from manifest import DATA, MANIFEST
from worker_world import SETTINGS, World, key_of, stopped, trail

from siem.store import open_folder
from siem.store.contract import State

pytestmark = pytest.mark.slow


@pytest.fixture
def world(aws: AWS, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    name = f"w-{abs(hash(request.node.name)) % 10**9}"
    return World(aws, tmp_path, name)


def test_what_is_put_into_the_bucket_is_in_the_store_and_the_queue_is_empty(world: World) -> None:
    for number in range(40):
        world.put(number)
    with world.working("--processes", "2"):
        world.drained()
        world.put("late ü +")
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 41}
    assert world.aws.depth(world.dead) == 0


def test_the_sample_bucket_comes_to_what_ingest_makes_of_it(
    world: World, samples: Path, siem: Callable[..., str], tmp_path: Path
) -> None:
    root = samples / "bucket"
    for path in sorted(root.rglob("*")):
        if path.is_file():
            world.aws.put(world.bucket, path.relative_to(root).as_posix(), path.read_bytes())
    with world.working("--processes", "2"):
        world.drained()
    siem("ingest", f"s3://{world.bucket}", "--store", tmp_path / "other")

    def told(store: Path) -> list[object]:
        kept = open_folder(store)
        rows = [(row.object, row.sha256, row.state, row.records, row.events) for row in kept.ledger().values()]
        stored = [(sums.dataset, sums.events, sums.duplicates) for sums in kept.stats()]
        kept.close()
        return [sorted(rows), stored]

    assert told(world.store) == told(tmp_path / "other")


def test_a_bucket_that_was_ingested_is_known_to_the_worker_and_the_other_way_round(
    world: World, siem: Callable[..., str]
) -> None:
    for number in range(5):
        world.put(number)
    siem("ingest", f"s3://{world.bucket}", "--store", world.store)
    with world.working():
        world.drained()
        world.put("new")
        world.drained()
    assert len(world.lines("known")) == 5
    assert "nothing new: 6 objects" in siem("ingest", f"s3://{world.bucket}", "--store", world.store)
    world.check()
    assert len(world.rows()) == 6


def test_both_versions_of_an_object_are_read(aws: AWS, tmp_path: Path) -> None:
    world = World(aws, tmp_path, "versions", versions=True)
    for body in (trail("a", "b"), trail("c"), trail("a", "b")):
        world.put("same", body=body)
    world.ids = {"a", "b", "c"}
    with world.working():
        world.drained()
        world.put("same", body=trail("d"))
        world.ids.add("d")
        world.drained()
    world.check()
    assert sorted(row.events for row in world.rows()) == [1, 1, 2]


def test_every_form_of_a_notification_comes_to_what_the_manifest_says(world: World, samples: Path) -> None:
    bucket = MANIFEST["bucket"]
    world.aws.bucket(bucket)
    for path in (samples / "bucket").rglob("*"):
        if path.is_file():
            world.aws.put(bucket, path.relative_to(samples / "bucket").as_posix(), path.read_bytes())
    messages = [entry for entry in MANIFEST["files"] if entry["kind"] == "notification"]
    sendable = [entry for entry in messages if entry["key"] not in ("empty.json", "invalid-utf8.json")]
    for entry in sendable:
        world.send((DATA / "notifications" / entry["key"]).read_text())
    with world.working(SIEM_BUCKETS=bucket):
        world.drained()
    refused = [entry for entry in sendable if entry["action"].startswith("refuse")]
    assert world.aws.depth(world.dead) == len(refused)
    rows = {row.key: row for row in world.rows() if row.bucket == bucket}
    named = {key for entry in messages for key in entry["objects"] if not key.startswith("(")}
    assert named <= rows.keys()
    others = rows.keys() - named
    assert len([key for key in others if "/2026/11/02/" in key]) == 1_200
    assert {row.state for key, row in rows.items() if "/2026/11/02/" in key} == {State.GONE}
    assert sum("/CloudTrail-Digest/" in key for key in others) == 1
    assert [row.state for row in world.rows() if row.bucket == "somebody-elses-bucket"] == [State.REFUSED]


def test_notifications_come_through_sns_and_eventbridge_too(world: World) -> None:
    aws, body = world.aws, trail("e")
    topic = aws.sns.create_topic(Name=world.name)["TopicArn"]
    for raw in ("true", "false"):
        queue = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": aws.arn(world.queue)}
        aws.sns.subscribe(**queue, Attributes={"RawMessageDelivery": raw})
    other = aws.bucket(f"{world.name}-sns")
    told = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
    aws.s3.put_bucket_notification_configuration(Bucket=other, NotificationConfiguration=told)
    aws.put(other, key_of("a b+c é"), trail("s"))
    bridged = aws.bucket(f"{world.name}-events")
    aws.s3.put_bucket_notification_configuration(
        Bucket=bridged, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"]})
    aws.events.put_rule(Name=world.name, EventPattern=pattern)
    aws.events.put_targets(Rule=world.name, Targets=[{"Id": "1", "Arn": aws.arn(world.queue)}])
    aws.put(bridged, key_of("100% a+b é"), body)
    world.ids = {"s", "e"}
    with world.working(SIEM_BUCKETS=f"{other},{bridged}"):
        until = time.monotonic() + 30
        while len(world.lines("object")) < 2 and time.monotonic() < until:
            time.sleep(0.2)
        world.drained()
    world.check()
    assert {row.key for row in world.rows()} == {key_of("a b+c é"), key_of("100% a+b é")}


def test_a_message_may_make_nobody_read_another_bucket(world: World) -> None:
    world.aws.bucket(f"{world.name}-secret")
    world.aws.put(f"{world.name}-secret", key_of("secret"), trail("secret"))
    world.tell(key_of("secret"), bucket=f"{world.name}-secret")
    world.tell(f"../{world.name}-secret/{key_of('secret')}")
    world.put("good")
    with world.working():
        world.drained()
    world.check()
    assert world.states() == {State.COMMITTED: 1, State.REFUSED: 2}
    assert world.aws.depth(world.dead) == 2


def test_a_worker_listens_to_several_queues_and_goes_on_when_nobody_reads_what_it_says(
    world: World, aws: AWS, tmp_path: Path
) -> None:
    other = World(aws, tmp_path, f"{world.name}-other")
    for number in range(5):
        world.put(number)
        other.put(f"other {number}")
    world.ids |= other.ids
    command = [sys.executable, "-m", "siem", "worker", "--queue", world.queue, "--queue", other.queue]
    env = {**os.environ, **SETTINGS, "SIEM_BUCKETS": f"{world.bucket},{other.bucket}", "SIEM_STORE": str(world.store)}
    process = subprocess.Popen([*command, "--processes", "1"], env=env, stderr=subprocess.PIPE)
    assert process.stderr is not None
    process.stderr.close()
    world.log.touch()
    world.drained([world.queue, other.queue])
    assert stopped(process) == 0
    world.check()


def test_a_queue_without_a_dead_letter_queue_is_spared_what_the_ledger_knows(aws: AWS, tmp_path: Path) -> None:
    world = World(aws, tmp_path, "no-letters", tries=None)
    world.tell("a", bucket="not-ours")
    world.send("what nobody understands")
    with world.working(SIEM_WORKER__ATTEMPTS="2"):
        until = time.monotonic() + 30
        while world.aws.depth(world.queue) > 1 and time.monotonic() < until:
            time.sleep(0.1)
    assert world.states() == {State.REFUSED: 1}
    assert world.aws.depth(world.queue) == 1
    assert [line["reasons"] for line in world.lines("given up")]


def test_a_worker_without_work_stops_at_once_and_well(world: World) -> None:
    process = world.begun("--processes", "2")
    while not world.lines("works"):
        time.sleep(0.1)
    begun = time.monotonic()
    assert stopped(process) == 0
    assert time.monotonic() - begun < 20


def test_what_a_stopped_worker_holds_is_finished_or_given_back_at_once(world: World) -> None:
    process = world.begun("--processes", "1", SIEM_WORKER__SECONDS="60", SIEM_WORKER__VISIBILITY="600")
    world.put("waits for others")
    while not world.lines("works"):
        time.sleep(0.1)
    time.sleep(1)
    assert stopped(process) == 0
    with world.working():
        world.drained(patience=20)
    world.check()


@pytest.mark.parametrize(
    ("arguments", "buckets", "code", "said"),
    [
        ([], "a", 2, "no queue: give --queue URL"),
        (["--queue", "{url}/000000000000/none"], "", 3, "let SIEM_BUCKETS name"),
        (["--queue", "{url}/000000000000/none"], "a", 3, "queue http"),
    ],
)
def test_a_worker_that_cannot_work_says_why(
    aws: AWS, tmp_path: Path, arguments: list[str], buckets: str, code: int, said: str
) -> None:
    command = [sys.executable, "-m", "siem", "worker", *(part.format(url=aws.url) for part in arguments)]
    env = {**os.environ, "SIEM_BUCKETS": buckets, "SIEM_STORE": str(tmp_path / "store")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
