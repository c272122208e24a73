"""notify.yml of a content folder: channels, and which alerts go where.

channels:
  ops:
    slack: {token: "${ENV:SLACK_TOKEN}", channel: C0123456789}
    quiet: 22:00-07:00              # not for critical alerts; in the zone of calendar.yml
    digest: {at: "09:00", below: medium}
    limit: {messages: 30, within: 10m}
  tickets:
    webhook: {url: "https://tickets.example.com/alerts", secret: file:/run/secrets/tickets}
  pager:
    apprise: "${ENV:PAGER_URL}"
routes:
  - {channels: [ops, tickets], level: medium}
  - {channels: pager, level: critical, environments: [production]}   # also: tags, accounts
escalation:
  - {channel: pager, level: high, after: 30m}                        # still open then
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from siem.calendar import Span, spans_in
from siem.documents import Document, mapping
from siem.errors import ContentError
from siem.present.notify.secrets import Secret, secret
from siem.present.notify.team import Channel, Digest, Escalation, Kind, Limit, Notify, Route, Target
from siem.problem import Place, Problem, Problems
from siem.sigma import LEVELS
from siem.sigma.spans import span

T = TypeVar("T")
SECTIONS = ("channels", "routes", "escalation")
KINDS = ("slack", "webhook", "apprise")
OPTIONS = ("quiet", "digest", "limit")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
HERE = ("127.0.0.1", "::1", "localhost")
"""Hosts that may be reached without TLS."""


def load_notify(path: Path, zone: ZoneInfo) -> tuple[Notify | None, list[ContentError]]:
    """What a file says; or None, and what is wrong with it: read in part it would leave somebody untold."""
    errors: list[ContentError] = []
    document = mapping(path, errors)
    if document is None:
        return (None if errors else Notify(zone=zone)), errors
    problems = Problems()
    made = _Reading(document, problems).notify(zone)
    errors += [document.error(problem.message, problem.place) for problem in problems.found]
    return (None if errors else made), errors


class _Reading:
    """Reads a document; what is wrong goes to `problems`."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._content: Mapping[Any, Any] = document.content
        self._problems = problems
        for key in self._content:
            if key not in SECTIONS:
                problems.add(f"notify.yml has no `{key}`; there is: {', '.join(SECTIONS)}", str(key))

    def notify(self, zone: ZoneInfo) -> Notify:
        given = self._content.get("channels") or {}
        if not isinstance(given, dict):
            self._problems.add("`channels` must be a mapping of names to channels", "channels")
            given = {}
        read = self._each({str(name): (("channels", str(name)), value) for name, value in given.items()}, channel)
        known = frozenset(map(str, given))
        routes = self._each(self._listed("routes"), partial(_route, known))
        escalations = self._each(self._listed("escalation"), partial(_escalation, known))
        if read and not routes and "routes" not in self._content:
            self._problems.add("no alert goes anywhere: `routes` are needed")
        return Notify(read, tuple(routes.values()), tuple(escalations.values()), zone)

    def _listed(self, section: str) -> dict[int, tuple[Place, Any]]:
        given = self._content.get(section) or []
        if not isinstance(given, list):
            self._problems.add(f"`{section}` must be a list", section)
            return {}
        return {number: ((section, number), value) for number, value in enumerate(given)}

    def _each(self, given: Mapping[Any, tuple[Place, Any]], read: Callable[[Any, Any], T]) -> dict[Any, T]:
        found = {}
        for name, (place, value) in given.items():
            if (made := self._problems.attempt(place, partial(read, name, value))) is not None:
                found[name] = made
        return found


def channel(name: str, given: Any) -> Channel:
    """Raises: Problem."""
    if not NAME.fullmatch(name):
        raise Problem(f"`{name}` is no name of a channel: use letters, digits, `-` and `_`")
    kinds = [kind for kind in KINDS if kind in given] if isinstance(given, dict) else []
    if len(kinds) != 1:
        raise Problem(f"a channel is one of {', '.join(KINDS)}")
    _known(given, (*kinds, *OPTIONS))
    target = _at((kinds[0],), lambda: TARGETS[kinds[0]](given[kinds[0]]))
    return Channel(
        name,
        target,
        quiet=_at(("quiet",), lambda: _quiet(given.get("quiet"))),
        digest=_at(("digest",), lambda: _digest(given["digest"])) if given.get("digest") else None,
        limit=_at(("limit",), lambda: _limit(given["limit"])) if given.get("limit") else Limit(),
    )


