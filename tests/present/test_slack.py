"""What Slack is sent: within its limits, and nothing that came from logs is more than text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from alerts import ALERT, DAY, EVIL, NOW, news, notify, numbered, webhook
from hypothesis import given, settings
from hypothesis import strategies as st

from siem.enrich.accounts import Account, Accounts
from siem.present.notify import Link, Past, Standing, Words, made, slack, words
from siem.present.notify.message import body
from siem.store.contract import Alert

KNOWN = Words(
    accounts=Accounts({"123456789012": Account("shop", "production")}),
    links=(Link("Who", "https://wiki.example.com/people/{user.name}"), Link("None", "https://a.example/{x.y}")),
    look=lambda rule: ("Somebody on call may use root",),
    past=Past.of(
        [
            ALERT,
            replace(ALERT, group={}, values={"user.name": ("bob",)}, last=NOW - 29 * DAY),
            replace(ALERT, last=NOW - 31 * DAY),
        ]
    ),
)


def texts(message: Any) -> Iterator[tuple[str, str]]:
    """Every text of a message, with its type."""
    if isinstance(message, dict):
        if isinstance(message.get("text"), str) and "type" in message:
            yield message["type"], message["text"]
        for value in message.values():
            yield from texts(value)
    elif isinstance(message, list):
        for value in message:
            yield from texts(value)


def whole(message: Any) -> str:
    return "\n".join([message["text"], *[text for _, text in texts(message)]])


def evil(text: str) -> Alert:
    """An alert all of whose values are that."""
    values = dict.fromkeys((*ALERT.values, "siem.principal.id", "siem.principal.person", "url.path"), (text,) * 3)
    return replace(ALERT, title=text, text=text, values=values, group={"user.name": text}, author=text, note=text)


def test_a_message_says_what_one_has_to_know() -> None:
    message = slack.message(body(ALERT, KNOWN))
    assert message["text"] == "HIGH: Root was used"
    assert message["blocks"][0]["text"] == {"type": "plain_text", "text": "HIGH: Root was used", "emoji": False}
    said = whole(message)
    for text in (
        "`shop (123456789012), production`",
        "`ap-northeast-1`",
        "`ann`",
        "`192.0.2.1`",
        "`2026-11-02 11:00:00 UTC – 2026-11-02 11:59:00 UTC`",
        "• Somebody on call may use root",
        "<https://wiki.example.com/people/ann|Who>",
        "`of this rule 2, of this principal 1`",
    ):
        assert text in said


def check(message: dict[str, Any]) -> None:
    """The limits of Slack, and no character that is not seen."""
    assert len(message["blocks"]) <= 50
    assert len(message["text"]) <= 3_000
    for block in message["blocks"]:
        for kind, text in texts(block):
            assert 0 < len(text) <= (150 if kind == "plain_text" else 3_000)
        assert len(block.get("fields", ())) <= 10
        assert all(len(field["text"]) <= 2_000 for field in block.get("fields", ()))
    for _, text in texts(message):
        assert all(c.isprintable() or c == "\n" for c in text)
    assert message["text"].isprintable()


@pytest.mark.parametrize("text", EVIL)
def test_nothing_from_a_log_is_markup(text: str) -> None:
    message = slack.message(body(evil(text), Words()))
    check(message)
    for kind, said in [("mrkdwn", message["text"]), *texts(message["blocks"])]:
        if kind == "mrkdwn":
            assert "<" not in said
            assert ">" not in said
            assert not re.search(r"&(?!amp;|lt;|gt;)", said)
    for kind, said in texts(message["blocks"]):
        if kind == "mrkdwn":  # a title of ours, and then one code span to the end
            assert re.fullmatch(r"(\*[A-Za-z0-9 ]+\*\n)?`[^`\n]+`", said), said


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=400))
def test_whatever_a_log_says_it_stays_in_its_span(text: str) -> None:
    message = slack.message(body(evil(text), Words()))
    check(message)
    for kind, said in texts(message["blocks"]):
        if kind == "mrkdwn":
            assert said.count("`") == 2
            assert said.endswith("`")


@pytest.mark.parametrize("text", EVIL)
def test_a_summary_is_text_too(text: str) -> None:
    flood = [replace(one, title=text, history=True) for one in numbered(100)]
    (notice,) = made(news(*flood), Standing({one.id: one for one in flood}), notify(webhook()), Words(), NOW)
    message = slack.message(notice.body)
    check(message)
    assert "<" not in whole(message)
    assert "100 alerts of old logs" in message["text"]


@pytest.mark.parametrize("text", EVIL)
def test_lines_for_other_chats_have_no_mention_link_or_markup(text: str) -> None:
    for line in [*words.lines(body(evil(text), Words()), words.inert), words.inert(text)]:
        assert line.isprintable()
        assert not re.search(r"[@<>`*]|://", line)
