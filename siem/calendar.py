"""When a team works: hours of its weekdays, holidays, and days that are worked all the same.

`calendar.yml` of a content folder:

    zone: Asia/Tokyo
    hours:
      monday-thursday: [09:00-12:00, 13:00-18:00]
      friday: 22:00-06:00             # ends on Saturday; a weekday that is not named is a day off
    country: jp                       # its public holidays are days off
    holidays:
      2026-11-30: Founding day        # once
      12-29..01-03: New year          # each year; 2026-12-29..2027-01-03 would be once
    working_days:
      2026-12-05: 10:00-15:00         # although a day off; without hours those of its weekday

Times are what a clock on the wall shows: an hour that a clock passes twice is twice in a span, or twice outside.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from yaml import ScalarNode

from siem.documents import Document, mapping
from siem.errors import ContentError
from siem.problem import Place, Problem, Problems

DAY = timedelta(days=1)
MIDNIGHT = 24 * 60
KEYS = ("zone", "hours", "country", "holidays", "working_days")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SPAN = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)")
DATE = re.compile(r"(?:(\d{4})-)?(\d\d)-(\d\d)")
LEAP = 2000
"""A year that has every day."""

EARLIEST, LATEST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
"""Times whose neighbours there are in every zone; logs may name others."""

Span = tuple[int, int]
"""From a minute of a day until before another, counted from its midnight; beyond 1,440 is the day after."""


@dataclass(frozen=True, slots=True)
class Holiday:
    """Days off. first, last: (month, day) of each year, or (year, month, day)."""

    name: str
    first: tuple[int, ...]
    last: tuple[int, ...]

    def holds(self, day: date) -> bool:
        at = (day.year, day.month, day.day)[-len(self.first) :]
        if self.first <= self.last:
            return self.first <= at <= self.last
        return at >= self.first or at <= self.last  # over the turn of the year


@dataclass(frozen=True)
class Calendar:
    """When a team works.

    hours: weekday (Monday is 0) -> spans. country: as `jp` or `us-ca`; its public holidays are days off.
    working: days that are worked whatever else is said, with their spans.
    """

    zone: ZoneInfo
    hours: Mapping[int, tuple[Span, ...]]
    holidays: tuple[Holiday, ...] = ()
    country: str | None = None
    working: Mapping[date, tuple[Span, ...]] = field(default_factory=dict)

    def is_after_hours(self, time: datetime) -> bool:
        """No span of its day holds the time, and none that began on the day before.

        Raises:
            ValueError: the time has no zone.
        """
        if time.tzinfo is None:
            raise ValueError("a time without a zone is at no place of a calendar")
        here = min(max(time, EARLIEST), LATEST).astimezone(self.zone)
        minute = here.hour * 60 + here.minute
        if any(start <= minute < end for start, end in self.spans(here.date())):
            return False
        return not any(minute + MIDNIGHT < end for _, end in self.spans(here.date() - DAY))

    def is_working_day(self, day: date) -> bool:
        """Work begins on this day."""
        return bool(self.spans(day))

    def spans(self, day: date) -> tuple[Span, ...]:
        """The hours that begin on this day."""
        if day in self.working:
            return self.working[day]
        return () if self.holiday(day) else self.hours.get(day.weekday(), ())

    def holiday(self, day: date) -> str | None:
        """The name of the holiday that the day is."""
        own = next((one.name for one in self.holidays if one.holds(day)), None)
        return own or (public_holidays(self.country, day.year).get(day) if self.country else None)


@cache
def public_holidays(country: str, year: int) -> Mapping[date, str]:
    """The public holidays of a year with their names, by the library `holidays`; none of years that it does not know.

    Raises:
        LookupError: it does not know the country, or the part of it.
    """
    from holidays import country_holidays  # 40 ms, for those whose calendar names a country

    code, _, part = country.upper().partition("-")
    try:
        with warnings.catch_warnings():  # of years that it does not know
            warnings.simplefilter("ignore", UserWarning)
            return dict(country_holidays(code, subdiv=part or None, years=year, language="en_US"))
    except NotImplementedError as error:
        raise LookupError(country) from error


def load_calendar(path: Path) -> tuple[Calendar | None, list[ContentError]]:
    """The calendar of a file, None where it is empty or something is wrong with it; and what is."""
    errors: list[ContentError] = []
    document = mapping(path, errors)
    if document is None:
        return None, errors
    problems = Problems()
    made = _Reading(document, problems).calendar()
    errors += [document.error(problem.message, problem.place) for problem in problems.found]
    return (None if errors else made), errors


class _Reading:
    """Reads a calendar; what is wrong goes to `problems`, and then it is not to be used."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document, self._problems = document, problems
        self._content: dict[Any, Any] = document.content
        for key in self._content:
            if key not in KEYS:
                problems.add(f"a calendar has no `{key}`; there is: {', '.join(KEYS)}", str(key))

    def calendar(self) -> Calendar | None:
        zone = self._problems.attempt(("zone",), partial(zone_named, self._content.get("zone")))
        hours = dict(self._hours())
        if not hours:
            self._problems.add("`hours` are needed: `monday-friday: 09:00-18:00`", "hours")
        holidays, country = tuple(self._holidays()), self._country()
        working = dict(self._working(hours))
        return Calendar(zone, hours, holidays, country, working) if zone else None

    def _section(self, name: str) -> Iterator[tuple[str, Any, Place]]:
        """The pairs of a mapping, and where they stand."""
        given = self._content.get(name) or {}
        if not isinstance(given, dict):
            self._problems.add(f"`{name}` must be a mapping", name)
            return
        for key, value in given.items():
            yield str(key), value, (name, str(key))

    def _hours(self) -> Iterator[tuple[int, tuple[Span, ...]]]:
        seen: set[int] = set()
        for key, value, place in self._section("hours"):
            days = self._problems.attempt(place, partial(weekdays, key)) or []
            spans = self._problems.attempt(place, partial(spans_in, value))
            for day in days:
                if day in seen:
                    self._problems.add(f"{WEEKDAYS[day]} stands twice", *place)
                seen.add(day)
                yield day, spans or ()

    def _holidays(self) -> Iterator[Holiday]:
        for key, name, place in self._section("holidays"):
            if not isinstance(name, str) or not name.strip():
                self._problems.add(f"{key} needs a name: `{key}: New year`", *place)
            elif (made := self._problems.attempt(place, partial(holiday, key, name))) is not None:
                yield made

    def _working(self, hours: Mapping[int, tuple[Span, ...]]) -> Iterator[tuple[date, tuple[Span, ...]]]:
        for key, value, place in self._section("working_days"):
            try:
                day = date.fromisoformat(key)
            except ValueError:
                self._problems.add(f"{key} is no date: write 2026-12-05", *place)
                continue
            spans = self._problems.attempt(place, partial(spans_in, value))
            if spans == ():
                spans = hours.get(day.weekday(), ())
            if spans == ():
                self._problems.add(f"{WEEKDAYS[day.weekday()]} has no hours: `{key}: 09:00-18:00`", *place)
            yield day, spans or ()

    def _country(self) -> str | None:
        if self._content.get("country") is None:
            return None
        node = self._document.below(("country",))
        country = node.value.lower() if isinstance(node, ScalarNode) else ""  # as written: `no` is Norway
        try:
            public_holidays(country, LEAP)
        except LookupError:
            self._problems.add(f"no public holidays are known of `{country}`: write jp, or us-ca", "country")
        return country


