"""Objects that come to the store at once, under one key and with other bytes: each is taken in once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from siem.config import Limits, Settings
from siem.errors import Denied, Gone
from siem.intake.content import Delivered
from siem.parsing import Registry
from siem.run.ingest import Ingested
from siem.run.taking import Taking, Work
from siem.schema import SourceObject
from siem.store import open_folder
from siem.store.contract import State, Store

NOW = datetime(2026, 11, 2, tzinfo=UTC)
KEY = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_a.json"
LOG = '{"Records":[{"eventVersion":"1.11","eventID":"%s","eventTime":"2026-11-01T00:00:00Z"}]}'
AT = SourceObject("archive", KEY)


@dataclass(frozen=True)
class Bytes:
    """An object that is at hand, or cannot be had; `before`: what happens while it is fetched."""

    found: str | Exception
    before: Callable[[], object] = lambda: None

    @contextmanager
    def __call__(self) -> Iterator[Delivered]:
        self.before()
        if isinstance(self.found, Exception):
            raise self.found
        yield Delivered(self.found.encode(), Limits())

    def unchanged(self, size: int, since: datetime) -> bool:
        return False


def log(id_: str, before: Callable[[], object] = lambda: None) -> Work:
    return AT, Bytes(LOG % id_, before)


def without(error: Exception) -> Work:
    return AT, Bytes(error)


@dataclass(frozen=True)
class Shop:
    store: Store
    registry: Registry

    def take(self, *work: Work) -> Ingested:
        done = Ingested()
        for commit in Taking(self.store, self.registry, Settings(), lambda: NOW).commits(work, done):
            done.add(commit)
        return done

    @property
    def stored(self) -> list[tuple[bool, State, int]]:
        """Per row: is it the key's own, its state, and how many events are stored of it."""
        rows = self.store.ledger().values()
        return sorted((row.version is None, row.state, row.events - row.duplicates) for row in rows)


@pytest.fixture
def shop(tmp_path: Path, registry: Registry) -> Iterator[Shop]:
    store = open_folder(tmp_path / "store")
    yield Shop(store, registry)
    store.close()


BOTH = [(False, State.COMMITTED, 1), (True, State.COMMITTED, 1)]


def test_versions_that_come_together_are_both_taken_in(shop: Shop) -> None:
    done = shop.take(log("a"), log("b"), log("a"))
    assert shop.stored == BOTH
    assert (done.objects, done.known, len(done.changed)) == (2, 1, 1)


def test_versions_in_any_order_come_to_the_same_events(shop: Shop) -> None:
    for id_ in "abba":
        shop.take(log(id_))
    assert shop.stored == BOTH


def test_an_object_that_is_not_to_be_had_does_not_hide_its_next_version(shop: Shop) -> None:
    shop.take(without(Gone("gone")), log("a"))
    assert shop.stored == [(True, State.COMMITTED, 1)]


def test_what_was_read_stays_when_it_is_not_to_be_had_any_more(shop: Shop) -> None:
    shop.take(log("a"), without(Gone("gone")))
    shop.take(without(Denied("denied")))
    assert shop.stored == [(True, State.COMMITTED, 1)]


def test_an_object_that_was_denied_is_read_when_it_may_be(shop: Shop) -> None:
    shop.take(without(Denied("not for you")))
    assert [row.reason for row in shop.store.ledger().values()] == ["not for you"]
    shop.take(log("a"))
    assert shop.stored == [(True, State.COMMITTED, 1)]


def test_other_bytes_that_somebody_commits_meanwhile_do_not_hide_ours(shop: Shop) -> None:
    other = Shop(shop.store, shop.registry)
    done = shop.take(log("a", before=lambda: other.take(log("b"))))
    assert shop.stored == BOTH
    assert (done.objects, done.known) == (1, 0)


def test_the_same_bytes_that_somebody_commits_meanwhile_are_ours(shop: Shop) -> None:
    other = Shop(shop.store, shop.registry)
    done = shop.take(log("a", before=lambda: other.take(log("a"))))
    assert shop.stored == [(True, State.COMMITTED, 1)]
    assert (done.objects, done.known) in ((0, 1), (1, 0))  # both at the same time of this clock
