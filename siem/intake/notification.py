"""What a message of a queue says: objects to read, what is no news, and what cannot be understood. Pure.

Forms: S3's own (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), the same in
an SNS envelope, EventBridge's (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html) and CloudTrail's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

LONGEST = 1 << 20
"""Bytes of a message, as SQS takes them at most."""

LONGEST_KEY = 1_024
"""Bytes of a key, and of a version's id, as S3 takes them at most."""

BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{2,254}")
DOTS = frozenset((".", ".."))


@dataclass(frozen=True)
class Named:
    """An object that a message names. version: S3's id of it, where the bucket keeps versions."""

    bucket: str
    key: str
    version: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Refusal:
    """A part of a message that can never come to anything. named: the object that it is about, where that is known."""

    reason: str
    named: Named | None = None


@dataclass(frozen=True)
class Notice:
    """What a message says. objects: each once. ignored: why parts of it are no news."""

    objects: tuple[Named, ...] = ()
    ignored: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()


class _Refused(Exception):
    """A part of the message is not what it should be."""

    def __init__(self, reason: str, named: Named | None = None) -> None:
        super().__init__(reason)
        self.refusal = Refusal(reason, named)


class _Ignored(Exception):
    """A part of the message is no news."""


Part = Callable[[], Named]


def notice(body: str | bytes, buckets: Collection[str]) -> Notice:
    """What the body of a message says, whatever it is. buckets: those that may be read; others are refused."""
    try:
        parts = _parts(_decoded(body))
    except _Refused as refused:
        return Notice(refused=(refused.refusal,))
    except _Ignored as ignored:
        return Notice(ignored=(str(ignored),))
    return _summed(parts, buckets)


def _summed(parts: Iterable[Part], buckets: Collection[str]) -> Notice:
    objects: dict[Named, None] = {}
    ignored: list[str] = []
    refused: list[Refusal] = []
    for part in parts:
        try:
            objects[_allowed(part(), buckets)] = None
        except _Refused as problem:
            refused.append(problem.refusal)
        except _Ignored as news:
            ignored.append(str(news))
    return Notice(tuple(objects), tuple(ignored), tuple(refused))


def _decoded(body: str | bytes) -> Any:
    """The JSON. A name that comes twice is refused: two readers would understand two things."""
    if len(body) > LONGEST:
        raise _Refused(f"longer than {LONGEST:,} bytes")
    try:
        return json.loads(body, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise _Refused("nested too deeply") from None
    except ValueError as error:  # also: not UTF-8, a number of too many digits
        raise _Refused(f"no JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has a name twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _parts(document: Any, enveloped: bool = False) -> Iterable[Part]:
    """A part for each object that the message may name."""
    match document:
        case {"Records": list(records)}:
            return [_part(_of_record, record) for record in records]
        case {"detail-type": kind, "source": "aws.s3", "detail": detail}:
            return [_part(_of_event, (kind, detail))]
        case {"s3Bucket": bucket, "s3ObjectKey": list(keys)}:
            return [_part(_of_trail, (bucket, key)) for key in keys]
        case {"Service": "Amazon S3", "Event": "s3:TestEvent"}:
            raise _Ignored("S3 tests whether it may send")
        case {"Type": "Notification", "Message": str(message)} if not enveloped:
            return _parts(_decoded(message), enveloped=True)
        case {"Type": "SubscriptionConfirmation"}:
            raise _Refused("SNS asks for the subscription to be confirmed; confirm it at the topic")
    raise _Refused("no notification of an object, in any form that is known")


def _part(read: Callable[[Any], Named], given: Any) -> Part:
    return lambda: read(given)


def _of_record(record: Any) -> Named:
    """A record of S3's own form. Its key is encoded as in a form, with a plus for a space."""
    match record:
        case {"eventSource": "aws:s3", "eventName": str(event)} if not _is_creation(event):
            raise _Ignored(f"{event} is no new object")
        case {"eventSource": "aws:s3", "eventName": str(), "s3": {"bucket": {"name": bucket}, "object": dict(thing)}}:
            return _named(bucket, _unquoted(thing.get("key")), thing.get("versionId"), thing.get("size"))
    raise _Refused("a record is not one of S3's")


def _is_creation(event: str) -> bool:
    return event.removeprefix("s3:").startswith("ObjectCreated:")


def _of_event(event: tuple[Any, Any]) -> Named:
    """What EventBridge delivers. Its key is as it is."""
    kind, detail = event
    if kind != "Object Created":
        raise _Ignored(f"{kind} is no new object")
    match detail:
        case {"bucket": {"name": bucket}, "object": dict(thing)}:
            return _named(bucket, thing.get("key"), thing.get("version-id"), thing.get("size"))
    raise _Refused("an event of S3 names no object")


def _of_trail(names: tuple[Any, Any]) -> Named:
    """CloudTrail's own form. Its keys are as they are."""
    return _named(*names)


def _unquoted(key: Any) -> Any:
    try:
        return unquote_plus(key, errors="strict") if isinstance(key, str) else key
    except UnicodeDecodeError:
        raise _Refused("a key is not UTF-8") from None


def _named(bucket: Any, key: Any, version: Any = None, size: Any = None) -> Named:
    """The object of these values, whatever they are."""
    if not isinstance(bucket, str) or not BUCKET.fullmatch(bucket):
        raise _Refused("a bucket's name cannot be one")
    if not isinstance(key, str) or not _fits(key):
        raise _Refused(f"a key is no text of 1 to {LONGEST_KEY:,} bytes")
    if version is not None and not (isinstance(version, str) and _fits(version)):
        raise _Refused("a version's id cannot be one")
    if size == 0 and key.endswith("/"):
        raise _Ignored("a folder")
    return Named(bucket, key, version)


def _fits(text: str) -> bool:
    try:
        return 0 < len(text.encode()) <= LONGEST_KEY
    except UnicodeEncodeError:
        return False


def _allowed(named: Named, buckets: Collection[str]) -> Named:
    """The object, if a message may make us read it."""
    if named.bucket not in buckets:
        raise _Refused("the bucket is not one that may be read (SIEM_BUCKETS)", named)
    if DOTS & set(named.key.split("/")):
        raise _Refused("a key with `.` or `..` for a folder may mean another object on the way to S3", named)
    return named
