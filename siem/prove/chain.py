"""How the digests of one trail follow each other: what lies between two of them, or should."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from siem.parsing.batch import text_of
from siem.prove.digest import Digest, digest_named, name_of


@dataclass(frozen=True)
class Link:
    """The digest that came last. sha256: of one that is sound; None: it was found to be broken already.

    signature: None where nobody can tell.
    """

    key: str
    end: datetime
    sha256: str | None = None
    signature: str | None = None


@dataclass(frozen=True)
class Break:
    """Two digests do not follow each other. key: of the object that the finding is about."""

    kind: str
    key: str
    said: str


def breaks(before: Link | None, digest: Digest) -> Break | None:
    """What is wrong between a sound digest and the one that lies before it. (The first that is there may name one that
    is not.)"""
    if before is None:
        return None
    said = digest.content
    named = digest_named(said.previous_key or "")
    if digest.named.backfill and (named is None or named.chain != digest.named.chain):
        return None  # it is delivered when there is need for one, and need not follow another
    if said.previous_key is None:
        return _gap(before, digest)
    if said.previous_bucket != said.bucket:
        elsewhere = f"the digest before it is in another bucket, {said.previous_bucket}: {said.previous_key}"
        return Break("chain-gap", digest.key, elsewhere)
    if said.previous_key == before.key:
        return _other(before, digest)
    if named is None or named.chain != digest.named.chain or named.time <= before.end:
        other = f"it names {said.previous_key} as the digest before it, but {name_of(before.key)} lies there"
        return Break("chain-broken", digest.key, other)
    return _missing(before, digest, said.previous_key)


def _gap(before: Link, digest: Digest) -> Break:
    why = "the trail was stopped, or validation was off"
    said = f"the chain begins anew: nothing is vouched for from {_times(before, digest)}; {why}"
    return Break("chain-gap", digest.key, said)


def _other(before: Link, digest: Digest) -> Break | None:
    said = digest.content
    signed = before.signature is None or said.previous_signature == before.signature
    if before.sha256 is None or (said.previous_hash == before.sha256 and signed):
        return None
    return Break("chain-broken", before.key, f"it is not the digest that the next one, {name_of(digest.key)}, follows")


def _missing(before: Link, digest: Digest, key: str) -> Break:
    said = f"{name_of(digest.key)} names it as the one before; nothing is vouched for from {_times(before, digest)}"
    return Break("digest-missing", key, said)


def _times(before: Link, digest: Digest) -> str:
    return f"{text_of(before.end)} to {text_of(digest.content.start.astimezone(UTC))}"
