"""Rejects that were parsed again: their events are stored and the object's counts moved, in one commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from siem.parsing.batch import Parsed
from siem.store.contract import StoredReject
from siem.store.embedded import objects, rejects
from siem.store.embedded.engine import Engine
from siem.store.embedded.files import Workplace
from siem.store.embedded.ledger import immediate
from siem.store.embedded.settling import Aim, Overtaken, Piece, Settling
from siem.store.embedded.tables import tidy
from siem.store.times import micros


@dataclass(frozen=True)
class Replay:
    """What the rejects `stored` of one object came to."""

    object: str
    stored: Sequence[StoredReject]
    parsed: Parsed
    parser_version: str


def replay(root: Path, ledger: sqlite3.Connection, engine: Engine, step: Callable[[str], None], what: Replay) -> int:
    """Events stored; 0, and nothing changed, where the rejects are not all in the ledger any more."""
    for alone in (False, False, True):
        workplace = Workplace(root, step)
        named = False
        try:
            with ExitStack() as transaction:
                if alone:
                    transaction.enter_context(immediate(ledger))
                settling = _settled(root, ledger, engine, workplace, what)
                if not alone:
                    transaction.enter_context(immediate(ledger))
                settling.check()
                _forget(ledger, what)
                stored = _moved(ledger, settling, what)
                named = True
                step("named")
            return stored
        except Overtaken:
            continue
        except _Gone:
            return 0
        finally:
            workplace.clear(placed=not named)
    raise AssertionError("overtaken while nobody else could write")


class _Gone(Exception):
    """The rejects are not there any more."""


def _settled(root: Path, ledger: sqlite3.Connection, engine: Engine, workplace: Workplace, what: Replay) -> Settling:
    """The events in their place, not yet named."""
    found = ledger.execute("SELECT sha256, unique_ids FROM objects WHERE object = ?", (what.object,)).fetchone()
    if found is None:
        raise _Gone
    sha256, unique_ids = found
    aim = Aim(sha256, what.parsed.dataset, bool(unique_ids))
    settling = Settling(root, workplace, engine, ledger, {what.object: aim})
    if what.parsed.batch is not None and what.parsed.events:
        settling.settle(Piece(what.parsed.dataset, tidy(what.parsed.batch.arrow(), what.object)))
        settling.flush()
    return settling


def _forget(ledger: sqlite3.Connection, what: Replay) -> None:
    """Take the replayed rejects out.

    Raises:
        _Gone: somebody else replayed one of them; the transaction has to be given up.
    """
    ordinals = sorted({stored.reject.ordinal for stored in what.stored})
    versions = {stored.parser_version for stored in what.stored}
    if rejects.remove(ledger, what.object, ordinals, versions) != len(what.stored):
        raise _Gone


def _moved(ledger: sqlite3.Connection, settling: Settling, what: Replay) -> int:
    """Name the files, keep the rejects that stay, move the counts; the object has to be judged again."""
    parsed, number = what.parsed, settling.number
    rejects.add(ledger, "rejects", what.object, parsed.dataset, what.parser_version, parsed.rejects)
    settling.name()
    duplicates = settling.duplicates[what.object]
    stored = parsed.events - duplicates
    ends = pc.min_max(parsed.batch.arrow()["@timestamp"]).as_py() if parsed.batch is not None and parsed.events else {}
    first, last = (None if not ends else micros(ends[which]) for which in ("min", "max"))
    ledger.execute(
        "UPDATE objects SET sequence = ?, records = records + ?, events = events + ?, rejects = rejects + ?,"
        f" skipped = skipped + ?, duplicates = duplicates + ?, turn = iif(? > 0, {objects.NEXT_TURN}, turn),"
        " first = min(ifnull(first, ?), ifnull(?, first)), last = max(ifnull(last, ?), ifnull(?, last))"
        " WHERE object = ?",
        (
            *(number, parsed.records - len(what.stored), parsed.events, len(parsed.rejects) - len(what.stored)),
            *(parsed.skipped, duplicates, stored, first, first, last, last, what.object),
        ),
    )
    return stored
