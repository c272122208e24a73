"""Bucket against ledger: whatever the keys are, what is on one side alone or differs is named, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siem.config import Limits
from siem.errors import Denied
from siem.intake.content import Delivered
from siem.prove.listing import YOUNG, Listing
from siem.prove.place import Entry
from siem.prove.proof import KEPT, Proof, Verdict
from siem.store.contract import Known, State
from siem.store.times import micros

NOW = datetime(2026, 11, 2, tzinfo=UTC)
TAKEN = NOW - timedelta(hours=9)
LONG_AGO = NOW - timedelta(days=1)


@dataclass
class Place:
    """A bucket in memory: key -> bytes, and when they were written."""

    objects: dict[str, bytes] = field(default_factory=dict)
    modified: dict[str, datetime] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    bucket: str = "logs"
    prefix: str = ""
    unsigned: str | None = None
    read: list[str] = field(default_factory=list)
    is_folder: bool = False
    as_of: datetime | None = None

    def listed(self) -> Iterator[Entry]:
        for key in sorted(self.objects, key=octets):
            size, modified = len(self.objects[key]), self.modified.get(key, LONG_AGO)
            yield Entry(key) if self.is_folder else Entry(key, size, modified)

    def opened(self, key: str) -> AbstractContextManager[Delivered]:
        self.read.append(key)
        if key in self.denied:
            raise Denied(f"{key}: no")
        return nullcontext(Delivered(self.objects[key], Limits()))

    def signature(self, key: str) -> str | None:
        return None


def octets(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def row(key: str, content: bytes, state: State = State.COMMITTED) -> Known:
    sha256 = hashlib.sha256(content).hexdigest() if state is not State.GONE else ""
    return Known(key, state, sha256, len(content), micros(TAKEN))


def proof(place: Place, rows: list[Known], deep: bool = False) -> Proof:
    ordered = sorted(rows, key=lambda one: octets(one.key))
    return Listing(place, NOW, deep).prove(place.listed(), iter(ordered))


def found(place: Place, rows: list[Known], deep: bool = False) -> list[tuple[str, str]]:
    return [(one.kind, one.key) for one in proof(place, rows, deep).findings]


KEYS = st.text(st.sampled_from("ab/é\udcff\U0001f600\ufffd"), min_size=1, max_size=3)
SIDES = st.dictionaries(KEYS, st.binary(max_size=2), max_size=12)


@given(SIDES, SIDES, st.booleans())
def test_any_two_sides_are_compared_as_sets_are(there: dict[str, bytes], known: dict[str, bytes], folder: bool) -> None:
    place = Place(there, is_folder=folder)
    said = proof(place, [row(key, content) for key, content in known.items()], deep=True)
    expected = {("not-in-ledger", key) for key in there.keys() - known.keys()}
    expected |= {("not-in-bucket", key) for key in known.keys() - there.keys()}
    expected |= {("changed", key) for key in there.keys() & known.keys() if there[key] != known[key]}
    assert {(one.kind, one.key) for one in said.findings} == expected
    assert len(said.findings) == len(expected)
    same = sum(there[key] == known[key] for key in there.keys() & known.keys())
    assert said.counts == {"objects": len(there), "in_ledger": same, "rows": len(known)}


def test_an_object_that_the_listing_proves_is_not_read() -> None:
    place = Place({"a": b"one", "b": b"two"})
    assert found(place, [row("a", b"one"), row("b", b"two")]) == []
    assert place.read == []


@pytest.mark.parametrize("written", [TAKEN + timedelta(minutes=1), TAKEN])
def test_an_object_that_was_written_after_it_was_taken_in_is_read(written: datetime) -> None:
    place = Place({"a": b"one", "b": b"0ne"}, {"a": written, "b": written})
    assert found(place, [row("a", b"one"), row("b", b"one")]) == [("changed", "b")]
    assert place.read == ["a", "b"]


def test_an_object_of_another_size_is_changed_whenever_it_was_written() -> None:
    assert found(Place({"a": b"longer"}), [row("a", b"one")]) == [("changed", "a")]


def test_a_file_is_read_as_its_times_prove_nothing() -> None:
    place = Place({"a": b"0ne"}, is_folder=True)
    assert found(place, [row("a", b"one")]) == [("changed", "a")]


def test_deep_means_every_byte() -> None:
    place = Place({"a": b"0ne"})
    assert found(place, [row("a", b"one")]) == []
    assert found(place, [row("a", b"one")], deep=True) == [("changed", "a")]


def test_any_version_that_was_taken_in_will_do() -> None:
    rows = [row("a", b"one"), row("a", b"two"), row("a", b"", State.GONE)]
    assert found(Place({"a": b"two"}), rows) == []
    assert found(Place({"a": b"six"}), rows, deep=True) == [("changed", "a")]


@pytest.mark.parametrize("state", [State.DENIED, State.GONE, State.FAILED, State.REFUSED])
def test_an_object_that_is_there_and_was_not_taken_in_is_named(state: State) -> None:
    assert found(Place({"a": b"one"}), [row("a", b"one", state)]) == [("not-read", "a")]


@pytest.mark.parametrize("state", [State.DAMAGED, State.UNRECOGNISED, State.EXPIRED])
def test_an_object_that_was_read_is_in_the_ledger_whatever_it_came_to(state: State) -> None:
    assert found(Place({"a": b"one"}), [row("a", b"one", state)]) == []


def test_what_retention_dropped_may_be_gone_from_the_bucket_too() -> None:
    said = proof(Place(), [row("a", b"one", State.EXPIRED), row("b", b"", State.GONE), row("c", b"two")])
    assert [(one.kind, one.key) for one in said.findings] == [("not-in-bucket", "c")]
    assert said.counts["expired"] == 1


def test_an_object_that_has_just_been_written_is_on_its_way() -> None:
    place = Place({"new": b"", "old": b""}, {"new": NOW - YOUNG / 2, "old": NOW - YOUNG * 2})
    said = proof(place, [])
    assert [(one.kind, one.key) for one in said.findings] == [("not-in-ledger", "old")]
    assert said.counts["on_their_way"] == 1


def test_an_object_that_may_not_be_read_any_more_is_named() -> None:
    place = Place({"a": b"one"}, denied={"a"})
    assert found(place, [row("a", b"one")], deep=True) == [("not-readable", "a")]


def test_of_very_many_findings_the_first_are_kept_and_all_counted() -> None:
    said = proof(Place({f"{number:06d}": b"" for number in range(KEPT + 5)}), [])
    assert (len(said.findings), said.kinds, said.more) == (KEPT, {"not-in-ledger": KEPT + 5}, {"not-in-ledger": 5})
    assert said.verdict is Verdict.FINDINGS
