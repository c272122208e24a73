"""Seals: whatever is changed, deleted or backdated after a night shows, and what may change does not."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from siem.errors import ConfigError, Unavailable
from siem.parsing.batch import Parsed
from siem.prove.anchor import InFolder
from siem.prove.proof import Proof, Verdict
from siem.prove.sealed import Sealed
from siem.prove.seals import Seal, seal
from siem.store import open_folder
from siem.store.contract import Alert, Judged, Signal, State, Store
from siem.store.handling import Action, Verb
from siem.testing.deliveries import NOW, START, TRAIL, delivery, put, reject, trail

RULES = {"r": "f"}


class World:
    """A store with a day in it, and its anchor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = open_folder(folder / "store")
        self.anchor = InFolder(folder / "anchor")
        self.nights = 0

    def day(self, *keys: str) -> None:
        """Objects, one after the other, with an event and a reject each; and an alert for each event."""
        for key in keys:
            one = delivery(key)
            put(self.store, (one, Parsed(TRAIL, trail(one, f"e-{key}"), [reject(1)])), now=NOW)
            signal = Signal("r", f"e-{key}", START, one.source.id, TRAIL, "f", {"user": key})
            self.store.mark(Judged([signal]), alerts)

    def seal(self) -> Seal:
        self.nights += 1
        return seal(self.store, RULES, self.anchor, NOW + timedelta(days=self.nights))

    def proof(self, rules: dict[str, str] = RULES) -> Proof:
        return Sealed(self.store, self.anchor, rules).prove()

    def found(self, rules: dict[str, str] = RULES) -> list[tuple[str, str]]:
        return [(one.kind, one.key) for one in self.proof(rules).findings]

    def sql(self, statement: str) -> None:
        with sqlite3.connect(self.folder / "store" / "ledger.sqlite") as connection:
            for kind in ("changed", "removed"):
                connection.execute(f"DROP TRIGGER IF EXISTS actions_are_not_{kind}")
            assert connection.execute(statement).rowcount == 1


