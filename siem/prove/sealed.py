"""Seals against what is there now: whoever changed, deleted or backdated what was sealed shows."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from io import BytesIO

from siem.errors import ConfigError, Denied, Gone
from siem.prove.anchor import Anchor
from siem.prove.proof import Proof
from siem.prove.seals import Item, Seal, action_item, facts, hashed, items_name, read_seal, seal_name, seals_in
from siem.store.contract import LedgerRow, State, Store
from siem.store.entries import LASTING

NAME = "seals"


class Sealed:
    """The proof. rules: fingerprints, by id, of those that are in use."""

    def __init__(self, store: Store, anchor: Anchor, rules: Mapping[str, str]) -> None:
        self._store, self._anchor, self._rules = store, anchor, rules
        self._proof = Proof(NAME)
        self._told: set[str] = set()
        self._judged_again: set[str] = set()
        self._to = 0

    def prove(self) -> Proof:
        """Read every seal and what it seals.

        Raises:
            ConfigError, Unavailable: the anchor or the store cannot be read.
        """
        numbers = sorted(seals_in(self._anchor))
        if not numbers:
            self._proof.unproven("nothing was sealed yet")
            return self._proof
        before: str | None = None
        for number in range(1, numbers[-1] + 1):
            before = self._seal(number, before)
        self._rest(numbers[-1], before)
        return self._proof

    def _seal(self, number: int, before: str | None) -> str | None:
        """One seal; its hash. before: of the one before; None: it is not there."""
        name = seal_name(number)
        try:
            content = self._anchor.read(name)
            found = read_seal(content)
        except (Gone, Denied, ConfigError) as error:
            self._proof.found("seal-missing", "", name, f"it is not there, or cannot be read: {error}")
            return None
        self._proof.counts["seals"] += 1
        if number > 1 and before is not None and found.previous != before:
            self._proof.found("seal-broken", "", name, f"it does not follow {seal_name(number - 1)}: one was changed")
        elif found.number != number or (number == 1 and found.previous is not None):
            self._proof.found("seal-broken", "", name, f"it was written as {seal_name(found.number)}")
        elif before is not None and found.after != self._to:
            self._proof.found("seal-broken", "", name, f"it does not begin where {seal_name(number - 1)} ended")
        elif (packed := self._items(name, found)) is not None:
            self._compare(name, found, packed)
        self._to = found.to
        return hashed(content)

    def _items(self, name: str, found: Seal) -> bytes | None:
        """What the seal is of, packed, where it is what was sealed."""
        try:
            packed = self._anchor.read(items_name(found.items)) if found.items.isalnum() else b""
            if hash_of(packed) == found.items:
                return packed
            why = "it was changed"
        except (Gone, Denied, OSError, EOFError, zlib.error) as error:
            why = f"it cannot be read: {error}"
        self._proof.found("seal-broken", "", items_name(found.items), f"it is not what {name} sealed: {why}")
        return None

    def _compare(self, name: str, found: Seal, packed: bytes) -> None:
        sealed_rules: dict[str, str] = {}
        rows = self._rows(found)
        at, row = next(rows, (None, None))
        for item in lines(packed):
            match item[0]:
                case "rule":
                    sealed_rules[item[1]] = item[2]
                case "row":
                    while at is not None and row is not None and at < item[1]:
                        self._added(name, row)
                        at, row = next(rows, (None, None))
                    same = at == item[1]
                    self._row(name, item, row if same else None)
                    if same:
                        at, row = next(rows, (None, None))
                case "alert":
                    self._alert(name, item, sealed_rules.get(item[2]))
                case "action":
                    self._action(name, item)
        while row is not None:
            self._added(name, row)
            at, row = next(rows, (None, None))

    def _rows(self, found: Seal) -> Iterator[tuple[int, LedgerRow]]:
        for place, row in self._store.committed(found.after):
            if place > found.to:
                return
            yield place, row

    def _row(self, name: str, item: Item, row: LedgerRow | None) -> None:
        """A sealed row. It has another place where the object was taken in again."""
        _, _, object_, bucket, key, hash_, state, parser, events, rejects = item
        self._proof.counts["rows"] += 1
        now = row or self._store.ledger([object_]).get(object_)
        if now is None or now.object != object_:
            self._proof.found("row-missing", bucket, key, f"{name} sealed its row, and the ledger has none")
        elif state in LASTING and facts(now) != hash_:
            self._proof.found("row-changed", bucket, key, f"its row is not what {name} sealed")
        elif state in LASTING and now.state not in (state, State.EXPIRED):
            self._proof.found("row-changed", bucket, key, f"it was {state} when {name} sealed it, and is {now.state}")
        elif now.parser_version == parser and (now.events < events or now.rejects > rejects):
            said = (
                f"{name} sealed {events:,} events and {rejects:,} rejects; there are {now.events:,} and {now.rejects:,}"
            )
            self._proof.found("row-changed", bucket, key, said)

    def _added(self, name: str, row: LedgerRow) -> None:
        said = f"its row lies among those that {name} sealed, and was not there then"
        self._proof.found("row-added", row.bucket, row.key, said)

    def _alert(self, name: str, item: Item, fingerprint: str | None) -> None:
        _, id_, rule, _ = item
        if id_ in self._told or id_ in self._alerts:
            return
        self._told.add(id_)
        if fingerprint is None or self._rules.get(rule) != fingerprint:
            self._judged_again.add(rule)
        else:
            said = f"{name} sealed this alert of the rule {rule}, and it is not there"
            self._proof.found("alert-missing", "", id_, said)

    def _action(self, name: str, item: Item) -> None:
        _, id_, alert, hash_ = item
        if id_ in self._told or self._actions.get(id_) == hash_:
            return
        self._told.add(id_)
        what = "is not there" if id_ not in self._actions else "was changed"
        said = f"{name} sealed what somebody did with the alert {alert}, and it {what}"
        self._proof.found("action-missing" if id_ not in self._actions else "action-changed", "", id_, said)

    def _rest(self, last: int, hash_: str | None) -> None:
        """What an auditor should know of the last seal."""
        if self._judged_again:
            rules = ", ".join(sorted(self._judged_again))
            self._proof.noted(f"alerts are gone of rules that were changed since, and perhaps judged again: {rules}")
        if hash_ is None:
            return
        found = read_seal(self._anchor.read(seal_name(last)))
        self._proof.noted(f"the last seal is {seal_name(last)} of {found.sealed}, SHA-256 {hash_}: keep it elsewhere")
        if later := sum(1 for _ in self._store.committed(found.to)):
            self._proof.noted(f"{later:,} rows came later and are not sealed yet")

    @cached_property
    def _alerts(self) -> frozenset[str]:
        return frozenset(alert.id for alert in self._store.alerts(merged=True))

    @cached_property
    def _actions(self) -> Mapping[str, str]:
        return {action.id: action_item(action)[3] for action in self._store.actions()}


def lines(packed: bytes) -> Iterator[Item]:
    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        for line in file:
            yield json.loads(line)


def hash_of(packed: bytes) -> str:
    hashed_ = hashlib.sha256()
    with gzip.GzipFile(fileobj=BytesIO(packed)) as file:
        while piece := file.read(1 << 20):
            hashed_.update(piece)
    return hashed_.hexdigest()
