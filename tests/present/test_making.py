"""News come to notices: new, growing, withdrawn, gathered, escalated; and the same news again to the same notices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from alerts import ALERT, DAY, HOUR, MINUTE, NOW, chat, news, notify, numbered, webhook
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.present.notify import Notify, Sort, Standing, Words, keys, made
from siem.present.notify.making import PAUSE, REMEMBERED, SETTLED, SHOWN
from siem.present.notify.team import Escalation
from siem.store.contract import Alert
from siem.store.handling import ACKNOWLEDGED, CLOSED, MERGED
from siem.store.outbox import News, Notice

CRITICAL = replace(ALERT, level="critical")
LOW = replace(ALERT, level="low")


@dataclass
class Team:
    """A team, its outbox, and what was made so far. As the store does it."""

    notify: Notify
    alerts: dict[str, Alert] = field(default_factory=dict)
    outbox: dict[str, Notice] = field(default_factory=dict)

    def hears(self, *alerts: Alert, now: datetime = NOW, gone: Sequence[str] = ()) -> list[Notice]:
        """The notices that news of these alerts change."""
        self.alerts |= {alert.id: alert for alert in alerts}
        for id_ in gone:
            self.alerts.pop(id_)
        return self.again([*news(*alerts), *[News(id_, 0) for id_ in gone]], now)

    def again(self, of: Sequence[News], now: datetime) -> list[Notice]:
        latest = {(one.channel, one.kind): one for one in sorted(self.outbox.values(), key=lambda one: one.created)}
        recent = {
            name: sum(one.channel == name and one.created >= now - channel.limit.within for one in self.outbox.values())
            for name, channel in self.notify.channels.items()
        }
        asked = set(keys(of, self.notify))
        known = {key: notice for key, notice in self.outbox.items() if key in asked}
        found = made(of, Standing(self.alerts, known, latest, recent), self.notify, Words(), now)
        for one in found:
            before = self.outbox.get(one.key)
            kept = (before.created, before.ref) if before else (one.created, "")
            created, ref = kept
            assert one.revision == (before.revision if before else 0)
            self.outbox[one.key] = replace(
                one, created=created, ref=ref, sent=None, error="", attempts=0, revision=one.revision + 1
            )
        return found

    def sends(self, now: datetime) -> list[Notice]:
        """What is due, which is taken."""
        due = [one for one in self.outbox.values() if one.sent is None and one.due is not None and one.due <= now]
        for one in due:
            self.outbox[one.key] = replace(one, sent=now, ref="taken")
        return due


def test_a_new_alert_is_one_notice_in_each_channel() -> None:
    team = Team(notify(webhook(), chat()))
    found = team.hears(ALERT)
    assert [(one.channel, one.key, one.due) for one in found] == [
        ("hook", f"hook/alert/{ALERT.id}", NOW),
        ("chat", f"chat/alert/{ALERT.id}", NOW),
    ]
    assert found[0].body["title"] == "Root was used"


def test_the_same_news_again_change_nothing() -> None:
    team = Team(notify(webhook(), chat(), escalations=(Escalation("chat", HOUR),)))
    assert len(team.hears(ALERT)) == 3
    assert team.hears(ALERT, now=NOW + MINUTE) == []
    team.sends(NOW)
    assert team.hears(ALERT, now=NOW + MINUTE) == []


def test_an_alert_that_grows_is_edited_after_a_while_where_the_channel_can() -> None:
    team = Team(notify(webhook(), chat()))
    team.hears(ALERT)
    team.sends(NOW)
    grown = replace(ALERT, count=4)
    due = {one.channel: one.due for one in team.hears(grown, now=NOW + timedelta(seconds=5))}
    assert due == {"hook": NOW + PAUSE, "chat": None}
    assert [one.channel for one in team.sends(NOW + PAUSE)] == ["hook"]


def test_one_that_grows_while_it_waits_keeps_its_time() -> None:
    team = Team(notify(webhook()))
    team.hears(ALERT)
    (one,) = team.hears(replace(ALERT, count=4), now=NOW + MINUTE)
    assert (one.due, one.body["count"]) == (NOW, 4)


@pytest.mark.parametrize(
    ("before", "after"),
    [(ALERT, CRITICAL), (replace(ALERT, state=CLOSED), ALERT)],
    ids=["louder", "open again"],
)
def test_a_chat_that_cannot_edit_hears_again_of_what_is_louder_or_open_again(before: Alert, after: Alert) -> None:
    team = Team(notify(chat()))
    team.hears(ALERT)
    team.sends(NOW)
    team.hears(before, now=NOW + MINUTE)
    assert team.sends(NOW + MINUTE) == []
    (one,) = team.hears(after, now=NOW + HOUR)
    assert one.due == NOW + HOUR


def test_what_is_acknowledged_before_anybody_heard_of_it_is_withdrawn() -> None:
    team = Team(notify(webhook(quiet="11:00-13:00")))
    (waits,) = team.hears(ALERT)
    assert waits.due == NOW + HOUR
    (gone,) = team.hears(replace(ALERT, state=ACKNOWLEDGED))
    assert gone.due is None
    (back,) = team.hears(ALERT, now=NOW + 2 * HOUR)
    assert back.due == NOW + 2 * HOUR


def test_merged_and_removed_alerts_are_edited() -> None:
    team = Team(notify(webhook()))
    other = replace(ALERT, id="other")
    team.hears(ALERT, other)
    team.sends(NOW)
    merged = replace(ALERT, state=MERGED, merged_into="other")
    found = team.hears(merged, now=NOW + HOUR, gone=["other"])
    assert {(one.body["id"], one.body["state"]) for one in found} == {(ALERT.id, "merged"), ("other", "removed")}


def test_an_alert_that_was_closed_when_it_came_is_told_to_nobody() -> None:
    assert Team(notify(webhook())).hears(replace(ALERT, state=CLOSED)) == []


def test_quiet_hours_hold_back_what_is_not_critical() -> None:
    team = Team(notify(webhook(quiet="11:00-13:00")))
    found = team.hears(ALERT, replace(CRITICAL, id="c"))
    assert {one.body["level"]: one.due for one in found} == {"high": NOW + HOUR, "critical": NOW}


def test_a_digest_gathers_what_is_below_its_level_until_it_is_due() -> None:
    team = Team(notify(webhook(digest={"at": "18:00", "below": "high"})))
    (one,) = team.hears(LOW)
    assert (one.kind, one.due, one.body["total"]) == (Sort.DIGEST, NOW + 6 * HOUR, 1)
    (grown,) = team.hears(replace(LOW, id="b", level="medium"), replace(LOW, count=9), now=NOW + HOUR)
    assert (grown.key, grown.due, grown.body["counts"]) == (one.key, one.due, {"medium": 1, "low": 1})
    assert [row["level"] for row in grown.body["top"]] == ["medium", "low"]
    team.sends(NOW + 6 * HOUR)
    assert team.hears(LOW, now=NOW + 7 * HOUR) == []
    (next_,) = team.hears(replace(LOW, id="c"), now=NOW + 7 * HOUR)
    assert (next_.body["total"], next_.due) == (1, NOW + DAY + 6 * HOUR)
    assert next_.key != one.key


def test_three_months_that_are_taken_in_in_many_passes_are_one_notice() -> None:
    team = Team(notify(webhook(), chat()))
    at, history = NOW, numbered(900, history=True)
    for start in range(0, 900, 30):
        levels = ("low", "medium", "high", "critical")
        part = [replace(one, level=levels[number % 4]) for number, one in enumerate(history[start : start + 30])]
        grown = [replace(one, count=50) for one in team.alerts.values()][:10]
        team.hears(*part, *grown, now=at)
        assert team.sends(at) == []
        at += SETTLED - MINUTE
    sent = team.sends(at + MINUTE)
    assert [(one.channel, one.kind, one.body["total"]) for one in sent] == [
        ("hook", Sort.HISTORY, 900),
        ("chat", Sort.HISTORY, 900),
    ]
    assert {row["level"] for row in sent[0].body["top"]} == {"critical"}
    assert len(sent[0].body["top"]) == SHOWN
    assert list(sent[0].body["counts"]) == ["critical", "high", "medium", "low"]
    assert len(team.outbox) == 2
    (later,) = {one.key for one in team.hears(*numbered(1, history=True, level="low"), now=at + DAY)} or {None}
    assert later is None  # it was in the first one


def test_another_import_is_another_notice() -> None:
    team = Team(notify(webhook()))
    team.hears(*numbered(3, history=True))
    team.sends(NOW + HOUR)
    (other,) = team.hears(replace(ALERT, history=True), now=NOW + DAY)
    assert other.body["total"] == 1
    assert len(team.outbox) == 2


def test_a_flood_is_as_many_messages_as_allowed_and_one_summary_the_loudest_told_first() -> None:
    team = Team(notify(webhook(limit={"messages": 5, "within": "10m"})))
    flood = [*numbered(50, level="medium"), replace(CRITICAL, id="c")]
    found = team.hears(*flood)
    alone = [one for one in found if one.kind == Sort.ALERT]
    (summary,) = [one for one in found if one.kind == Sort.SUMMARY]
    assert len(alone) == 5
    assert "critical" in {one.body["level"] for one in alone}
    assert (summary.body["total"], summary.due) == (46, NOW + 10 * MINUTE)
    (grown,) = team.hears(replace(ALERT, id="more"), now=NOW + MINUTE)
    assert (grown.key, grown.due, grown.body["total"]) == (summary.key, summary.due, 47)
    assert team.hears(*flood, now=NOW + 2 * MINUTE) == []
    (after,) = team.hears(replace(ALERT, id="later"), now=NOW + HOUR)
    assert after.kind == Sort.ALERT


def test_a_summary_remembers_a_bounded_number_and_counts_all() -> None:
    team = Team(notify(webhook()))
    (one,) = team.hears(*numbered(REMEMBERED + 5, history=True))
    assert (one.body["total"], len(one.body["ids"])) == (REMEMBERED + 5, REMEMBERED)


class TestEscalation:
    def team(self) -> Team:
        return Team(notify(webhook(), chat("pager"), routes=notify(webhook()).routes, escalations=(ESCALATES,)))

    def test_what_is_still_open_after_a_while_is_told_to_another_channel(self) -> None:
        team = self.team()
        assert {(one.key, one.due) for one in team.hears(ALERT)} == {
            (f"hook/alert/{ALERT.id}", NOW),
            (f"pager/escalation/{ALERT.id}", NOW + 30 * MINUTE),
        }
        grown = replace(ALERT, count=9)
        team.hears(grown, now=NOW + 29 * MINUTE)
        (told,) = [one for one in team.sends(NOW + 30 * MINUTE) if one.channel == "pager"]
        assert told.body["count"] == 9

    @pytest.mark.parametrize("state", [ACKNOWLEDGED, CLOSED])
    def test_what_somebody_looks_at_is_not(self, state: str) -> None:
        team = self.team()
        team.hears(ALERT)
        team.sends(NOW)
        team.hears(replace(ALERT, state=state), now=NOW + MINUTE)
        assert [one.channel for one in team.sends(NOW + HOUR)] == ["hook"]
        team.hears(ALERT, now=NOW + 2 * HOUR)  # open again: the time begins anew
        assert [one.channel for one in team.sends(NOW + 2 * HOUR + 29 * MINUTE)] == ["hook"]
        assert [one.channel for one in team.sends(NOW + 2 * HOUR + 30 * MINUTE)] == ["pager"]

    def test_what_is_not_loud_enough_old_or_only_reported_is_not(self) -> None:
        team = self.team()
        quiet = [
            replace(ALERT, level="medium"),
            replace(ALERT, id="h", history=True),
            replace(ALERT, id="r", tier="report"),
        ]
        found = team.hears(*quiet)
        assert {one.channel for one in found} == {"hook"}

    def test_what_no_route_leads_anywhere_any_more_is_not_and_is_not_said_to_be_gone(self) -> None:
        team = self.team()
        team.hears(ALERT)
        changed = {one.key: one for one in team.hears(replace(ALERT, tier="report"))}
        one = changed[f"pager/escalation/{ALERT.id}"]
        assert (one.due, one.body["state"]) == (None, "open")

    def test_what_is_gone_is_not(self) -> None:
        team = self.team()
        team.hears(ALERT)
        team.hears(gone=[ALERT.id])
        assert team.sends(NOW + HOUR) == []


ESCALATES = Escalation("pager", 30 * MINUTE)
STATES = st.sampled_from(["open", ACKNOWLEDGED, CLOSED])
STEPS = st.lists(
    st.tuples(st.integers(0, 4), STATES, st.integers(1, 5), st.booleans(), st.integers(0, 40)), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_happens_an_open_alert_is_told_or_about_to_be(
    steps: list[tuple[int, str, int, bool, int]],
) -> None:
    """And no notice of one alert stands twice in a channel."""
    team = Team(notify(webhook(quiet="12:10-12:30"), chat(), escalations=(Escalation("chat", 5 * MINUTE),)))
    now = NOW
    for number, state, count, sends, minutes in steps:
        now += minutes * MINUTE
        team.hears(replace(ALERT, id=f"a{number}", state=state, count=count), now=now)
        if sends:
            team.sends(now)
    for alert in team.alerts.values():
        for channel in ("hook", "chat"):
            notice = team.outbox.get(f"{channel}/alert/{alert.id}")
            if alert.state == "open":
                assert notice is not None
                assert notice.sent or notice.due or notice.ref
                assert notice.body["count"] == alert.count
            elif notice is not None and notice.sent is None and not notice.ref:
                assert notice.due is None
