"""How a notice gets to a channel of each kind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson

from siem.errors import ConfigError
from siem.present.notify import Channel, Kind, Secret, Target, slack, webhook, words
from siem.present.notify.reading import checked
from siem.problem import Problem
from siem.run.notifying.posting import Undelivered, posted
from siem.store.outbox import Notice

TAKEN = "taken"
"""What a message is called in channels that give it no name."""

PASSING = frozenset(
    ("ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout")
)
"""Errors of Slack's API that may be none the next time."""

GONE = frozenset(("message_not_found", "cant_update_message", "edit_window_closed", "is_inactive"))
"""Errors that say that a message cannot be edited any more: a new one is posted."""

JSON = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "hinomi"}


def send(channel: Channel, notice: Notice, now: datetime) -> str:
    """Send a notice; what the channel calls the message, never "".

    Raises:
        Undelivered: it was not taken, as far as anybody knows. No secret is in what it says.
    """
    try:
        return SENDING[channel.target.kind](channel.target, notice, now)
    except ConfigError as error:
        raise Undelivered(str(error)) from None
    except (LookupError, TypeError, UnicodeError) as error:  # a body of another version
        raise Undelivered(f"it cannot be written as a message: {type(error).__name__}", final=True) from error


def _webhook(target: Target, notice: Notice, now: datetime) -> str:
    body = webhook.content(notice)
    secret = target.secret.read() if target.secret else None
    posted(_address(target.address), body, webhook.headers(notice, body, secret, now), now)
    return TAKEN


def _slack_webhook(target: Target, notice: Notice, now: datetime) -> str:
    posted(_address(target.address), orjson.dumps(slack.message(notice.body)), JSON, now)
    return TAKEN


def _slack(target: Target, notice: Notice, now: datetime) -> str:
    message = slack.message(notice.body)
    room, _, ts = notice.ref.partition(":")
    if ts:
        answer = _asked(target, "chat.update", {"channel": room, "ts": ts, **message}, now)
        if answer.get("ok"):
            return notice.ref
        if answer.get("error") not in GONE:
            raise _slack_refused(answer)
    answer = _asked(target, "chat.postMessage", {"channel": target.room, **message}, now)
    if not answer.get("ok"):
        raise _slack_refused(answer)
    return f"{answer.get('channel', target.room)}:{answer.get('ts', '')}"


def _asked(target: Target, method: str, body: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    token = target.token.read() if target.token else ""
    if not token.isascii() or not token.isprintable():
        raise Undelivered("the token is none: it has characters that no header may have")
    answer = posted(f"{target.api}{method}", orjson.dumps(body), JSON | {"Authorization": f"Bearer {token}"}, now)
    try:
        found = orjson.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Undelivered("Slack answered something that is no JSON object")
    return found


def _slack_refused(answer: Mapping[str, Any]) -> Undelivered:
    error = str(answer.get("error", "an error without a name"))[:100]
    return Undelivered(f"Slack says {words.plain(error)}", final=error not in PASSING)


def _apprise(target: Target, notice: Notice, now: datetime) -> str:
    from apprise import Apprise, NotifyFormat  # 100 services: half a second, for those who use it

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it writes addresses, with what is secret in them
    one = Apprise()
    if not all(one.add(url) for url in (target.address.read() if target.address else "").split()) or not len(one):
        raise Undelivered("apprise does not know this kind of address")
    body = "\n".join(words.lines(notice.body, words.inert))
    title = words.inert(words.headline(notice.body))
    if not one.notify(body=body or title, title=title, body_format=NotifyFormat.TEXT, interpret_escapes=False):
        raise Undelivered("the service did not take it; apprise does not say why", wait=timedelta(minutes=1))
    return TAKEN


def _address(secret: Secret | None) -> str:
    try:
        return checked(secret.read() if secret else None)
    except Problem as problem:
        raise Undelivered(problem.message) from None


SENDING: Mapping[Kind, Callable[[Target, Notice, datetime], str]] = {
    Kind.WEBHOOK: _webhook,
    Kind.SLACK: _slack,
    Kind.SLACK_WEBHOOK: _slack_webhook,
    Kind.APPRISE: _apprise,
}