def zone_named(name: Any) -> ZoneInfo:
    """Raises: Problem."""
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    said = "`zone` is needed" if name is None else f"there is no zone {name}"
    raise Problem(f"{said}: write a name of the IANA time zone database, as Asia/Tokyo")


def weekdays(text: str) -> list[int]:
    """Of `monday`, or of `monday-friday`, which may go over Sunday.

    Raises:
        Problem: it is neither.
    """
    first, _, last = text.lower().partition("-")
    if not {first, last or first} <= set(WEEKDAYS):
        raise Problem(f"{text} is no weekday: write monday, or monday-friday")
    start = WEEKDAYS.index(first)
    return [(start + more) % 7 for more in range((WEEKDAYS.index(last or first) - start) % 7 + 1)]


def spans_in(value: Any) -> tuple[Span, ...]:
    """Of a text or a list of them, in order.

    Raises:
        Problem: they cannot be read, or two have a time in common.
    """
    listed = value if isinstance(value, list) else [] if value is None else [value]
    spans = tuple(sorted(map(_span, listed)))
    for (_, end), (start, _) in pairwise(spans):
        if start < end:
            raise Problem("two spans have a time in common")
    return spans


def _span(text: Any) -> Span:
    found = SPAN.fullmatch(text) if isinstance(text, str) else None
    start, end = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
    if start == end or start >= MIDNIGHT or end > MIDNIGHT:
        raise Problem(f"{text} is no span of a day: write 09:00-18:00, or 22:00-06:00; all day is 00:00-24:00")
    return start, end if end > start else end + MIDNIGHT


def holiday(text: str, name: str) -> Holiday:
    """Of `2026-11-30`, `11-30`, or two of a kind with `..` between them.

    Raises:
        Problem: it is none of them.
    """
    first, _, last = text.partition("..")
    days = _dates((first, last or first))
    if len(days) < 2 or len(days[0]) != len(days[1]) or (len(days[0]) == 3 and days[1] < days[0]):
        raise Problem(f"{text} is no date: write 2026-11-30, 11-30 for each year, or 12-29..01-03")
    return Holiday(name.strip(), days[0], days[1])


def _dates(texts: Iterable[str]) -> list[tuple[int, ...]]:
    """Those that there are."""
    made = []
    for text in texts:
        if found := DATE.fullmatch(text.strip()):
            parts = [int(part) for part in found.groups() if part is not None]
            try:
                date(*(parts if len(parts) == 3 else [LEAP, *parts]))
            except ValueError:
                continue
            made.append(tuple(parts))
    return made
