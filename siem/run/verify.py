"""All proofs of a place: bucket against ledger, ledger against store, CloudTrail's digests against the objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from siem.config import Limits
from siem.detect.judgement import Judgement
from siem.detect.standing import Difference, Standing, differences, unexplained
from siem.errors import Denied, Gone
from siem.parsing import Registry
from siem.prove import listing, sealed, stored
from siem.prove.anchor import Anchor
from siem.prove.keys import Asked, Given, Keys, keys_in
from siem.prove.listing import Listing
from siem.prove.place import Entry, Place
from siem.prove.proof import KEPT, Proof
from siem.prove.sealed import Sealed
from siem.prove.stored import Ids, Stored
from siem.prove.trails import Trails
from siem.run.reading import read
from siem.schema import SourceObject
from siem.store.contract import LedgerRow, Store

TOLD_EVERY = 10_000
"""Keys between two words on how far the listing is."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Kept:
    """What is compared with a place: a store, with what made its events and alerts.

    rules: fingerprints by id, of those in use. anchor: where seals lie; None: nowhere.
    """

    store: Store
    registry: Registry
    judgement: Judgement
    limits: Limits
    rules: Mapping[str, str] = field(default_factory=dict)
    anchor: Anchor | None = None


def keys(file: Path | None) -> Keys:
    """The public keys of a file, or those that CloudTrail is asked for.

    Raises:
        ConfigError: the file is something else.
    """
    if file is not None:
        return Given(keys_in(file))

    def ask(region: str, since: datetime, until: datetime) -> list[dict[str, object]]:
        from siem.aws import public_keys  # boto3 takes 0.25 s to import

        return public_keys(region, since, until)

    return Asked(ask)


def verify(
    place: Place | None,
    known: Keys,
    kept: Kept | None,
    now: datetime,
    deep: bool = False,
    progress: Progress = lambda said: None,
) -> list[Proof]:
    """The proofs, one after the other. place: None: of the store alone. kept: None where there is no store.

    Raises:
        ConfigError, Unavailable: bucket, store or anchor cannot be read.
    """
    if place is None:
        return [] if kept is None else inside(kept, ids_nowhere, {}, progress)
    trails = Trails(place, known)
    entries = seen(place.listed(), trails, progress)
    proofs = without_store(entries) if kept is None else compared(place, kept, entries, now, deep, progress)
    progress("digests")
    return [*proofs, trails.prove()]


def seen(entries: Iterable[Entry], trails: Trails, progress: Progress) -> Iterator[Entry]:
    """The entries, on their way past whoever proves digests."""
    for number, entry in enumerate(entries):
        if number % TOLD_EVERY == 0:
            progress(f"listing: {number:,} objects")
        trails.see(entry.key)
        yield entry


def without_store(entries: Iterable[Entry]) -> list[Proof]:
    count = sum(1 for _ in entries)
    proofs = [Proof(listing.NAME, Counter(objects=count)), Proof(stored.NAME), Proof(sealed.NAME)]
    for proof in proofs:
        proof.unproven("there is no store to compare with; --store names one")
    return proofs


def compared(
    place: Place, kept: Kept, entries: Iterable[Entry], now: datetime, deep: bool, progress: Progress
) -> list[Proof]:
    comparing = Listing(place, now, deep)
    bucket = comparing.prove(entries, kept.store.known(place.bucket, place.prefix))
    return [bucket, *inside(kept, ids_in(place, kept, now), comparing.strangers, progress)]


def inside(kept: Kept, ids: Ids, strangers: Mapping[str, str], progress: Progress) -> list[Proof]:
    """The proofs that need no bucket."""
    progress("store")
    store = Stored(kept.store, ids, strangers).prove()
    progress("alerts")
    alerts(store, kept)
    progress("seals")
    return [store, seals(kept)]


def seals(kept: Kept) -> Proof:
    if kept.anchor is not None:
        return Sealed(kept.store, kept.anchor, kept.rules).prove()
    proof = Proof(sealed.NAME)
    proof.unproven("nothing is sealed: the setting verify.anchor names no place")
    return proof


def ids_nowhere(row: LedgerRow) -> None:
    """Without a bucket no object can be read again."""


def ids_in(place: Place, kept: Kept, now: datetime) -> Ids:
    """Reads objects of the place again."""

    def ids(row: LedgerRow) -> Counter[str] | None:
        if row.bucket != place.bucket or not row.key.startswith(place.prefix):
            return None
        source = SourceObject(row.bucket, row.key, row.version)
        found: Counter[str] = Counter()
        try:
            with place.opened(row.key) as content:
                if content.sha256 != row.sha256:
                    return None
                for parsed in read(source, content, kept.registry, kept.limits, now):
                    if parsed.batch is not None:
                        found.update(parsed.batch.arrow()["event.id"].to_pylist())
        except (Gone, Denied):
            return None
        return found

    return ids


def alerts(proof: Proof, kept: Kept) -> None:
    """Alerts against the signals that they are a function of."""
    done = Standing()
    for one in differences(kept.store, kept.judgement, done):
        row = kept.store.ledger(one.objects[:1]) if proof.kinds.total() < KEPT else {}
        place = next(((row.bucket, row.key) for row in row.values()), ("", one.alert.id))
        proof.found("alert-missing" if one.standing is None else "alert-changed", *place, in_words(one))
    for alert in unexplained(kept.store):
        said = f"alert {alert.id} ({alert.title}) is {alert.state}, and the log of what people did does not say so"
        proof.found("alert-changed", "", alert.id, said)
    proof.counts["alerts"] = done.alerts
    if done.left_out:
        names = ", ".join(sorted(done.left_out))
        proof.unproven(f"alerts of rules that were changed since, or are not in use, cannot be made anew: {names}")


def in_words(one: Difference) -> str:
    alert = one.alert
    what = f"alert {alert.id} ({alert.title}; {alert.count:,} events, the first {alert.events[0]})"
    if one.standing is None:
        return f"{what} follows from what the rules found, and is not there"
    return f"{what} is not what follows from what the rules found"