def _slack(given: Any) -> Target:
    _known(given, ("webhook", "token", "channel", "api"))
    if "webhook" in given:
        return Target(Kind.SLACK_WEBHOOK, address=secret(given["webhook"], "webhook"))
    room = given.get("channel")
    if "token" not in given or not isinstance(room, str) or not room.strip():
        raise Problem("Slack needs `token` and `channel`, or `webhook`")
    token, api = secret(given["token"], "token"), checked(given.get("api", Target.api))
    return Target(Kind.SLACK, token=token, room=room.strip(), api=f"{api.rstrip('/')}/")


def _webhook(given: Any) -> Target:
    _known(given, ("url", "secret"))
    url = given.get("url")
    try:
        address = secret(url, "url")
    except Problem:
        address = Secret(checked(url))
    return Target(Kind.WEBHOOK, address, secret=secret(given["secret"], "secret") if "secret" in given else None)


def _apprise(given: Any) -> Target:
    return Target(Kind.APPRISE, secret(given, "apprise"))


TARGETS: Mapping[str, Callable[[Any], Target]] = {"slack": _slack, "webhook": _webhook, "apprise": _apprise}


def checked(url: object) -> str:
    """An address that messages may be sent to.

    Raises:
        Problem: it is none.
    """
    try:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        well = bool(parts.hostname) and (parts.port or True) and "@" not in parts.netloc
    except ValueError:
        well = False
    if not well or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in HERE)):
        raise Problem("an address is https://HOST/…, without name and password; http is for this machine alone")
    return str(url)


def _quiet(given: Any) -> tuple[Span, ...]:
    return spans_in(given)


def _digest(given: Any) -> Digest:
    _known(given, ("at", "below"))
    found = CLOCK.fullmatch(str(given.get("at")))
    if not found:
        raise Problem('a digest needs a time of day: `at: "09:00"`', ("at",))
    return Digest(int(found[1]) * 60 + int(found[2]), level(given.get("below", "high"), "below"))


def _limit(given: Any) -> Limit:
    _known(given, ("messages", "within"))
    messages = given.get("messages")
    if isinstance(messages, bool) or not isinstance(messages, int) or messages < 1:
        raise Problem("a limit needs a number of `messages`, 1 or more", ("messages",))
    return Limit(messages, _span(given.get("within", "10m"), "within"))


def _route(known: frozenset[str], number: int, given: Any) -> Route:
    _known(given, ("channels", "level", "tags", "accounts", "environments"))
    names = texts(given, "channels")
    if not names:
        raise Problem("a route needs `channels`")
    for name in names:
        _is_channel(name, known)
    return Route(
        names,
        level(given.get("level", LEVELS[0]), "level"),
        frozenset([tag.lower() for tag in texts(given, "tags")]),
        frozenset(texts(given, "accounts")),
        frozenset([name.lower() for name in texts(given, "environments")]),
    )


def _escalation(known: frozenset[str], number: int, given: Any) -> Escalation:
    _known(given, ("channel", "level", "after"))
    name = given.get("channel")
    _is_channel(str(name), known)
    return Escalation(str(name), _span(given.get("after"), "after"), level(given.get("level", "high"), "level"))


def _is_channel(name: str, known: frozenset[str]) -> None:
    if name not in known:
        raise Problem(f"there is no channel {name}; there is: {', '.join(sorted(known)) or 'none'}")


def level(value: Any, *place: str) -> str:
    """Raises: Problem."""
    if not isinstance(value, str) or value.lower() not in LEVELS:
        raise Problem(f"{value} is no level; there are: {', '.join(LEVELS)}", place)
    return value.lower()


def texts(given: Mapping[Any, Any], key: str) -> tuple[str, ...]:
    """A text, or a list of them.

    Raises:
        Problem: it is neither.
    """
    value = given.get(key)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    for one in listed:
        if not isinstance(one, str) or not one.strip():
            raise Problem(f"`{key}` are texts; {one!r} is none: put it into quotes", (key,))
    return tuple(listed)


def _span(value: Any, key: str) -> timedelta:
    if value is None:
        raise Problem(f"`{key}` needs a time, as 30m")
    return _at((key,), lambda: span(value, key))


def _known(given: Any, keys: tuple[str, ...]) -> None:
    if not isinstance(given, dict):
        raise Problem(f"this must be a mapping of {', '.join(keys)}")
    for key in given:
        if key not in keys:
            raise Problem(f"there is no `{key}` here; there is: {', '.join(keys)}", (str(key),))


def _at(place: Place, read: Callable[[], T]) -> T:
    try:
        return read()
    except Problem as problem:
        raise Problem(problem.message, (*place, *problem.place)) from None