def alerts(rule: str, signals: object, standing: object) -> list[Alert]:
    assert isinstance(signals, list)
    return [
        Alert(
            f"alert-{one.group['user']}",
            rule,
            "t",
            "low",
            (),
            one.group,
            one.timestamp,
            one.timestamp,
            1,
            (one.event_id,),
        )
        for one in signals
    ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.store.close()


def test_what_was_sealed_and_left_alone_is_proven(world: World) -> None:
    world.day("a", "b")
    world.seal()
    world.day("c")
    world.seal()
    world.day("d")
    proof = world.proof()
    assert (proof.findings, proof.verdict) == ([], Verdict.PROVEN)
    assert proof.counts == {"seals": 2, "rows": 3}
    assert any(note.startswith("1 rows came later") for note in proof.notes)


def test_each_seal_has_the_hash_of_the_one_before(world: World) -> None:
    world.day("a")
    first, second = world.seal(), world.seal()
    assert (first.previous, first.number, second.number) == (None, 1, 2)
    assert (first.after, first.to, second.after, second.to) == (0, 1, 1, 1)
    assert second.previous is not None


def test_nothing_sealed_yet_is_a_note(world: World) -> None:
    world.day("a")
    proof = world.proof()
    assert (proof.findings, proof.verdict, proof.notes) == ([], Verdict.NOT_PROVEN, ["nothing was sealed yet"])


@pytest.mark.parametrize(
    ("statement", "kind", "key"),
    [
        ("DELETE FROM objects WHERE key = 'b'", "row-missing", "b"),
        ("UPDATE objects SET sha256 = '0' WHERE key = 'b'", "row-changed", "b"),
        ("UPDATE objects SET bytes = bytes + 1 WHERE key = 'b'", "row-changed", "b"),
        ("UPDATE objects SET key = 'x' WHERE key = 'b'", "row-changed", "b"),
        ("UPDATE objects SET state = 'unrecognised' WHERE key = 'b'", "row-changed", "b"),
        ("UPDATE objects SET events = 0, rejects = 0, records = 0 WHERE key = 'b'", "row-changed", "b"),
        ("UPDATE objects SET rejects = 2, records = 3 WHERE key = 'b'", "row-changed", "b"),
        ("DELETE FROM alerts WHERE id = 'alert-b'", "alert-missing", "alert-b"),
        ("DELETE FROM actions WHERE id = '1'", "action-missing", "1"),
    ],
)
def test_whatever_is_changed_that_was_sealed_is_named(world: World, statement: str, kind: str, key: str) -> None:
    world.day("a", "b", "c")
    world.store.act([Action("1", "alert-b", "r", Verb.ACKNOWLEDGE, "ann", NOW)])
    world.seal()
    world.seal()
    world.sql(statement)
    assert world.found() == [(kind, key)]


def test_an_action_that_is_changed_is_named(world: World) -> None:
    world.day("a")
    world.store.act([Action("1", "alert-a", "r", Verb.ACKNOWLEDGE, "ann", NOW)])
    world.seal()
    world.sql("DELETE FROM actions")
    world.store.act([Action("1", "alert-a", "r", Verb.ACKNOWLEDGE, "bob", NOW)])
    assert world.found() == [("action-changed", "1")]


def test_a_row_that_is_put_among_sealed_ones_is_named(world: World) -> None:
    world.day("a", "b", "c")
    world.sql("DELETE FROM objects WHERE key = 'b'")
    world.seal()
    world.day("late")
    world.sql("UPDATE objects SET position = 2 WHERE key = 'late'")
    assert world.found() == [("row-added", "late")]


def test_a_replay_retention_and_late_events_are_no_findings(world: World) -> None:
    world.day("a", "b")
    world.seal()
    stored = [one for one in world.store.rejects() if one.key == "a"]
    world.store.replay(stored, Parsed(TRAIL, trail(delivery("a"), "r", start=START + timedelta(hours=1))), NOW)
    assert world.found() == []
    world.store.retain({TRAIL: datetime(2026, 12, 1, tzinfo=START.tzinfo)})
    assert {row.state for row in world.store.ledger().values()} == {State.EXPIRED}
    assert world.found() == []


def test_an_object_that_could_be_had_later_is_no_finding(world: World) -> None:
    one = delivery("denied")
    put(world.store, (replace(one, sha256="", bytes=0), []), state=State.DENIED)
    world.seal()
    put(world.store, (one, Parsed(TRAIL, trail(one, "a"))))
    assert world.found() == []
    world.seal()
    world.sql("DELETE FROM objects WHERE key = 'denied'")
    assert world.found() == [("row-missing", "denied"), ("row-missing", "denied")]


def test_alerts_of_a_rule_that_was_changed_since_may_be_gone(world: World) -> None:
    world.day("a")
    world.seal()
    world.sql("DELETE FROM alerts")
    assert world.found({"r": "another"}) == []
    assert world.found({}) == []
    assert world.found() == [("alert-missing", "alert-a")]


def files(world: World) -> list[Path]:
    return sorted((world.folder / "anchor").iterdir())


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_seal_that_is_changed_or_gone_shows(world: World, number: int) -> None:
    for key in "abc":
        world.day(key)
        world.seal()
    path = world.folder / "anchor" / f"seal-{number:06d}.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps({**content, "after": content["after"] + 1}))
    assert world.found() != []
    path.write_text("{}")
    assert world.found()[0] == ("seal-missing", path.name)
    path.unlink()
    assert (world.found() == []) == (number == 3)  # that the newest is gone, who keeps its hash knows


def test_items_that_are_changed_or_gone_show(world: World) -> None:
    world.day("a")
    made = world.seal()
    path = world.folder / "anchor" / f"items-{made.items}.gz"
    for content in (gzip.compress(gzip.decompress(path.read_bytes()) + b'["rule","x","y"]\n'), b"no gzip", b""):
        path.write_bytes(content)
        assert world.found() == [("seal-broken", path.name)]
    path.unlink()
    assert world.found() == [("seal-broken", path.name)]


def test_a_seal_is_never_written_again(world: World) -> None:
    world.day("a")
    world.seal()
    assert world.anchor.write("seal-000001.json", b"other") is False
    assert b"other" not in world.anchor.read("seal-000001.json")


def test_of_two_who_seal_at_once_one_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.day("a")
    written = InFolder.write

    def faster(self: InFolder, name: str, content: bytes) -> bool:
        if name.startswith("seal-"):
            written(self, name, content)
        return written(self, name, content)

    monkeypatch.setattr(InFolder, "write", faster)
    with pytest.raises(Unavailable, match="somebody else"):
        world.seal()
    monkeypatch.undo()
    assert world.found() == []


def test_a_process_that_dies_before_its_seal_is_written_leaves_none(world: World) -> None:
    world.day("a")
    made = world.seal()
    (world.folder / "anchor" / "seal-000001.json").unlink()
    again = world.seal()
    assert (again.number, again.items) == (1, made.items)
    assert world.found() == []


def test_a_seal_of_a_newer_program_is_told(world: World) -> None:
    world.day("a")
    world.seal()
    path = world.folder / "anchor" / "seal-000001.json"
    path.write_text(path.read_text().replace('"form":1', '"form":2'))
    with pytest.raises(ConfigError, match="form 2"):
        world.seal()
    assert [kind for kind, _ in world.found()] == ["seal-missing"]


def test_an_anchor_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"verify\.anchor"):
        InFolder(tmp_path / "file" / "anchor").write("a", b"")
