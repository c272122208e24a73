"""A calendar says when a team works: hours, holidays, worked days; in its zone, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.calendar import MIDNIGHT, WEEKDAYS, Calendar, load_calendar

TOKYO = """\
zone: Asia/Tokyo
hours:
  monday-thursday: [13:00-18:00, 09:00-12:00]
  friday: 22:00-06:00
country: JP
holidays:
  2026-11-30: Founding day
  12-29..01-03: New year
  2027-02-01..2027-02-02: Moving
working_days:
  2026-12-05: 10:00-15:00
  2026-11-23:
"""


def loaded(tmp_path: Path, text: str) -> Calendar:
    (tmp_path / "calendar.yml").write_text(text)
    made, errors = load_calendar(tmp_path / "calendar.yml")
    assert (errors, made is None) == ([], False)
    assert made is not None
    return made


def wrong(tmp_path: Path, text: str) -> list[tuple[int | None, str]]:
    (tmp_path / "calendar.yml").write_text(text)
    made, errors = load_calendar(tmp_path / "calendar.yml")
    assert made is None
    return [(error.line, error.message) for error in errors]


@pytest.mark.parametrize(
    ("time", "after"),
    [
        ("2026-11-24T09:00+09:00", False),  # Tuesday
        ("2026-11-24T11:59:59.999999+09:00", False),
        ("2026-11-24T12:00+09:00", True),
        ("2026-11-24T00:00Z", False),  # 09:00 in Tokyo
        ("2026-11-24T08:59Z", False),
        ("2026-11-24T09:00Z", True),  # 18:00
        ("2026-11-27T21:59+09:00", True),  # Friday
        ("2026-11-27T22:00+09:00", False),
        ("2026-11-28T05:59+09:00", False),  # the night that began on Friday
        ("2026-11-28T06:00+09:00", True),
        ("2026-11-29T10:00+09:00", True),  # Sunday
        ("2026-11-30T10:00+09:00", True),  # founding day, a Monday
        ("2026-12-28T10:00+09:00", False),
        ("2026-12-29T10:00+09:00", True),
        ("2027-01-01T23:00+09:00", True),  # a Friday
        ("2027-01-04T10:00+09:00", False),
        ("2027-02-02T10:00+09:00", True),
        ("2028-02-01T10:00+09:00", False),  # moved once
        ("2026-11-03T10:00+09:00", True),  # Culture Day, a Tuesday
        ("2026-12-05T10:00+09:00", False),  # a Saturday that is worked
        ("2026-11-23T10:00+09:00", False),  # Labor Thanksgiving Day, worked with the hours of a Monday
        ("2026-11-23T12:30+09:00", True),
    ],
)
def test_hours_holidays_and_worked_days(tmp_path: Path, time: str, after: bool) -> None:
    assert loaded(tmp_path, TOKYO).is_after_hours(datetime.fromisoformat(time)) is after


def test_a_day_is_a_working_day_if_work_begins_on_it(tmp_path: Path) -> None:
    calendar = loaded(tmp_path, TOKYO)
    found = [day for day in range(1, 31) if calendar.is_working_day(date(2026, 11, day))]
    assert found == [2, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27]
    assert calendar.holiday(date(2026, 11, 3)) == "Culture Day"
    assert calendar.holiday(date(2027, 1, 2)) == "New year"
    assert calendar.holiday(date(2026, 11, 4)) is None


def test_without_a_calendar_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "calendar.yml").write_text("# nothing yet\n")
    assert load_calendar(tmp_path / "calendar.yml") == (None, [])


def test_a_time_without_a_zone_is_at_no_place_of_a_calendar(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        loaded(tmp_path, TOKYO).is_after_hours(datetime(2026, 11, 24, 9))


@pytest.mark.parametrize("time", [datetime.min, datetime.max])
@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_a_time_at_the_end_of_all_times_is_no_error(tmp_path: Path, time: datetime, zone: str) -> None:
    calendar = loaded(tmp_path, TOKYO.replace("Asia/Tokyo", zone))
    assert calendar.is_after_hours(time.replace(tzinfo=UTC)) in (True, False)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("Asia/Tokyo", "Asia/Tokio", 1, "there is no zone Asia/Tokio"),
        ("Asia/Tokyo", "../etc/passwd", 1, "there is no zone"),
        ("Asia/Tokyo", "Asia", 1, "there is no zone"),
        ("zone: Asia/Tokyo\n", "", 1, "`zone` is needed"),
        ("monday-thursday", "mondays", 3, "mondays is no weekday"),
        ("friday", "tuesday", 4, "tuesday stands twice"),
        ("09:00-12:00", "9-12", 3, "9-12 is no span"),
        ("09:00-12:00", "09:00-24:01", 3, "is no span"),
        ("09:00-12:00", "09:00-09:00", 3, "all day is 00:00-24:00"),
        ("09:00-12:00", "09:00-13:01", 3, "a time in common"),
        ("country: JP", "country: zz", 5, "no public holidays are known of `zz`"),
        ("country: JP", "country: us-zz", 5, "no public holidays are known of `us-zz`"),
        ("2026-11-30", "2026-11-31", 7, "2026-11-31 is no date"),
        ("12-29..01-03", "12-29..2027-01-03", 8, "is no date"),
        ("2027-02-01..2027-02-02", "2027-02-02..2027-02-01", 9, "is no date"),
        (": Moving", ":", 9, "needs a name"),
        ("2026-12-05: 10:00-15:00", "2026-12-05:", 11, "saturday has no hours"),
        ("2026-12-05: 10", "12-05: 10", 11, "12-05 is no date"),
        ("country", "land", 5, "a calendar has no `land`"),
        ("zone:", "- zone:", 2, "not YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    ((at, message),) = wrong(tmp_path, TOKYO.removesuffix("  2026-11-23:\n").replace(old, new, 1))
    assert (at, said in message) == (line, True), (at, message)


def test_all_that_is_wrong_is_told(tmp_path: Path) -> None:
    text = TOKYO.replace("Tokyo", "Tokio").replace("friday", "freitag").replace("11-30", "11-31")
    assert [line for line, _ in wrong(tmp_path, text)] == [1, 4, 7]


def test_norway_is_a_country(tmp_path: Path) -> None:
    calendar = loaded(tmp_path, TOKYO.replace("country: JP", "country: no"))
    assert calendar.holiday(date(2026, 5, 17)) == "Constitution Day"


def test_years_of_which_no_holidays_are_known_have_none_and_nobody_is_warned(tmp_path: Path) -> None:
    calendar = loaded(tmp_path, TOKYO.replace("country: JP", "country: in"))
    assert calendar.holiday(date(2000, 1, 26)) in (None, "Republic Day")
    assert calendar.holiday(date(2026, 1, 26)) == "Republic Day"


TURNS = {
    "Europe/Berlin": datetime(2026, 10, 25, tzinfo=UTC),
    "America/New_York": datetime(2026, 3, 8, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, tzinfo=UTC),  # half an hour
    "Asia/Pyongyang": datetime(2018, 5, 4, tzinfo=UTC),  # the zone itself changed, at 23:30
    "Asia/Tokyo": datetime(2026, 11, 24, tzinfo=UTC),
}
"""Zones, and a day in which their clocks are set."""

EDGE = st.one_of(st.sampled_from([0, 30, 60, 90, 120, 150, 180, 1410, 1439]), st.integers(0, MIDNIGHT - 1))
SPANS = st.tuples(EDGE, EDGE).filter(lambda span: span[0] != span[1])
WEEK = st.dictionaries(st.integers(0, 6), SPANS, max_size=7)


def minutes(start: date, span: tuple[int, int]) -> set[tuple[date, int, int]]:
    """Each minute of a span as a clock on the wall shows it, by walking from one to the next."""
    at, seen = datetime(start.year, start.month, start.day) + timedelta(minutes=span[0]), set()
    while not seen or at.hour * 60 + at.minute != span[1] % MIDNIGHT:
        seen.add((at.date(), at.hour, at.minute))
        at += timedelta(minutes=1)
    return seen


@given(st.sampled_from(sorted(TURNS)), WEEK, st.sets(st.integers(-2, 3)), st.dictionaries(st.integers(-2, 3), SPANS))
def test_every_minute_around_a_turn_of_clocks_is_as_the_wall_clock_says(
    zone: str, week: dict[int, tuple[int, int]], off: set[int], on: dict[int, tuple[int, int]]
) -> None:
    turn = TURNS[zone]
    days = {more: turn.date() + timedelta(days=more) for more in range(-3, 4)}
    lines = [f"zone: {zone}", "hours:", *[f"  {name}: {written(week.get(day))}" for day, name in enumerate(WEEKDAYS)]]
    lines += ["holidays:", *[f"  {days[more]}: Day off" for more in off]]
    lines += ["working_days:", *[f"  {days[more]}: {written(span)}" for more, span in on.items()]]
    calendar = from_text("\n".join(lines))
    worked: set[tuple[date, int, int]] = set()
    for more, day in days.items():
        span = on.get(more) or (None if more in off else week.get(day.weekday()))
        worked |= minutes(day, span) if span else set()
    for minute in range(-24 * 60, 48 * 60):
        time = turn + timedelta(minutes=minute)
        wall = time.astimezone(ZoneInfo(zone))
        assert calendar.is_after_hours(time) == ((wall.date(), wall.hour, wall.minute) not in worked), wall


def written(span: tuple[int, int] | None) -> str:
    if span is None:
        return "[]"
    start, end = (f"{edge // 60:02}:{edge % 60:02}" for edge in span)
    return f"{start}-{end}"


def from_text(text: str) -> Calendar:
    with TemporaryDirectory() as folder:
        return loaded(Path(folder), text)
