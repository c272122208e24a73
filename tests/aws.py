"""An AWS of tests: S3, SQS, SNS and EventBridge on one port, as ministack has them."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import boto3

PATIENCE = 60.0
REGION = "us-east-1"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}


@contextmanager
def running() -> Iterator[str]:
    """The address of a server that lives as long as the block, or this process."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, Path(__file__).parent / "aws_server.py", str(port)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        url = f"http://127.0.0.1:{port}"
        answers(url, process)
        yield url
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def answers(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until it does."""
    until = monotonic() + PATIENCE
    while process.poll() is None and monotonic() < until:
        try:
            with urlopen(f"{url}/_ministack/health", timeout=5):  # noqa: S310
                return
        except (URLError, OSError):
            sleep(0.05)
    raise AssertionError(f"ministack does not answer (it {'lives' if process.poll() is None else 'ended'})")


class AWS:
    """Clients as a test needs them, and short ways to make a queue and put an object."""

    def __init__(self, url: str) -> None:
        self.url = url
        session = boto3.Session("test", "test", region_name=REGION)
        self.s3, self.sqs, self.sns, self.events, self.iam, self.kms = (
            session.client(name, endpoint_url=url) for name in ("s3", "sqs", "sns", "events", "iam", "kms")
        )

    @property
    def environment(self) -> Mapping[str, str]:
        """For processes that shall reach it."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.url, "AWS_CONFIG_FILE": "/none", "AWS_EC2_METADATA_DISABLED": "true"}

    def queue(self, name: str, visibility: int = 30, tries: int | None = None) -> str:
        """The address of a new queue. tries: times that a message is received before it goes to `NAME-dead`."""
        attributes = {"VisibilityTimeout": str(visibility)}
        if tries is not None:
            dead = self.arn(self.queue(f"{name}-dead"))
            attributes["RedrivePolicy"] = f'{{"deadLetterTargetArn":"{dead}","maxReceiveCount":"{tries}"}}'
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def arn(self, queue: str) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        arn: str = found["Attributes"]["QueueArn"]
        return arn

    def depth(self, queue: str) -> int:
        """Messages in the queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def bucket(self, name: str, queue: str | None = None, versions: bool = False) -> str:
        """A new bucket, that tells the queue of its objects."""
        self.s3.create_bucket(Bucket=name)
        if versions:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        if queue is not None:
            told: dict[str, Any] = {"QueueArn": self.arn(queue), "Events": ["s3:ObjectCreated:*"]}
            self.s3.put_bucket_notification_configuration(
                Bucket=name, NotificationConfiguration={"QueueConfigurations": [told]}
            )
        return name

    def put(self, bucket: str, key: str, body: bytes) -> None:
        self.s3.put_object(Bucket=bucket, Key=key, Body=body)
