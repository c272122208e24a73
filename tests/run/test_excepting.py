"""Exceptions from alerts: values of any log are written so that the filter means just these; logs are rebuilt."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from siem.config import Limits
from siem.intake.content import Delivered
from siem.run.content import load_registry
from siem.run.excepting import Part, Terms, exception, value_of
from siem.run.originals import log_of
from siem.run.reading import read
from siem.run.verdicts import raw
from siem.schema import SourceObject, decoded
from siem.sigma import Reader, RuleSet, View, condition, load_rules
from siem.sigma.tree import Leaf, Node, Not, Text
from siem.store.contract import Alert, Hit
from siem.testing.deliveries import NOW, START, TRAIL

RULE = """\
title: A console login
name: login
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: ConsoleLogin}
  condition: selection
"""
PARSERS = load_registry()[0]
READER = Reader(PARSERS.parsers[TRAIL].fields)
TERMS = Terms("ann", "it's *fine*: #1", "2027-01-01")

texts = st.text(st.characters(codec="utf-8"), max_size=12) | st.text("\\\\*?%'\"#:{}[]&!|>~-=\\n\\t 019.eE", max_size=8)


def alert(group: dict[str, str]) -> Alert:
    return Alert("0123456789abcdef01234567", "login", "t", "low", (), group, START, START, 1, ("e1",))


def document(values: dict[str, str]) -> dict[str, Any]:
    record = {"eventName": "ConsoleLogin", "requestParameters": {"name": values["requestParameters.name"]}}
    held = {"@timestamp": "2026-11-01T10:00:00Z", "event.id": "e1", "event.action": "ConsoleLogin"}
    return {**held, "user.name": values["user.name"], TRAIL: record}


def loaded(folder: Path, text: str) -> RuleSet:
    (folder / "login.yml").write_text(RULE)
    (folder / "filter.yml").write_text(text, encoding="utf-8")
    found = load_rules([folder])
    assert not found.refused, found.refused
    return found


def leaves(node: Node) -> Iterator[Leaf]:
    match node:
        case Not(item):
            yield from leaves(item)
        case Leaf():
            yield node
        case _:
            for item in node.items:
                yield from leaves(item)


@examples(200)
@given(name=texts, user=texts)
def test_a_filter_matches_its_own_event_and_means_just_these_values(name: str, user: str) -> None:
    values = {"requestParameters.name": name, "user.name": user}
    held = document(values)
    hit = Hit("e1", START, TRAIL, "o", held)
    with TemporaryDirectory() as folder:
        (rule,) = loaded(Path(folder), "").rules
        part = Part(rule, {field: [text] for field, text in values.items()}, hit)
        made = exception(alert({}), [part], TERMS, ["00000000-0000-4000-8000-000000000000"], PARSERS, {})
        found = loaded(Path(folder), made.rule)
    (one,) = found.filters
    (rule,) = found.rules
    assert rule.filters == (one,)
    assert (one.owner, one.reason, one.expires and f"{one.expires:%F}") == ("ann", "it's *fine*: #1", "2027-01-01")
    assert {leaf.field: leaf.test for leaf in leaves(one.tree)} == {
        "requestParameters.name": Text((name,) if name else ()),
        "user.name": Text((user,) if user else ()),
    }
    assert not condition(rule.tree)(View(READER, held))
    assert condition(rule.tree)(View(READER, held | {"user.name": f"{user}x"}))


@pytest.mark.parametrize(
    ("field", "text", "written"),
    [("source.port", "22", 22), ("source.port", "022", "022"), ("user.name", "22", "22"), ("user.name", "a*", "a\\*")],
)
def test_numbers_are_written_as_numbers_where_the_field_is_one(field: str, text: str, written: object) -> None:
    assert value_of(field, text) == written


def events(octets: bytes, key: str, dataset: str | None = None) -> list[dict[str, Any]]:
    """The documents that an object comes to, without what only its own bytes and its place say."""
    reading = read(SourceObject("b", key), Delivered(octets, Limits()), PARSERS, Limits(), NOW, dataset)
    lines = [line for parsed in reading if parsed.batch is not None for line in parsed.batch.ndjson().splitlines()]
    return [decoded(line) for line in lines]


def told(document: dict[str, Any]) -> dict[str, Any]:
    place = ("siem.object", "event.ingested", *(() if document["event.dataset"] == TRAIL else ("event.id",)))
    return {name: value for name, value in document.items() if name not in place}


@pytest.mark.slow
def test_logs_are_rebuilt_from_what_is_stored(samples: Path) -> None:
    """Every event of the sample bucket, as a case of its own, comes to the same event."""
    seen = set()
    for path in sorted((samples / "bucket").rglob("*.gz")):
        key = str(path.relative_to(samples / "bucket"))
        for document in events(gzip.decompress(path.read_bytes()), key)[:20]:
            dataset = document["event.dataset"]
            log = log_of(document, PARSERS.parsers[dataset])
            (again,) = events(raw(log.content), key if log.by_key else "any", dataset)
            assert told(again) == told(document)
            seen.add(dataset)
    assert seen == set(PARSERS.parsers)
