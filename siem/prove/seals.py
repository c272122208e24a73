"""Seals: each night one hash over what ledger and alerts came to since the last one, with the hash of that one inside.

A seal is two files of the anchor. `seal-000007.json` says what was sealed, in counts and hashes, and the hash of
`seal-000006.json`; `items-<hash>.gz` has a line per thing that was sealed, so that what differs later can be named:

    ["rule", id, fingerprint]      the rules in use
    ["row", place, object, bucket, key, hash, state, parser version, events, rejects]    committed since, in order
    ["alert", id, rule, first]     every alert, its first event's time in microseconds
    ["action", id, alert, hash]    every step that people took

What may change is not in the hashes: an object expires, a replay turns rejects into events, late events make an alert
grow or merge it into another.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

import msgspec

from siem.errors import ConfigError, Unavailable
from siem.parsing.batch import text_of
from siem.prove.anchor import Anchor
from siem.store.contract import Alert, LedgerRow, Store
from siem.store.entries import LASTING
from siem.store.handling import Action
from siem.store.times import micros
from siem.store.written import action_document

SEAL = re.compile(r"seal-([0-9]{6})\.json")

FORM = 1
"""Of the files: raised with every change of them."""

Item = list[Any]


@dataclass(frozen=True)
class Seal:
    """What `seal-….json` says. after, to: places in the order of commits: rows after the one, up to the other.

    previous: hash (hex, SHA-256) of the file of the seal before; None: it is the first. items: hash of the items.
    """

    number: int
    sealed: str
    previous: str | None
    after: int
    to: int
    counts: Mapping[str, int]
    items: str
    form: int = FORM


def canonical(value: object) -> bytes:
    """JSON that is the same for the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def seal_name(number: int) -> str:
    return f"seal-{number:06d}.json"


def items_name(hash_: str) -> str:
    return f"items-{hash_}.gz"


def facts(row: LedgerRow) -> str:
    """Hash of what never changes in a row. Of an object that could not be had only that it was there."""
    lasting = [row.sha256, row.bytes] if row.state in LASTING else []
    return hashed(canonical([row.object, row.bucket, row.key, row.version, *lasting]))[:32]


def row_item(place: int, row: LedgerRow) -> Item:
    counts = [row.state.value, row.parser_version, row.events, row.rejects]
    return ["row", place, row.object, row.bucket, row.key, facts(row), *counts]


def alert_item(alert: Alert) -> Item:
    """Rule, group and first event are in the id."""
    return ["alert", alert.id, alert.rule_id, micros(alert.first)]


def action_item(action: Action) -> Item:
    return ["action", action.id, action.alert, hashed(canonical(action_document(action)))[:32]]


def seal(store: Store, rules: Mapping[str, str], anchor: Anchor, now: datetime) -> Seal:
    """Seal what came since the last seal. The scheduler calls it each night. rules: fingerprints by id.

    Raises:
        ConfigError, Unavailable: the anchor cannot be written or the store is away; nothing was sealed.
    """
    number = max(seals_in(anchor), default=0)
    before = anchor.read(seal_name(number)) if number else None
    after = read_seal(before).to if before is not None else 0
    counts: Counter[str] = Counter()
    packed, hash_, to = written(items(store, rules, after), counts, after)
    previous = hashed(before) if before is not None else None
    made = Seal(number + 1, text_of(now), previous, after, to, dict(counts), hash_)
    anchor.write(items_name(hash_), packed)
    if not anchor.write(seal_name(made.number), canonical(asdict(made))):
        raise Unavailable(f"{seal_name(made.number)} was written by somebody else meanwhile; nothing was sealed")
    return made


def items(store: Store, rules: Mapping[str, str], after: int) -> Iterator[Item]:
    """Everything that a seal is about."""
    yield from (["rule", *rule] for rule in sorted(rules.items()))
    yield from (row_item(place, row) for place, row in store.committed(after))
    yield from (alert_item(alert) for alert in sorted(store.alerts(merged=True), key=lambda alert: alert.id))
    yield from (action_item(action) for action in store.actions())


def written(lines: Iterable[Item], counts: Counter[str], to: int) -> tuple[bytes, str, int]:
    """The items, packed; the hash of their text; the last place of a row among them."""
    digest, packed = hashlib.sha256(), BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:
        for item in lines:
            line = canonical(item) + b"\n"
            digest.update(line)
            file.write(line)
            counts[f"{item[0]}s"] += 1
            to = item[1] if item[0] == "row" else to
    return packed.getvalue(), digest.hexdigest(), to


def seals_in(anchor: Anchor) -> list[int]:
    """Numbers of the seals that are there."""
    return [int(found[1]) for name in anchor.names() if (found := SEAL.fullmatch(name))]


def read_seal(content: bytes) -> Seal:
    """A seal's file.

    Raises:
        ConfigError: it is none, or of a newer program.
    """
    try:
        found = msgspec.json.decode(content, type=Seal)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"verify.anchor: a seal cannot be read: {error}") from error
    if found.form != FORM:
        raise ConfigError(f"verify.anchor: a seal has form {found.form}, and this program reads {FORM}")
    return found
