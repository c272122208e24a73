"""Messages of a queue, over HTTP as SQS speaks it."""

from __future__ import annotations

import pytest
from aws import AWS

from siem.aws import Queue
from siem.aws.sqs import access_of
from siem.errors import ConfigError, Unavailable


def test_messages_are_received_hidden_and_deleted(aws: AWS) -> None:
    queue = Queue(aws.queue("received"))
    for at in range(25):
        aws.sqs.send_message(QueueUrl=queue.url, MessageBody=f"{at}")
    held = [message for _ in range(3) for message in queue.receive(10, wait=0, visibility=60)]
    assert sorted(int(message.body) for message in held) == list(range(25))
    assert {message.received for message in held} == {1}
    assert queue.receive(10, wait=0) == []
    assert queue.delete(held[:12]) == []
    assert queue.hide(held[12:], 0) == []
    assert aws.depth(queue.url) == 13
    again = [message for _ in range(2) for message in queue.receive(10, wait=0)]
    assert {message.received for message in again} == {2}


def test_no_more_messages_are_received_than_asked_for(aws: AWS) -> None:
    queue = Queue(aws.queue("few"))
    for _ in range(5):
        aws.sqs.send_message(QueueUrl=queue.url, MessageBody="x")
    assert len(queue.receive(2, wait=0)) == 2


def test_a_message_is_sent_again_with_its_attributes(aws: AWS) -> None:
    queue = Queue(aws.queue("again"))
    attributes = {"source": {"DataType": "String", "StringValue": "test"}}
    aws.sqs.send_message(QueueUrl=queue.url, MessageBody="x", MessageAttributes=attributes)
    (message,) = queue.receive(1, wait=0)
    queue.send(message)
    (copy,) = queue.receive(1, wait=0)
    assert (copy.body, copy.attributes) == ("x", attributes)


def test_a_queue_says_where_its_dead_letters_go(aws: AWS) -> None:
    queue = Queue(aws.queue("letters", tries=3))
    dead = queue.dead_letters()
    assert dead is not None
    assert dead.url.endswith("/letters-dead")
    assert dead.dead_letters() is None


def test_a_queue_says_how_long_messages_are_hidden(aws: AWS) -> None:
    assert Queue(aws.queue("hidden", visibility=77)).terms().visibility == 77


def test_a_queue_that_is_not_there_is_an_error_of_the_settings(aws: AWS) -> None:
    with pytest.raises(ConfigError, match=r"queue http.*/nothing"):
        Queue(f"{aws.url}/000000000000/nothing").receive(1, wait=0)


def test_a_queue_that_does_not_answer_is_unavailable(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Unavailable, match="Could not connect"):
        Queue("http://127.0.0.1:1/000000000000/nothing").receive(1, wait=0)


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/111122223333/logs", "eu-west-1"),
        ("https://ap-northeast-1.queue.amazonaws.com/111122223333/logs", "ap-northeast-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/111122223333/logs", "cn-north-1"),
        ("http://127.0.0.1:4566/000000000000/logs", None),
    ],
)
def test_a_queue_is_asked_in_its_region(url: str, region: str | None) -> None:
    assert access_of(url).region == region
