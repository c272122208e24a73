"""One request over HTTP: what was answered, or why nothing good was."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError

TIMEOUT = 10.0
"""Seconds for a connection, and for each part of an answer."""

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


def posted(url: str, body: bytes, headers: Mapping[str, str], now: datetime, timeout: float = TIMEOUT) -> Answer:
    """The answer to a POST.

    Raises:
        Undelivered: says why, and never where to: addresses may be secrets.
    """
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310  (see `reading.checked`)
    try:
        with urllib.request.build_opener(_Stays).open(request, timeout=timeout) as answer:
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
