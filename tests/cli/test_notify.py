"""`siem notify`, and notifications of a scheduler as its users run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from receiver import Receiver, receiving, status
from siem_command import lines, siem
from test_scheduler_command import RULE, Logs, wait

from siem.cli.doctor import notifications
from siem.errors import ContentError
from siem.present.notify import Notify
from siem.run.team import team_notify
from siem.store.checks import Verdict
from siem.store.outbox import Notice
from siem.testing.deliveries import NOW

NOTIFY = """\
channels:
  hook: {{webhook: {{url: "{url}", secret: "${{ENV:A_SECRET}}"}}}}
  room: {{slack: {{webhook: "${{ENV:A_SECRET}}"}}}}
routes: [{{channels: hook}}]
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def content(tmp_path: Path, receiver: Receiver) -> Path:
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "notify.yml").write_text(NOTIFY.format(url=receiver.url("/in")))
    return tmp_path / "content"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "s3cr3t")


def test_a_test_is_sent_without_a_store(content: Path, receiver: Receiver, tmp_path: Path) -> None:
    (row,) = lines(siem("notify", "test", "hook", "--content", content, cwd=tmp_path))
    assert (row["channel"], row["kind"]) == ("hook", "webhook")
    (one,) = receiver.received
    assert (one.json["kind"], one.json["key"].split("/")[:2]) == ("test", ["hook", "test"])
    assert one.headers["Siem-Signature"].startswith("v1=")


def test_what_fails_is_told_without_secrets(content: Path, receiver: Receiver, tmp_path: Path) -> None:
    def told(name: str, code: int) -> str:
        text = siem("notify", "test", name, "--content", content, cwd=tmp_path, code=code).stderr.decode()
        assert "s3cr3t" not in text
        return text

    receiver.failing.append(status(403, b"not you"))
    assert told("hook", 4) == "siem: channel hook: answered 403: not you\n"
    assert "an address is https://HOST" in told("room", 4)
    assert told("none", 2) == "siem: there is no channel none; there is: hook, room\n"
    (content / "notify.yml").write_text("channels: {a: {}}\n")
    assert f"{content}/notify.yml:1: " in told("hook", 3)


def test_nothing_waits_in_a_new_store(tmp_path: Path) -> None:
    siem("store", "init", "--store", tmp_path / "store")
    assert lines(siem("notify", "list", "--store", tmp_path / "store")) == []


@pytest.mark.slow
def test_an_alert_reaches_its_channel_from_a_scheduler(tmp_path: Path, receiver: Receiver) -> None:
    logs = Logs(tmp_path)
    notify = logs.folder / "content" / "notify.yml"
    notify.write_text(NOTIFY.format(url=receiver.url("/in")))
    logs.rule.write_text(RULE)
    receiver.failing.append(status(500))
    logs.ingest("one")
    settings = {"SIEM_SCHEDULER__DETECT": "0.3", "SIEM_DETECT__LIVE_WINDOW": "9999d"}
    with logs.scheduler("--content", logs.folder / "content", **settings) as process:
        wait(lambda: len(receiver.received) == 1)
        wait(lambda: "channel failed" in logs.told())
        (failed,) = lines(siem("notify", "list", *logs.place))
        assert (failed["error"], failed["attempts"]) == ("answered 500: on purpose", 1)
        checks = {row["what"]: row for row in lines(siem("doctor", *logs.place, "--content", logs.folder / "content"))}
        assert checks["channel hook"]["verdict"] == "warning"
        assert checks["channel room"]["verdict"] == "ok"
        notify.write_text("channels: [")  # a mistake: what was in use before holds
        wait(lambda: "not YAML" in logs.told())
        wait(lambda: len(receiver.received) == 2)
        process.terminate()
        assert process.wait(30) == 0
    first, second = receiver.received
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert json.loads(second.body)["rule_id"].startswith("6a3c0bcb")
    assert lines(siem("notify", "list", *logs.place)) == []
    (row,) = lines(siem("notify", "list", "--all", *logs.place))
    assert row["sent"]
    assert "s3cr3t" not in logs.told()


def test_rules_check_tells_of_a_channel_that_is_not_there_and_of_a_mistake(content: Path, tmp_path: Path) -> None:
    (content / "settings.yml").write_text("tags:\n  attack.t1078.004:\n    channel: rome\n")
    rows = lines(siem("rules", "check", "--content", content, cwd=tmp_path))
    (one, *_) = [row for row in rows if "rome" in row["problem"]]
    assert (one["severity"], one["place"]) == ("warning", f"{content}/settings.yml:3")
    assert "alerts of" in one["problem"]
    (content / "notify.yml").write_text("channels:\n  a: {}\n")
    (content / "links.yml").write_text("A: ftp://x/\n")
    rows = lines(siem("rules", "check", "--content", content, cwd=tmp_path, code=1))
    places = {row["place"] for row in rows if row["severity"] == "error"}
    assert places == {f"{content}/notify.yml:2", f"{content}/links.yml:1"}


def test_doctor_says_of_each_channel_whether_it_takes_its_messages(content: Path) -> None:
    notify = team_notify(content, None)[0]
    waits = Notice("k", "hook", "alert", {}, NOW, NOW - timedelta(minutes=6))
    failed = replace(waits, channel="room", error="answered 404", due=None)
    gone = replace(waits, channel="pager")
    found = {check.what: check for check in notifications([waits, failed, gone], (notify, []), NOW)}
    assert {what: (check.verdict, check.said) for what, check in found.items()} == {
        "channel hook": (Verdict.WARNING, "1 messages wait for longer than 5 minutes"),
        "channel room": (Verdict.WARNING, "1 messages failed, 1 for good; the last: answered 404"),
        "channel pager": (Verdict.WARNING, "1 messages wait, and notify.yml has it not"),
    }
    early = replace(waits, due=NOW + timedelta(hours=1))
    assert {check.verdict for check in notifications([early], (notify, []), NOW)} == {Verdict.OK}
    assert list(notifications([], (Notify(), []), NOW)) == []
    (wrong,) = notifications([], (None, [ContentError("bad", "notify.yml", 3)]), NOW)
    assert (wrong.verdict, wrong.said) == (Verdict.FAILURE, "notify.yml:3: bad")
