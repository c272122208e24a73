"""notify.yml: what it says, and what is wrong with it, with the line. Secrets are not in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from siem.errors import ConfigError, ContentError
from siem.present.notify import Kind, Notify, Secret, load_notify, reading
from siem.present.notify.team import Digest, Escalation, Limit, Route

TOKYO = ZoneInfo("Asia/Tokyo")


def load(path: Path, text: str) -> tuple[Notify | None, list[ContentError]]:
    (path / "notify.yml").write_text(dedent(text))
    return load_notify(path / "notify.yml", TOKYO)


def test_the_example_of_the_module_is_read(tmp_path: Path) -> None:
    example = (reading.__doc__ or "").split("\n\n", 1)[1]
    team, errors = load(tmp_path, example)
    assert errors == []
    assert team
    ops = team.channels["ops"]
    assert {name: one.target.kind for name, one in team.channels.items()} == {
        "ops": Kind.SLACK,
        "tickets": Kind.WEBHOOK,
        "pager": Kind.APPRISE,
    }
    assert (ops.quiet, ops.digest) == (((22 * 60, 31 * 60),), Digest(9 * 60, "medium"))
    assert (ops.limit, ops.target.room) == (Limit(30, timedelta(minutes=10)), "C0123456789")
    assert team.routes == (
        Route(("ops", "tickets"), "medium"),
        Route(("pager",), "critical", environments=frozenset(["production"])),
    )
    assert team.escalations == (Escalation("pager", timedelta(minutes=30), "high"),)
    assert team.zone is TOKYO


def test_an_empty_file_tells_nobody(tmp_path: Path) -> None:
    assert load(tmp_path, "") == (Notify(zone=TOKYO), [])


HOOK = 'channels: {a: {webhook: {url: "https://a.example/"}}}\nroutes: [{channels: a}]\n'


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("chanels: {}\n", 1, "no `chanels`"),
        (f"{HOOK}escalation:\n  - {{channel: b, after: 5m}}\n", 4, "no channel b; there is: a"),
        (f"{HOOK}escalation:\n  - {{channel: a}}\n", 4, "`after` needs a time"),
        ("channels:\n  a: {}\n", 2, "one of slack, webhook, apprise"),
        ("channels:\n  a: {webhook: {url: 'http://a.example/'}}\n", 2, "https://HOST"),
        ("channels:\n  a:\n    slack:\n      token: xoxb-123\n      channel: C1\n", 3, "under review"),
        ("channels:\n  a: {slack: {webhook: 'https://hooks.slack.com/services/T/B/x'}}\n", 2, "under review"),
        ("channels:\n  a: {apprise: 'discord://1/2'}\n", 2, "under review"),
        (HOOK.replace('"https://a.example/"', '"https://a.example/", secret: x'), 1, "under review"),
        ("channels: {a b: {}}\n", 1, "no name of a channel"),
        (f"{HOOK}routes2: []\n", 3, "no `routes2`"),
        (HOOK.replace("[{channels: a}]", "[{channels: a, level: hgih}]"), 2, "hgih is no level"),
        (HOOK.replace("[{channels: a}]", "[{channels: [a, b]}]"), 2, "no channel b"),
        (HOOK.replace("[{channels: a}]", "[{channels: a, accounts: [123456789012]}]"), 2, "put it into quotes"),
        (HOOK.replace("[{channels: a}]", "[{level: low}]"), 2, "needs `channels`"),
        (HOOK.replace("routes: [{channels: a}]\n", ""), 1, "`routes` are needed"),
        ("channels:\n  a:\n    webhook: {url: 'https://a.example/'}\n    quiet: 25:00-07:00\n", 4, "no span"),
        ("channels:\n  a:\n    webhook: {url: 'https://a.example/'}\n    digest: {at: 9}\n", 4, "time of day"),
        ("channels:\n  a:\n    webhook: {url: 'https://a.example/'}\n    limit: {messages: 0}\n", 4, "1 or more"),
        ("- a\n", 1, "one mapping"),
        ("channels: [\n", 2, "not YAML"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_line_and_then_nothing_of_it_holds(
    text: str, line: int, said: str, tmp_path: Path
) -> None:
    team, errors = load(tmp_path, text)
    assert team is None
    assert said in str(errors[0])
    assert (errors[0].line, errors[0].file) == (line, str(tmp_path / "notify.yml"))
    assert "xoxb" not in str(errors[0])
    assert "services/T" not in str(errors[0])


def test_a_secret_is_read_where_it_is_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "one\n")
    variable, file = Secret("${ENV:A_TOKEN}"), Secret(f"file:{tmp_path / 's'}")
    assert variable.read() == "one"
    monkeypatch.setenv("A_TOKEN", "two")
    assert variable.read() == "two"
    (tmp_path / "s").write_text("three\n")
    assert file.read() == "three"
    assert "A_TOKEN" not in repr(replace(variable))


def test_a_secret_that_is_not_there_is_told_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="the variable A_TOKEN is empty"):
        Secret("${ENV:A_TOKEN}").read()
    with pytest.raises(ConfigError, match=r"none: No such file"):
        Secret(f"file:{tmp_path / 'none'}").read()
    (tmp_path / "s").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Secret(f"file:{tmp_path / 's'}").read()
