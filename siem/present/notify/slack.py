"""Messages as Slack shows them: Block Kit within its limits, what came from logs as text and nothing else.

https://docs.slack.dev/reference/block-kit/blocks
https://docs.slack.dev/messaging/formatting-message-text#escaping
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from siem.present.notify.words import facts, headline, plain, summary

BLOCKS, TEXT, HEADER, FIELDS = 50, 3_000, 150, 10
"""Blocks of a message, characters of a text and of a header, fields of a section."""

FIELD = 1_900
"""Characters of a field, of which Slack takes 2,000."""

Block = dict[str, Any]


def message(body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON that is posted: `text` for notifications, `blocks` for people."""
    blocks = list(_alert(body) if body["kind"] == "alert" else _summary(body))
    return {"text": cut(escaped(headline(body)), TEXT), "blocks": blocks[:BLOCKS], "unfurl_links": False}


def escaped(text: str) -> str:
    """Text in which nothing is a mention, a link or a character that is not seen."""
    return plain(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str, most: int = 500) -> str:
    """A value from a log: in a code span, which formats and links nothing. It cannot end its span."""
    inner = cut(escaped(text.replace("`", "\u02cb")), most).strip()
    return f"`{inner}`" if inner else ""


def cut(text: str, most: int) -> str:
    """At most so many characters; an escape is not cut in two."""
    if len(text) <= most:
        return text
    short = text[: most - 1]
    start = short.rfind("&")
    return (short[:start] if start >= 0 and ";" not in short[start:] else short) + "…"


def _alert(body: Mapping[str, Any]) -> Iterator[Block]:
    yield _header(headline(body))
    if text := code(body["text"], TEXT - 2):
        yield _section(text)
    fields = [f"*{escaped(name)}*\n{code(value, FIELD - 100)}" for name, value in facts(body)]
    for start in range(0, len(fields), FIELDS):
        part = fields[start : start + FIELDS]
        yield {"type": "section", "fields": [_mrkdwn(text) for text in part]}
    if body["look"]:
        yield _section("*Look at first*\n" + "\n".join([f"• {escaped(text)}" for text in body["look"]]))
    if body["links"]:
        yield _section(
            " · ".join([f"<{escaped(one['url'])}|{_label(one['name'])}>" for one in _fitting(body["links"])])
        )
    yield {"type": "context", "elements": [_mrkdwn(code(f"{body['rule_id']}  {body['id']}"))]}


def _fitting(links: Sequence[Mapping[str, str]]) -> Iterator[Mapping[str, str]]:
    """As many as a text takes whole."""
    left = TEXT
    for one in links:
        left -= len(escaped(one["url"])) + len(_label(one["name"])) + 6
        if left >= 0:
            yield one


def _label(name: str) -> str:
    return escaped(name.replace("|", "/"))[:100]


def _summary(body: Mapping[str, Any]) -> Iterator[Block]:
    yield _header(headline(body))
    for _, line in zip(range(BLOCKS - 2), summary(body), strict=False):
        yield _section(code(line, TEXT - 2))


def _header(text: str) -> Block:
    return {"type": "header", "text": {"type": "plain_text", "text": cut(plain(text), HEADER), "emoji": False}}


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(cut(text, TEXT))}


def _mrkdwn(text: str) -> Block:
    """verbatim: Slack makes no links and mentions of what looks like them."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}
