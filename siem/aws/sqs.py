"""SQS as a worker needs it: messages that are taken, held, given back and deleted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from siem.aws.clients import client
from siem.aws.errors import of_settings
from siem.config import OURS, Access

TOGETHER = 10
"""Messages that SQS takes, or hands over, in one request at most."""

LONGEST_WAIT = 20
"""Seconds that SQS waits for a first message at most."""

REGION = re.compile(r"https://(?:sqs\.([a-z0-9-]+)\.amazonaws\.com|([a-z0-9-]+)\.queue\.amazonaws\.com)(?:\.cn)?/")


@dataclass(frozen=True)
class Message:
    """A message that was received. received: how often, with this time. receipt: what it is deleted by."""

    id: str
    receipt: str
    body: str
    received: int
    sent: datetime
    attributes: Any = None


@dataclass(frozen=True)
class Terms:
    """What a queue was made with. visibility: seconds that a message is hidden from others. dead: the ARN of where
    messages go that were received too often; None: nowhere."""

    visibility: int
    dead: str | None


class Queue:
    """A queue. Safe to share between threads.

    Raises, from every request:
        ConfigError: there is no such queue, or it is not for us.
        Unavailable: SQS does not answer.
    """

    def __init__(self, url: str, threads: int = 16) -> None:
        self.url = url
        self._client: Any = client("sqs", access_of(url), threads)
        self._terms: Terms | None = None

    def receive(self, most: int, wait: int = LONGEST_WAIT, visibility: int | None = None) -> list[Message]:
        """Some messages, at most so many and 10. wait: seconds for a first one. visibility: seconds that nobody else
        gets them, instead of the queue's own."""
        hidden = {} if visibility is None else {"VisibilityTimeout": visibility}
        with self._told():
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(most, TOGETHER),
                WaitTimeSeconds=wait,
                MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
                MessageAttributeNames=["All"],
                **hidden,
            )
        return [_message(given) for given in answer.get("Messages", ())]

    def delete(self, messages: Sequence[Message]) -> list[str]:
        """Ids of those that SQS did not delete: they will come again."""
        entries = [{"ReceiptHandle": message.receipt} for message in messages]
        return self._each(self._client.delete_message_batch, messages, entries)

    def hide(self, messages: Sequence[Message], seconds: int) -> list[str]:
        """Let nobody else get them for so many seconds from now on; 0: give them back. Ids of those where it failed."""
        entries = [{"ReceiptHandle": message.receipt, "VisibilityTimeout": seconds} for message in messages]
        return self._each(self._client.change_message_visibility_batch, messages, entries)

    def send(self, message: Message) -> None:
        """The same body and attributes as a new message."""
        more = {"MessageAttributes": message.attributes} if message.attributes else {}
        with self._told():
            self._client.send_message(QueueUrl=self.url, MessageBody=message.body, **more)

    def terms(self) -> Terms:
        """What the queue was made with. It is asked once."""
        if self._terms is None:
            names = ["VisibilityTimeout", "RedrivePolicy"]
            with self._told():
                answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
            given = answer.get("Attributes", {})
            policy = json.loads(given.get("RedrivePolicy") or "{}")
            self._terms = Terms(int(given.get("VisibilityTimeout", 30)), policy.get("deadLetterTargetArn"))
        return self._terms

    def dead_letters(self) -> Queue | None:
        """Where this queue sends messages that were received too often; None: nowhere."""
        if (arn := self.terms().dead) is None:
            return None
        *_, account, name = arn.split(":")
        with self._told():
            return Queue(self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])

    def _each(self, request: Any, messages: Sequence[Message], entries: Sequence[dict[str, Any]]) -> list[str]:
        failed: list[str] = []
        numbered = [{"Id": str(at), **entry} for at, entry in enumerate(entries)]
        for start in range(0, len(numbered), TOGETHER):
            with self._told():
                answer = request(QueueUrl=self.url, Entries=numbered[start : start + TOGETHER])
            failed.extend(messages[int(entry["Id"])].id for entry in answer.get("Failed", ()))
        return failed

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise of_settings(error, f"queue {self.url}") from error


def access_of(url: str) -> Access:
    """A queue's address says its region, which may be another than ours."""
    found = REGION.match(url)
    return Access(region=found[1] or found[2]) if found else OURS


def _message(given: Any) -> Message:
    told = given["Attributes"]
    sent = datetime.fromtimestamp(int(told["SentTimestamp"]) / 1_000, UTC)
    return Message(
        given["MessageId"],
        given["ReceiptHandle"],
        given["Body"],
        int(told["ApproximateReceiveCount"]),
        sent,
        _sendable(given.get("MessageAttributes")),
    )


def _sendable(attributes: Any) -> Any:
    """Attributes as they may be sent again."""
    return {
        name: {key: value for key, value in given.items() if key in ("DataType", "StringValue", "BinaryValue")}
        for name, given in (attributes or {}).items()
    }
