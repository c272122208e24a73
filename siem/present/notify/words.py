"""Messages as lines of text, which every channel that shows them to people is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from siem.store.handling import OPEN

MORE = {
    "history": "alerts of old logs that were taken in",
    "digest": "alerts since the last digest",
    "summary": "more alerts than are told one by one",
    "test": "a test",
}
LONGEST = 300
"""Characters of a value in a line."""


def plain(text: str) -> str:
    """Without control, bidirectional and other characters that are not seen; line ends are spaces."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)


def inert(text: str) -> str:
    """Text that no chat takes for a mention, a link or markup: for those whose rules nobody knows."""
    return (
        plain(text)
        .replace("://", "[:]//")
        .translate(str.maketrans("@<>`*_~|", "\uff20\u2039\u203a\u02cb\u2217\uff3f\u223c\u2223"))
    )


def headline(body: Mapping[str, Any]) -> str:
    """A line that says it all."""
    if body["kind"] == "alert":
        state = "" if body["state"] == OPEN else f" [{body['state']}]"
        return f"{body['level'].upper()}{state}: {plain(body['title'])}"
    if body["kind"] == "test":
        return "A test of Hinomi's notifications"
    counts = ", ".join([f"{count} {level}" for level, count in body["counts"].items()])
    return f"{body['total']:,} {MORE[body['kind']]}: {counts}"


def facts(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known of an alert: names and values, those that there are."""
    first, last = body["local"]
    found = {
        "Account": ", ".join(map(_account, body["accounts"])),
        "Region": body["region"],
        "Who": body["principal"],
        "Person or role": body["person"],
        "Did": ", ".join(body["actions"]),
        "Resource": body["resource"],
        "Error": ", ".join(body["errors"]),
        "From": body["source"],
        "When": first if first == last else f"{first} – {last}",
        "UTC": body["first"] if body["first"] == body["last"] else f"{body['first']} – {body['last']}",
        "Events": f"{body['count']:,}" + (", after hours" if body["after_hours"] else ""),
        "Alerts in 30 days": _fired(body["fired"]),
        "State": _state(body),
    }
    yield from [(name, value[:LONGEST]) for name, value in found.items() if plain(value[:LONGEST]).strip()]


def lines(body: Mapping[str, Any], written: Callable[[str], str] = plain) -> Iterator[str]:
    """The message as text. written: how values are."""
    if body["kind"] != "alert":
        yield from map(written, summary(body))
        return
    if body["text"]:
        yield written(body["text"])
    yield from [f"{name}: {written(value)}" for name, value in facts(body)]
    yield from [f"Look at first: {written(text)}" for text in body["look"]]
    yield from [f"{written(one['name'])}: {one['url']}" for one in body["links"]]
    yield f"Rule {written(body['rule_id'])}, alert {body['id']}"


def summary(body: Mapping[str, Any]) -> Iterator[str]:
    """Of many alerts: a line for each of the loudest."""
    for one in body.get("top", ()):
        named = ", ".join([*one["accounts"], *filter(None, [one["principal"]])])
        about = f" ({plain(named)[:LONGEST]})" if named else ""
        yield f"{one['level'].upper()}: {plain(one['title'])[:LONGEST]}{about}, {one['count']:,} events, {one['id']}"
    if (left := body.get("total", 0) - len(body.get("top", ()))) > 0:
        yield f"and {left:,} more: `siem alerts list` has them"


def _account(one: Mapping[str, Any]) -> str:
    named = f"{one['name']} ({one['id']})" if one["name"] else one["id"]
    return f"{named}, {one['environment']}" if one["environment"] else str(named)


def _fired(fired: Mapping[str, int]) -> str:
    rule = f"of this rule {fired['rule']:,}"
    return f"{rule}, of this principal {fired['principal']:,}" if fired["principal"] else rule


def _state(body: Mapping[str, Any]) -> str:
    if body["merged_into"]:
        return f"merged into {body['merged_into']}"
    said = [body["state"], body["disposition"] or "", f"by {body['by']}" if body["by"] else "", body["note"]]
    return "" if body["state"] == OPEN and not body["by"] else " ".join(filter(None, said))
