"""One request over HTTP: what was answered, or why nothing good was."""

from __future__ import annotations

import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.error import HTTPError, URLError

TIMEOUT, WHOLE = 10.0, 30.0
"""Seconds for a connection and for each part of an answer; and for all of it, which may come a byte at a time."""

MOST = 64 << 10
"""Bytes of an answer that are read."""

AGAIN = frozenset((408, 409, 425, 429))
"""Of 400 to 499 those that may go well another time."""

LONGEST_WAIT = timedelta(hours=1)


class Undelivered(Exception):
    """A message was not taken, or perhaps it was: nobody can tell. final: it never will be. wait: as asked for."""

    def __init__(self, reason: str, final: bool = False, wait: timedelta | None = None) -> None:
        super().__init__(reason)
        self.reason, self.final, self.wait = reason, final, wait


@dataclass(frozen=True)
class Answer:
    """Of a request that went well."""

    status: int
    body: bytes


class _Stays(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a message is for the address that was set, and no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def posted(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
    timeout: float = TIMEOUT,
    whole: float = WHOLE,
) -> Answer:
    """The answer to a POST.

    Raises:
        Undelivered: says why, and never where to: addresses may be secrets.
    """
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310  (see `reading.checked`)
    try:
        with _bounded(whole) as opener, opener.open(request, timeout=timeout) as answer:
            body = answer.read(MOST)
            if len(body) < MOST and answer.length:
                raise Undelivered("no whole answer: it ends early")
            return Answer(answer.status, body)
    except HTTPError as error:
        with error:
            raise _refused(error.code, error.headers.get("Retry-After"), _said(error), now) from None
    except URLError as error:
        raise Undelivered(f"no connection: {_reason(error.reason)}") from None
    except (OSError, HTTPException) as error:
        raise Undelivered(f"no whole answer: {_reason(error)}") from None
    except ValueError:
        raise Undelivered("the address is none that can be asked") from None


@contextmanager
def _bounded(whole: float) -> Iterator[urllib.request.OpenerDirector]:
    """What opens connections that are cut after so many seconds, whatever comes through them."""
    watches: list[threading.Timer] = []

    def watched(kind: type[HTTPConnection]) -> type[HTTPConnection]:
        class Connection(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                watches.append(threading.Timer(whole, _cut, [self.sock]))
                watches[-1].daemon = True
                watches[-1].start()

        return Connection

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(watched(HTTPConnection), request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> Any:
            return self.do_open(watched(HTTPSConnection), request, context=ssl.create_default_context())

    try:
        yield urllib.request.build_opener(_Stays, Http, Https)
    finally:
        for watch in watches:
            watch.cancel()


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # it has ended
        connection.shutdown(socket.SHUT_RDWR)


def _refused(status: int, after: str | None, said: str, now: datetime) -> Undelivered:
    told = f"answered {status}" + (f": {said}" if said else "")
    if 300 <= status < 400:
        return Undelivered(f"answered {status}, a redirect, which is not followed: set the address that it leads to")
    final = 400 <= status < 500 and status not in AGAIN
    return Undelivered(told, final, None if final else waiting(after, now))


def waiting(after: str | None, now: datetime) -> timedelta | None:
    """What `Retry-After` says, seconds or a date; at most an hour."""
    if not after:
        return None
    try:
        found = timedelta(seconds=int(after)) if after.strip().isdigit() else parsedate_to_datetime(after) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(found, timedelta()), LONGEST_WAIT)


def _said(error: HTTPError) -> str:
    """The beginning of an answer, in one line: many services say there what they miss."""
    try:
        text = error.read(200).decode("utf-8", "replace")
    except (OSError, HTTPException):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "it took too long"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
